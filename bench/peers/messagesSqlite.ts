import { childConfig, serveCalls } from "../harness/calls.ts";
import { serveMessages, type Row } from "./messagesServer.ts";
import { openDurableSqlite } from "./nodeSqliteDrizzle.ts";

// Peer of W4 and W5: ws + SQLite. The process that writes is the one that broadcasts; each insert is one durable commit.

const { file } = childConfig() as { file: string };
const database = openDurableSqlite(file);
database.exec(
  "create table messages (id integer primary key, channel text not null, seq integer not null, body text not null);" +
    "create index by_channel on messages (channel, id)",
);
const insert = database.prepare("insert into messages (channel, seq, body) values (?, ?, ?)");
const latest = database.prepare(
  "select channel, seq, body from messages where channel = ? order by id desc limit 10",
);

serveCalls({
  start: () =>
    serveMessages((broadcast) => ({
      insert: (row) => {
        insert.run(row.channel, row.seq, row.body);
        broadcast(row);
      },
      latest: (channel) => latest.all(channel) as unknown as Row[],
    })),
  count: () => database.prepare("select count(*) as count from messages").get()?.["count"],
});
