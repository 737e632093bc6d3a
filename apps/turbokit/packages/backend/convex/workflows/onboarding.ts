import { vWorkflowId } from "@convex-dev/workflow";
import { vResultValidator } from "@convex-dev/workpool";
import { v } from "convex/values";
import { internal } from "../_generated/api.js";
import type { Doc, Id } from "../_generated/dataModel.js";
import { type ActionCtx, internalAction, internalMutation, type QueryCtx } from "../_generated/server.js";
import { capture } from "../app/analytics/model.ts";
import * as Autumn from "../app/billing/autumn.ts";
import { book, isBooked } from "../app/billing/ledger.ts";
import { plans } from "../app/billing/plans.ts";
import { createFor } from "../app/projects/mutations.ts";
import { workflow } from "./manager.ts";
import {
  hasTaken,
  lastStep,
  noteStep,
  profileEvent,
  profileWaitMs,
  sendProfileEvent,
  setState,
  stateOf,
} from "./onboardingState.ts";

/*
 * A new user's first days. The workflow outlives restarts: what a step has done is in its journal, and it goes on after
 * the last one. Steps that are mutations happen once; those that are actions may be begun twice when the server ends in
 * the middle, so each of them is one that can be repeated (Autumn knows the customer already, the mail has its key).
 *
 * `pauseMs` puts a pause between the steps, for tests that end the server there.
 *
 *   credits ─ customer (Autumn) ─ first project ─ welcome mail ─ wait ─┬─ done ─────────────────────── finish
 *        what has been done is taken back when one of these fails      └─ remind ─ wait ─ done or not ─┘
 */
export const onboarding = workflow
  .define({ args: { userId: v.id("users"), pauseMs: v.optional(v.number()) }, returns: v.null() })
  .handler(async (step, { userId, pauseMs }): Promise<null> => {
    const pause = async () => {
      if (pauseMs !== undefined) await step.sleep(pauseMs, { name: "pause" });
    };
    const undo: (() => Promise<unknown>)[] = [];
    try {
      await step.runMutation(internal.workflows.onboarding.grantCredits, { userId });
      undo.unshift(() => step.runMutation(internal.workflows.onboarding.revokeCredits, { userId }));
      await pause();
      await step.runAction(internal.workflows.onboarding.createCustomer, { userId });
      undo.unshift(() => step.runAction(internal.workflows.onboarding.deleteCustomer, { userId }));
      await pause();
      await step.runMutation(internal.workflows.onboarding.createFirstProject, { userId });
      undo.unshift(() => step.runMutation(internal.workflows.onboarding.removeFirstProject, { userId }));
      await pause();
      await step.runAction(internal.app.emails.actions.sendWelcome, { userId });
      await pause();
    } catch (error) {
      for (const take of undo) await take();
      const reason = error instanceof Error ? error.message : String(error);
      await step.runMutation(
        internal.workflows.onboarding.compensated,
        { userId, reason },
        { unstableArgs: true },
      );
      return null;
    }
    for (const round of ["first", "second"] as const) {
      const isWaiting = await step.runMutation(internal.workflows.onboarding.beginWait, { userId, round });
      if (!isWaiting || (await step.awaitEvent(profileEvent))) break;
      if (round === "first")
        await step.runAction(internal.app.emails.actions.sendProfileReminder, { userId });
    }
    await pause();
    const isDone = await step.runMutation(internal.workflows.onboarding.finish, { userId });
    await pause();
    if (isDone) await step.runAction(internal.app.emails.actions.sendOnboardingDone, { userId });
    return null;
  });

/** The first month's credits. */
export const grantCredits = internalMutation({
  args: { userId: v.id("users") },
  handler: async (ctx, { userId }) => {
    const delta = plans.free.creditsPerMonth;
    await book(ctx, userId, { delta, reason: "Welcome", key: `welcome:${userId}` });
    await noteStep(ctx, userId, "grantCredits");
    return null;
  },
});

/** Takes back what is left of them. */
export const revokeCredits = internalMutation({
  args: { userId: v.id("users") },
  handler: async (ctx, { userId }) => {
    const user = await ctx.db.get(userId);
    const isGranted = await isBooked(ctx, `welcome:${userId}`);
    const delta = -Math.min(plans.free.creditsPerMonth, user?.credits ?? 0);
    if (isGranted && delta < 0)
      await book(ctx, userId, { delta, reason: "Onboarding undone", key: `welcome-undone:${userId}` });
    await noteStep(ctx, userId, "revokeCredits");
    return null;
  },
});

/** Makes the user known to Autumn. */
export const createCustomer = internalAction({
  args: { userId: v.id("users") },
  handler: (ctx, { userId }) => tellAutumn(ctx, userId, "createCustomer", Autumn.createCustomer),
});

