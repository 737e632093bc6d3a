import { eq, sql } from "drizzle-orm";
import { integer, sqliteTable } from "drizzle-orm/sqlite-core";
import { childConfig, serveCalls } from "../harness/calls.ts";
import { openSqliteDrizzle } from "./nodeSqliteDrizzle.ts";
import { serveTransfers } from "./transferServer.ts";

// Peer of W1: Node + SQLite + Drizzle, one durable transaction per transfer, statements prepared once.

const { file } = childConfig() as { file: string };
const accounts = sqliteTable("accounts", {
  number: integer("number").primaryKey(),
  balance: integer("balance").notNull(),
});
const { raw, db } = openSqliteDrizzle(file);
raw.exec("create table accounts (number integer primary key, balance integer not null)");

const balanceOf = db
  .select({ balance: accounts.balance })
  .from(accounts)
  .where(eq(accounts.number, sql.placeholder("number")))
  .prepare();
const setBalance = db
  .update(accounts)
  .set({ balance: sql`${sql.placeholder("balance")}` })
  .where(eq(accounts.number, sql.placeholder("number")))
  .prepare();

const begin = raw.prepare("begin immediate");
const commit = raw.prepare("commit");

function transfer(from: number, to: number, amount: number): boolean {
  begin.run();
  try {
    const source = balanceOf.get({ number: from });
    const target = balanceOf.get({ number: to });
    const enough = source !== undefined && target !== undefined && source.balance >= amount;
    if (enough) {
      setBalance.run({ number: from, balance: source.balance - amount });
      setBalance.run({ number: to, balance: target.balance + amount });
    }
    commit.run();
    return enough;
  } catch (error) {
    raw.exec("rollback");
    throw error;
  }
}

serveCalls({
  start: () => serveTransfers(({ from, to, amount }) => transfer(from, to, amount)),
  seed: ({ count, balance }: { count: number; balance: number }) => {
    const insert = raw.prepare("insert into accounts values (?, ?)");
    raw.exec("begin");
    for (let number = 0; number < count; number++) insert.run(number, balance);
    raw.exec("commit; analyze");
  },
  balances: ({ count }: { count: number }) => ({
    total: raw.prepare("select sum(balance) as total from accounts").get()?.["total"],
    first: raw
      .prepare("select balance from accounts where number < ? order by number")
      .all(count)
      .map((row) => row["balance"]),
  }),
});
