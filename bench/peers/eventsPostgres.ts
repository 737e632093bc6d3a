import pg from "pg";
import { childConfig, serveCalls } from "../harness/calls.ts";
import { type EventRow, seedRows, serveEvents } from "./eventsServer.ts";

// Peer of W2 and W3: ws + PostgreSQL, prepared statements.

const { url, connections } = childConfig() as { url: string; connections: number };
const pool = new pg.Pool({ connectionString: url, max: connections });
pool.on("error", (error) => console.error(error));

serveCalls({
  seed: async ({ count, channels }: { count: number; channels: number }) => {
    await pool.query(
      "create table events (id bigserial primary key, channel text not null, rand float8 not null, body text not null)",
    );
    const rows = [...seedRows(count, channels)];
    const batch = 5000;
    for (let first = 0; first < rows.length; first += batch) {
      const part = rows.slice(first, first + batch);
      await pool.query(
        "insert into events (channel, rand, body) select * from unnest($1::text[], $2::float8[], $3::text[])",
        [part.map(({ channel }) => channel), part.map(({ rand }) => rand), part.map(({ body }) => body)],
      );
    }
    await pool.query("create index by_channel on events (channel, rand)");
    await pool.query("create index by_rand on events (rand)");
    await pool.query("analyze events");
  },
  start: () =>
    serveEvents({
      insert: async ({ channel, rand, body }) => {
        await pool.query({
          name: "insert",
          text: "insert into events (channel, rand, body) values ($1, $2, $3)",
          values: [channel, rand, body],
        });
      },
      page: async (channel, from) => {
        const { rows } = await pool.query<EventRow>({
          name: "page",
          text: "select channel, rand, body from events where channel = $1 and rand >= $2 order by rand limit 10",
          values: [channel, from],
        });
        return rows;
      },
    }),
});
