import { childConfig, serveCalls } from "../harness/calls.ts";
import { type EventRow, seedRows, serveEvents } from "./eventsServer.ts";
import { openDurableSqlite } from "./nodeSqliteDrizzle.ts";

// Peer of W2 and W3: ws + SQLite. Each insert is one durable commit.

const { file } = childConfig() as { file: string };
const database = openDurableSqlite(file);
database.exec(
  "create table events (id integer primary key, channel text not null, rand real not null, body text not null);" +
    "create index by_channel on events (channel, rand); create index by_rand on events (rand)",
);
const insert = database.prepare("insert into events (channel, rand, body) values (?, ?, ?)");
const page = database.prepare(
  "select channel, rand, body from events where channel = ? and rand >= ? order by rand limit 10",
);

serveCalls({
  seed: ({ count, channels }: { count: number; channels: number }) => {
    database.exec("begin");
    for (const { channel, rand, body } of seedRows(count, channels)) insert.run(channel, rand, body);
    database.exec("commit");
  },
  start: () =>
    serveEvents({
      insert: ({ channel, rand, body }) => void insert.run(channel, rand, body),
      page: (channel, from) => page.all(channel, from) as unknown as EventRow[],
    }),
});
