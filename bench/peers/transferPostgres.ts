import { asc, eq, inArray, sql } from "drizzle-orm";
import { drizzle } from "drizzle-orm/node-postgres";
import { bigint, integer, pgTable } from "drizzle-orm/pg-core";
import pg from "pg";
import { childConfig, serveCalls } from "../harness/calls.ts";
import { serveTransfers } from "./transferServer.ts";

// Peer of W1: Node + PostgreSQL + Drizzle; and the database of the stored-procedure peer, which needs no server of ours.

const { url, connections } = childConfig() as { url: string; connections: number };
const accounts = pgTable("accounts", {
  number: integer("number").primaryKey(),
  balance: bigint("balance", { mode: "number" }).notNull(),
});
const pool = new pg.Pool({ connectionString: url, max: connections });
// The server ends its connections when it stops before this process does.
pool.on("error", () => {});
const db = drizzle(pool);

function transfer(from: number, to: number, amount: number): Promise<boolean> {
  return db.transaction(async (tx) => {
    // Locking in the order of the key keeps two transfers from waiting for each other.
    const rows = await tx
      .select()
      .from(accounts)
      .where(inArray(accounts.number, [from, to]))
      .orderBy(asc(accounts.number))
      .for("update");
    const source = rows.find(({ number }) => number === from);
    if (source === undefined || rows.length !== 2 || source.balance < amount) return false;
    await tx
      .update(accounts)
      .set({ balance: sql`${accounts.balance} - ${amount}` })
      .where(eq(accounts.number, from));
    await tx
      .update(accounts)
      .set({ balance: sql`${accounts.balance} + ${amount}` })
      .where(eq(accounts.number, to));
    return true;
  });
}

const storedProcedure = `
create function transfer(source int, target int, amount bigint) returns boolean language plpgsql as $$
declare
  funds bigint;
begin
  perform 1 from accounts where number in (source, target) order by number for update;
  select balance into funds from accounts where number = source;
  if funds is null or funds < amount then return false; end if;
  update accounts set balance = balance - amount where number = source;
  update accounts set balance = balance + amount where number = target;
  return true;
end $$`;

serveCalls({
  start: () => serveTransfers(({ from, to, amount }) => transfer(from, to, amount)),
  seed: async ({ count, balance }: { count: number; balance: number }) => {
    await pool.query("create table accounts (number int primary key, balance bigint not null)");
    await pool.query("insert into accounts select n, $1 from generate_series(0, $2 - 1) n", [balance, count]);
    await pool.query(storedProcedure);
    await pool.query("vacuum analyze accounts");
    await pool.query("checkpoint");
  },
  balances: async ({ count }: { count: number }) => {
    const total = await pool.query<{ total: string }>("select sum(balance) as total from accounts");
    const first = await pool.query<{ balance: string }>(
      "select balance from accounts where number < $1 order by number",
      [count],
    );
    return { total: Number(total.rows[0]?.total), first: first.rows.map((row) => Number(row.balance)) };
  },
});
