import { WorkflowManager } from "@convex-dev/workflow";
import { components } from "../_generated/api.js";

const parallelStepsMax = 10;

/** Runs all durable workflows. Steps that are actions are tried again with growing pauses before they count as failed. */
export const workflow = new WorkflowManager(components.workflow, {
  workpoolOptions: {
    maxParallelism: parallelStepsMax,
    defaultRetryBehavior: { maxAttempts: 4, initialBackoffMs: 500, base: 2 },
    retryActionsByDefault: true,
  },
});
