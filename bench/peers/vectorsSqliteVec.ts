import { DatabaseSync } from "node:sqlite";
import { getLoadablePath } from "sqlite-vec";
import { dimensions, groupOf, vectorOf } from "../app/convex/vectorData.ts";
import { childConfig, serveCalls } from "../harness/calls.ts";
import { serveVectors } from "./vectorsServer.ts";

// Peer of W9: sqlite-vec, which compares the query with every vector (of the group, if there is one).

const { file } = childConfig() as { file: string };
const database = new DatabaseSync(file, { allowExtension: true });
database.loadExtension(getLoadablePath());
database.exec(`
  pragma journal_mode = wal;
  pragma cache_size = -1000000;
  create virtual table vectors using vec0(
    number integer primary key, topic text, embedding float[${dimensions}] distance_metric=cosine)`);
const insert = database.prepare("insert into vectors (number, topic, embedding) values (?, ?, ?)");
const all = database.prepare(
  "select number from vectors where embedding match ? and k = 10 order by distance",
);
const ofGroup = database.prepare(
  "select number from vectors where embedding match ? and k = 10 and topic = ? order by distance",
);
const bytesOf = (vector: Float32Array): Uint8Array => new Uint8Array(vector.buffer);

serveCalls({
  fill: ({ from, count }: { from: number; count: number }) => {
    database.exec("begin");
    for (let number = from; number < from + count; number++)
      insert.run(BigInt(number), groupOf(number), bytesOf(vectorOf(number)));
    database.exec("commit");
  },
  start: () =>
    serveVectors({
      search: (vector, group) =>
        (group === null ? all.all(bytesOf(vector)) : ofGroup.all(bytesOf(vector), group)).map((row) =>
          Number(row["number"]),
        ),
    }),
});