/** Takes the user out of Autumn again. */
export const deleteCustomer = internalAction({
  args: { userId: v.id("users") },
  handler: (ctx, { userId }) => tellAutumn(ctx, userId, "deleteCustomer", Autumn.deleteCustomer),
});

/** One step that is a call of Autumn's, where there is an account with it. */
async function tellAutumn(
  ctx: ActionCtx,
  userId: Id<"users">,
  name: string,
  tell: (user: Doc<"users">) => Promise<void>,
): Promise<null> {
  const user = await ctx.runQuery(internal.users.get, { userId });
  if (user !== null && Autumn.hasAutumn()) await tell(user);
  await ctx.runMutation(internal.workflows.onboarding.note, { userId, name });
  return null;
}

/** A project to begin with. */
export const createFirstProject = internalMutation({
  args: { userId: v.id("users") },
  handler: async (ctx, { userId }) => {
    const user = await ctx.db.get(userId);
    const isThere = (await findFirstProject(ctx, userId)) !== null;
    if (user !== null && user.deletedAt === undefined && !isThere)
      await createFor(ctx, user, {
        name: "My first project",
        description: "A place to try things. Rename it, comment on it, ask the assistant about it.",
        externalId: firstProject,
      });
    await noteStep(ctx, userId, "createFirstProject");
    return null;
  },
});

/** Takes it away again. */
export const removeFirstProject = internalMutation({
  args: { userId: v.id("users") },
  handler: async (ctx, { userId }) => {
    const project = await findFirstProject(ctx, userId);
    if (project !== null) await ctx.db.patch(project._id, { deletedAt: Date.now() });
    await noteStep(ctx, userId, "removeFirstProject");
    return null;
  },
});

const firstProject = "onboarding:first";

function findFirstProject(ctx: QueryCtx, userId: Id<"users">): Promise<Doc<"projects"> | null> {
  return ctx.db
    .query("projects")
    .withIndex("by_external_id", (q) => q.eq("userId", userId).eq("externalId", firstProject))
    .first();
}

/** Waits for the profile from here on; false when there is nothing to wait for. */
export const beginWait = internalMutation({
  args: { userId: v.id("users"), round: v.union(v.literal("first"), v.literal("second")) },
  handler: async (ctx, { userId, round }) => {
    const user = await ctx.db.get(userId);
    const isWaiting = user !== null && user.deletedAt === undefined && !user.onboardingCompleted;
    await noteStep(ctx, userId, `wait:${round}`, isWaiting ? "waiting" : "running");
    if (isWaiting)
      await ctx.scheduler.runAfter(profileWaitMs(), internal.workflows.onboarding.waitIsOver, {
        userId,
        round,
      });
    return isWaiting;
  },
});

/** The time for the profile is up. */
export const waitIsOver = internalMutation({
  args: { userId: v.id("users"), round: v.union(v.literal("first"), v.literal("second")) },
  handler: async (ctx, { userId, round }) => {
    // The second wait is not ended by the clock of the first.
    if ((await lastStep(ctx, userId)) === `wait:${round}`) await sendProfileEvent(ctx, userId, false);
    return null;
  },
});

/** All has been done that there is to do. Returns whether the profile is finished too. */
export const finish = internalMutation({
  args: { userId: v.id("users") },
  handler: async (ctx, { userId }) => {
    const user = await ctx.db.get(userId);
    await noteStep(ctx, userId, "finish", "completed");
    const isDone = user?.onboardingCompleted === true && user.deletedAt === undefined;
    if (isDone) await capture(ctx, "onboarding_completed", userId);
    return isDone;
  },
});

/** All has been taken back. */
export const compensated = internalMutation({
  args: { userId: v.id("users"), reason: v.string() },
  handler: async (ctx, { userId, reason }) => {
    await noteStep(ctx, userId, "compensated");
    await setState(ctx, userId, "compensated", reason);
    return null;
  },
});

/** Takes note of a step that is an action, once: an action may be begun again. */
export const note = internalMutation({
  args: { userId: v.id("users"), name: v.string() },
  handler: async (ctx, { userId, name }) => {
    if (!(await hasTaken(ctx, userId, name))) await noteStep(ctx, userId, name);
    return null;
  },
});

/** The workflow has ended; when it was not well, the page and the admin see it. */
export const ended = internalMutation({
  args: {
    workflowId: vWorkflowId,
    result: vResultValidator,
    context: v.object({ userId: v.id("users") }),
  },
  handler: async (ctx, { result, context: { userId } }) => {
    if (result.kind === "failed") await setState(ctx, userId, "failed", result.error);
    if (result.kind === "canceled") await setState(ctx, userId, "failed", "Cancelled by an admin");
    // What failed after the step that says so, and went on when an admin asked for it.
    if (result.kind === "success" && (await stateOf(ctx, userId)) === "running")
      await setState(ctx, userId, "completed");
    return null;
  },
});
