import { components } from "../_generated/api.js";
import type { Doc } from "../_generated/dataModel.js";
import type { MutationCtx } from "../_generated/server.js";
import type { Budget } from "./cascade.ts";
import { authUserIdOf } from "./identity.ts";
import { limits } from "./limits.ts";

// Deleting rows of Better Auth's own tables, which are its component's.

/** The person's sessions and passwords in Better Auth, then the person there. Nobody can sign in as them any more. */
export async function deleteAuthUser(ctx: MutationCtx, user: Doc<"users">, budget: Budget): Promise<void> {
  const authUserId = authUserIdOf(user);
  if (authUserId === null) return;
  const where = [{ field: "userId", value: authUserId }];
  for (const model of ["session", "account"]) {
    for (let isDone = false; !isDone && !budget.isSpent;) {
      const result = await deletePage(ctx, { model, where }, limits.authRowsPerCall);
      for (let row = 0; row < result.count; row++) budget.spend(where);
      budget.deleted += result.count;
      isDone = result.isDone || result.count === 0;
    }
  }
  if (budget.isSpent) return;
  await deleteVerifications(ctx, authUserId);
  await ctx.runMutation(components.betterAuth.adapter.deleteOne, {
    input: { model: "user", where: [{ field: "_id", value: authUserId }] },
  });
}

/**
 * Links in mails to the person, so that none of them opens anything. The component has no index for whose they are,
 * but they are few: `sweepVerifications` deletes them when their hour is over. What is beyond this reach goes then.
 */
async function deleteVerifications(ctx: MutationCtx, authUserId: string): Promise<void> {
  // Said like this the component looks for no index, and does not warn that there is none.
  const where = [{ field: "value", operator: "starts_with", value: authUserId }];
  let cursor: string | null = null;
  for (let pages = 0; pages < limits.verificationPagesMax; pages++) {
    const result = await deletePage(ctx, { model: "verification", where }, limits.authRowsPerCall, cursor);
    if (result.isDone) return;
    cursor = result.continueCursor;
  }
}

/** Deletes links in mails that are too old to open anything; returns how many. */
export async function sweepVerifications(ctx: MutationCtx, countMax: number): Promise<number> {
  const where = [{ field: "expiresAt", operator: "lt", value: Date.now() }];
  return (await deletePage(ctx, { model: "verification", where }, countMax)).count;
}

async function deletePage(
  ctx: MutationCtx,
  input: { readonly model: string; readonly where: readonly object[] },
  numItems: number,
  cursor: string | null = null,
): Promise<{ isDone: boolean; count: number; continueCursor: string }> {
  // The arguments are checked by the component; its generated types have no common form for several tables.
  return (await ctx.runMutation(components.betterAuth.adapter.deleteMany, {
    input: input as never,
    paginationOpts: { cursor, numItems },
  })) as { isDone: boolean; count: number; continueCursor: string };
}
