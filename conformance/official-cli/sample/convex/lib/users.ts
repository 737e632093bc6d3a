import type { Id } from "../_generated/dataModel";
import type { QueryCtx } from "../_generated/server";

export async function requireUser(ctx: QueryCtx, id: Id<"users">) {
  const user = await ctx.db.get(id);
  if (user === null) throw new Error("There is no such user");
  return user;
}
