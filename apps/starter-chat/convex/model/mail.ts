import type { GenericCtx } from "@convex-dev/better-auth";
import { internal } from "../_generated/api.js";
import type { DataModel } from "../_generated/dataModel.js";

export interface Mail {
  readonly to: string;
  readonly subject: string;
  readonly text: string;
}

/**
 * Hands a mail to the scheduler: it goes out once the caller's transaction is committed, and not at all if that is
 * rolled back. See `functions/actions/mail.ts`.
 */
export async function sendMail(ctx: GenericCtx<DataModel>, mail: Mail): Promise<void> {
  if (!("scheduler" in ctx)) throw new Error("A query cannot send mail.");
  await ctx.scheduler.runAfter(0, internal.functions.actions.mail.deliver, { ...mail, attempt: 1 });
}
