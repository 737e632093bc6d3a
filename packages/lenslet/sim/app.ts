import { type BundledApp, bundleApp } from "../src/deploy/testing/testBundle.ts";
import { cronsModule, cronsOfVariant, jobFunctions } from "./jobsApp.ts";

/** Variants of the simulated app: same functions, other code and indexes behind some of them. */
export type Variant = "A" | "B";

const functions = `
import { query, mutation, internalMutation } from "./_generated/server";
import { internal } from "./_generated/api";
import { ConvexError } from "convex/values";

const accountOf = (db, name) => db.query("accounts").withIndex("by_name", (q) => q.eq("name", name)).unique();

export const deposit = mutation(async ({ db }, { op, account, amount }) => {
  const found = await accountOf(db, account);
  const balance = (found?.balance ?? 0) + amount;
  if (found === null) await db.insert("accounts", { name: account, balance });
  else await db.patch(found._id, { balance });
  await db.insert("entries", { account, amount, op, at: db.vars.commitTs });
  return { op, balance, at: db.vars.commitTs };
});

export const take = internalMutation(async ({ db }, { op, account, amount }) => {
  await db.insert("entries", { account, amount: -amount, op, at: db.vars.commitTs });
  const found = await accountOf(db, account);
  if (found === null || found.balance < amount) throw new ConvexError({ op, short: amount });
  await db.patch(found._id, { balance: found.balance - amount });
});

// Takes from the first account that can pay; those that cannot are rolled back.
export const transfer = mutation(async (ctx, { op, from, to, amount }) => {
  const refused = [];
  let paid = null;
  for (const account of from) {
    try {
      await ctx.runMutation(internal.m.take, { op, account, amount });
      paid = account;
      break;
    } catch (error) {
      refused.push([account, error.data.short]);
    }
  }
  if (paid === null) throw new ConvexError({ op, refused });
  const { balance } = await ctx.runMutation("m:deposit", { op, account: to, amount });
  return { op, paid, refused, balance };
});

export const prune = mutation(async ({ db }, { op, account, keep }) => {
  const entries = await db.query("entries").withIndex("by_account", (q) => q.eq("account", account)).collect();
  for (const entry of entries.slice(0, Math.max(0, entries.length - keep))) await db.delete(entry._id);
  return { op, kept: Math.min(keep, entries.length) };
});

export const look = mutation(async ({ db }, { op }) => ({ op, accounts: (await db.query("accounts").collect()).length }));

export const grow = mutation(async ({ db }, { op, table }) => {
  await db.insert("extra" + table, { op });
  return { op, size: (await db.query("extra" + table).collect()).length };
});

export const setFlag = mutation(async ({ db }, { op, on }) => {
  const flag = await db.query("flags").first();
  if (flag === null) await db.insert("flags", { on });
  else if (flag.on !== on) await db.patch(flag._id, { on });
  return { op };
});

export const balance = query(async ({ db }, { account }) => (await accountOf(db, account))?.balance ?? null);
export const total = query(async ({ db }) => {
  const total = (await db.query("accounts").collect()).reduce((sum, { balance }) => sum + balance, 0);
  if (total % 7 === 3) throw new ConvexError({ total });
  return total;
});
export const entries = query(async ({ db }, { account, limit }) =>
  (await db.query("entries").withIndex("by_account", (q) => q.eq("account", account)).order("desc").take(limit)).map(({ amount, op }) => [amount, op]));
export const between = query(async ({ db }, { account, low, high }) =>
  (await db.query("entries").withIndex("by_account", (q) => q.eq("account", account).gte("amount", low).lt("amount", high)).collect()).map(({ op }) => op));
export const newest = query(async ({ db }, { limit }) =>
  (await db.query("entries").order("desc").take(limit)).map(({ op, at }) => [op, at]));
export const page = query(async ({ db }, { opts }) => (await db.query("entries").paginate(opts)).page.map(({ op }) => op));
export const extra = query(async ({ db }, { table }) => (await db.query("extra" + table).collect()).map(({ op }) => op));
export const flagged = query(async ({ db, auth }) => {
  const flag = await db.query("flags").first();
  return flag?.on === true ? ((await auth.getUserIdentity())?.name ?? null) : "shared";
});
export const epoch = query(() => process.env.EPOCH ?? null);
`;

const ranked = {
  A: `(await db.query("entries").collect()).sort((a, b) => b.amount - a.amount || b._creationTime - a._creationTime)`,
  B: `(await db.query("entries").withIndex("by_amount").order("desc").collect())`,
};

function filesOf(variant: Variant): Record<string, string> {
  const byAmount = variant === "B" ? `.index("by_amount", ["amount"])` : "";
  return {
    "m.ts": functions,
    "j.ts": jobFunctions,
    "crons.ts": cronsModule(cronsOfVariant[variant]),
    "v.ts": `
import { query } from "./_generated/server";
export const code = query(() => "variant-${variant}");
export const ranked = query(async ({ db }, { limit }) => ${ranked[variant]}.slice(0, limit).map(({ op }) => op));
`,
    "schema.ts": `
import { defineSchema, defineTable } from "convex/server";
import { v } from "convex/values";
export default defineSchema({
  accounts: defineTable({ name: v.string(), balance: v.number() }).index("by_name", ["name"]),
  entries: defineTable({ account: v.string(), amount: v.number(), op: v.number(), at: v.commitTs() })
    .index("by_account", ["account", "amount"])${byAmount},
  plans: defineTable({ op: v.number(), job: v.id("_scheduled_functions") }).index("by_op", ["op"]),
}, { strictTableNameTypes: false });
`,
  };
}

/** The app as the CLI uploads it, with nothing of this machine in it, so that traces are equal everywhere. */
export async function bundleVariant(variant: Variant): Promise<BundledApp> {
  const app = await bundleApp(filesOf(variant));
  const withoutMap = ({ path, source, environment }: BundledApp["modules"][number]) => ({
    path,
    // esbuild names the files a module is made of.
    source: source.replaceAll(/^\s*\/\/ .*$/gm, ""),
    environment,
  });
  return {
    definition: withoutMap(app.definition),
    schema: app.schema && withoutMap(app.schema),
    modules: app.modules.map(withoutMap),
  };
}
