import type { Doc } from "../_generated/dataModel.js";
import type { MutationCtx, QueryCtx } from "../_generated/server.js";

/** A step that fails so often in a row ends its workflow; starting it again goes on where it was. */
export const attemptsMax = 5;

export function findWorkflow(ctx: QueryCtx, key: string): Promise<Doc<"workflows"> | null> {
  return ctx.db
    .query("workflows")
    .withIndex("by_key", (q) => q.eq("key", key))
    .unique();
}

/** The workflow of this key, running: a new one, or the old one from where it stopped. */
export async function startWorkflow(
  ctx: MutationCtx,
  kind: string,
  key: string,
  options: { total?: number; fromStart?: boolean } = {},
): Promise<{ workflow: Doc<"workflows">; wasRunning: boolean }> {
  const known = await findWorkflow(ctx, key);
  const nowMs = Date.now();
  if (known !== null && known.status === "running" && options.fromStart !== true)
    return { workflow: known, wasRunning: true };
  const fresh = {
    kind,
    key,
    status: "running" as const,
    step: "start",
    cursor: null,
    done: 0,
    attempts: 0,
    startedAt: nowMs,
    updatedAt: nowMs,
    ...(options.total === undefined ? {} : { total: options.total }),
  };
  if (known === null) {
    const id = await ctx.db.insert("workflows", fresh);
    return { workflow: (await ctx.db.get("workflows", id)) as Doc<"workflows">, wasRunning: false };
  }
  const goesOn = known.status !== "completed" && options.fromStart !== true;
  if (goesOn)
    await ctx.db.patch("workflows", known._id, {
      status: "running",
      attempts: 0,
      error: undefined,
      updatedAt: nowMs,
    });
  else await ctx.db.replace("workflows", known._id, fresh);
  return { workflow: (await ctx.db.get("workflows", known._id)) as Doc<"workflows">, wasRunning: false };
}

/** How far work has come that a cron goes on with. It is never "running": nobody needs to revive it. */
export async function noteProgress(
  ctx: MutationCtx,
  key: string,
  { cursor, done }: { readonly cursor: string; readonly done: number },
): Promise<void> {
  const known = await findWorkflow(ctx, key);
  const nowMs = Date.now();
  const now = { step: "seen", cursor, done: (known?.done ?? 0) + done, updatedAt: nowMs };
  if (known !== null) await ctx.db.patch("workflows", known._id, now);
  else
    await ctx.db.insert("workflows", {
      kind: key,
      key,
      status: "completed",
      attempts: 0,
      startedAt: nowMs,
      ...now,
    });
}
