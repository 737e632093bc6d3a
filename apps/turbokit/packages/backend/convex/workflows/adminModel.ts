import type { WorkflowId } from "@convex-dev/workflow";
import type { PaginationOptions } from "convex/server";
import type { Doc } from "../_generated/dataModel.js";
import type { MutationCtx, QueryCtx } from "../_generated/server.js";
import { requireAdmin } from "../lib/auth.ts";
import { backendError } from "../lib/errors.ts";
import { workflow } from "./manager.ts";
import { setState } from "./onboardingState.ts";

const stepsMax = 100;

/** All onboardings, newest first. For admins. */
export async function page(ctx: QueryCtx, paginationOpts: PaginationOptions) {
  await requireAdmin(ctx);
  const result = await ctx.db
    .query("onboardings")
    .withIndex("by_started", (q) => q.gt("startedAt", 0))
    .order("desc")
    .paginate(paginationOpts);
  const rows = await Promise.all(
    result.page.map(async ({ workflowId, userId, state, steps, startedAt, updatedAt, error }) => {
      const user = await ctx.db.get(userId);
      return {
        workflowId,
        name: "onboarding",
        userId,
        userName: user?.name ?? "",
        email: user?.email ?? "",
        state,
        startedAt,
        updatedAt,
        steps: steps.length,
        ...(error === undefined ? {} : { error }),
      };
    }),
  );
  return { ...result, page: rows };
}

/** The journal of one workflow: what it has done and what it is doing. For admins. */
export async function steps(ctx: QueryCtx, workflowId: string) {
  await requireAdmin(ctx);
  const { workflowId: id } = await requireWorkflow(ctx, workflowId);
  const { page: journal } = await workflow.listSteps(ctx, id as WorkflowId, {
    paginationOpts: { cursor: null, numItems: stepsMax },
  });
  return journal.map(({ name, kind, startedAt, completedAt, runResult }) => ({
    name,
    kind,
    startedAt,
    ...(completedAt === undefined ? {} : { completedAt }),
    status: runResult?.kind ?? ("running" as const),
    ...(runResult?.kind === "failed" ? { error: runResult.error } : {}),
  }));
}

/**
 * Ends a workflow that runs. For admins.
 *
 * @throws NOT_FOUND, CONFLICT when it has ended
 */
export async function cancel(ctx: MutationCtx, workflowId: string): Promise<void> {
  await requireAdmin(ctx);
  const { state, workflowId: id } = await requireWorkflow(ctx, workflowId);
  if (state !== "running" && state !== "waiting") throw backendError("CONFLICT", "It has ended already");
  await workflow.cancel(ctx, id as WorkflowId);
}

/**
 * Lets a workflow that has failed go on after the last step that went well. For admins.
 *
 * @throws NOT_FOUND, CONFLICT unless it has failed
 */
export async function restart(ctx: MutationCtx, workflowId: string): Promise<void> {
  await requireAdmin(ctx);
  const { state, userId, workflowId: id } = await requireWorkflow(ctx, workflowId);
  if (state !== "failed") throw backendError("CONFLICT", "Only what has failed can go on");
  await setState(ctx, userId, "running");
  const from = await firstToRepeat(ctx, id);
  await workflow.restart(ctx, id as WorkflowId, { startAsync: true, ...(from === null ? {} : { from }) });
}

/**
 * The number of the first step that did not go well. The journal keeps how such a step ended, or that it never did: one
 * that is not taken out of it would end the workflow again in the same way. A wait begins with the step before it, which
 * sets its clock. Null: all went well, the workflow's own code has failed.
 */
async function firstToRepeat(ctx: QueryCtx, workflowId: string): Promise<number | null> {
  const { page: journal } = await workflow.listSteps(ctx, workflowId as WorkflowId, {
    paginationOpts: { cursor: null, numItems: stepsMax },
  });
  const at = journal.findIndex(({ runResult }) => runResult?.kind !== "success");
  const step = journal[at];
  if (step === undefined) return null;
  return (step.kind === "event" ? journal[at - 1] : step)?.stepNumber ?? step.stepNumber;
}

async function requireWorkflow(ctx: QueryCtx, workflowId: string): Promise<Doc<"onboardings">> {
  const onboarding = await ctx.db
    .query("onboardings")
    .withIndex("by_workflow", (q) => q.eq("workflowId", workflowId))
    .unique();
  if (onboarding === null) throw backendError("NOT_FOUND", "Workflow not found");
  return onboarding;
}
