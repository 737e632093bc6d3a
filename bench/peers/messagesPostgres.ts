import pg from "pg";
import { childConfig, serveCalls } from "../harness/calls.ts";
import { type Row, serveMessages } from "./messagesServer.ts";

// Peer of W4 and W5: ws + PostgreSQL. Inserts notify in their transaction; the server broadcasts what it is notified
// of, so that it also works with several servers on one database.

const { url } = childConfig() as { url: string };
const pool = new pg.Pool({ connectionString: url, max: 16 });
const listener = new pg.Client({ connectionString: url });
// The database ends the connections when it stops before this process does.
pool.on("error", () => {});
listener.on("error", () => {});

async function start(): Promise<number> {
  await pool.query(`
    create table messages (id bigserial primary key, channel text not null, seq int not null, body text not null);
    create index by_channel on messages (channel, id)`);
  await listener.connect();
  await listener.query("listen messages");
  return serveMessages((broadcast) => {
    listener.on("notification", ({ payload }) => broadcast(JSON.parse(payload ?? "") as Row));
    return {
      insert: async ({ channel, seq, body }) => {
        await pool.query({
          name: "insert",
          text: `with row as (insert into messages (channel, seq, body) values ($1, $2, $3) returning channel, seq, body)
                 select pg_notify('messages', row_to_json(row)::text) from row`,
          values: [channel, seq, body],
        });
      },
      latest: async (channel) => {
        const { rows } = await pool.query<Row>({
          name: "latest",
          text: "select channel, seq, body from messages where channel = $1 order by id desc limit 10",
          values: [channel],
        });
        return rows;
      },
    };
  });
}

serveCalls({
  start,
  count: async () =>
    Number((await pool.query<{ count: string }>("select count(*) from messages")).rows[0]?.count),
});
