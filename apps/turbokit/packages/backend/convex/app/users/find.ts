import type { Doc } from "../../_generated/dataModel.js";
import type { QueryCtx } from "../../_generated/server.js";

/** A user by the subject of their token; deleted ones are not found. */
export async function findByClerkId(
  ctx: Pick<QueryCtx, "db">,
  clerkId: string,
): Promise<Doc<"users"> | null> {
  const user = await findWithDeleted(ctx, clerkId);
  return user === null || user.deletedAt !== undefined ? null : user;
}

/** The same with those who were deleted: who comes back must not be mistaken for somebody new. */
export async function findWithDeleted(
  ctx: Pick<QueryCtx, "db">,
  clerkId: string,
): Promise<Doc<"users"> | null> {
  return await ctx.db
    .query("users")
    .withIndex("by_clerk_id", (q) => q.eq("clerkId", clerkId))
    .unique();
}
