import { defineEvent, type WorkflowId } from "@convex-dev/workflow";
import { v } from "convex/values";
import { internal } from "../_generated/api.js";
import type { Doc, Id } from "../_generated/dataModel.js";
import type { MutationCtx, QueryCtx } from "../_generated/server.js";
import { requireAuth } from "../lib/auth.ts";
import { readEnv } from "../lib/env.ts";
import { workflow } from "./manager.ts";

/*
 * What is to be seen of a user's onboarding, kept in the app's own tables beside the workflow's journal: the steps that
 * have been taken, each written in the transaction of the step itself, and what it waits for.
 */

const waitMsDefault = 3 * 24 * 3_600_000;

/** The user has filled in their profile (true), or has not in all that time. */
export const profileEvent = defineEvent({ name: "profile", validator: v.boolean() });

/** How long the onboarding waits for the profile before it reminds, and then again before it goes on without. */
export function profileWaitMs(): number {
  const text = readEnv("ONBOARDING_WAIT_MS");
  return text === undefined ? waitMsDefault : Number(text);
}

/** Begins a user's onboarding, in the transaction that makes the user: nobody is forgotten, nobody is onboarded twice. */
export async function startOnboarding(ctx: MutationCtx, userId: Id<"users">): Promise<void> {
  const pauseMs = readEnv("ONBOARDING_PAUSE_MS");
  const workflowId = await workflow.start(
    ctx,
    internal.workflows.onboarding.onboarding,
    { userId, ...(pauseMs === undefined ? {} : { pauseMs: Number(pauseMs) }) },
    { onComplete: internal.workflows.onboarding.ended, context: { userId }, startAsync: true },
  );
  const now = Date.now();
  await ctx.db.insert("onboardings", {
    userId,
    workflowId,
    state: "running",
    steps: [],
    startedAt: now,
    updatedAt: now,
  });
}

/** How far the caller's onboarding is. */
export async function onboardingOf(ctx: QueryCtx) {
  const { user } = await requireAuth(ctx);
  const onboarding = await find(ctx, user._id);
  if (onboarding === null) return null;
  const { state, steps, workflowId } = onboarding;
  return { state, steps, workflowId };
}

/** Takes note of a step, in the transaction that takes it. */
export async function noteStep(
  ctx: MutationCtx,
  userId: Id<"users">,
  name: string,
  state?: Doc<"onboardings">["state"],
): Promise<void> {
  const onboarding = await find(ctx, userId);
  if (onboarding === null) return;
  const now = Date.now();
  await ctx.db.patch(onboarding._id, {
    steps: [...onboarding.steps, { name, at: now }],
    updatedAt: now,
    ...(state === undefined ? {} : { state }),
  });
}

/** Whether a step has been taken. */
export async function hasTaken(ctx: QueryCtx, userId: Id<"users">, name: string): Promise<boolean> {
  return (await find(ctx, userId))?.steps.some((step) => step.name === name) === true;
}

/** How it stands. */
export async function stateOf(
  ctx: QueryCtx,
  userId: Id<"users">,
): Promise<Doc<"onboardings">["state"] | undefined> {
  return (await find(ctx, userId))?.state;
}

/** The name of the step that was taken last. */
export async function lastStep(ctx: QueryCtx, userId: Id<"users">): Promise<string | undefined> {
  return (await find(ctx, userId))?.steps.at(-1)?.name;
}

/** Changes the state, and keeps what went wrong as long as it is so. */
export async function setState(
  ctx: MutationCtx,
  userId: Id<"users">,
  state: Doc<"onboardings">["state"],
  error?: string,
): Promise<void> {
  const onboarding = await find(ctx, userId);
  if (onboarding === null) return;
  await ctx.db.patch(onboarding._id, { state, updatedAt: Date.now(), error });
}

/**
 * Tells an onboarding that waits what became of the profile. Only the first to tell is heard: the user and the clock
 * may come at the same time.
 */
export async function sendProfileEvent(
  ctx: MutationCtx,
  userId: Id<"users">,
  isDone: boolean,
): Promise<void> {
  const onboarding = await find(ctx, userId);
  if (onboarding === null || onboarding.state !== "waiting") return;
  await setState(ctx, userId, "running");
  await workflow.sendEvent(ctx, {
    ...profileEvent,
    workflowId: onboarding.workflowId as WorkflowId,
    value: isDone,
  });
}

async function find(ctx: QueryCtx, userId: Id<"users">): Promise<Doc<"onboardings"> | null> {
  return await ctx.db
    .query("onboardings")
    .withIndex("by_user", (q) => q.eq("userId", userId))
    .unique();
}
