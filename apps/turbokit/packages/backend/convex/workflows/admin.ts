import { paginationOptsValidator } from "convex/server";
import { v } from "convex/values";
import { mutation, query } from "../_generated/server.js";
import * as Workflows from "./adminModel.ts";

/** All onboardings, newest first. For admins, as all of these. */
export const list = query({
  args: { paginationOpts: paginationOptsValidator },
  handler: async (ctx, { paginationOpts }) => await Workflows.page(ctx, paginationOpts),
});

/** What one workflow has done and is doing. */
export const steps = query({
  args: { workflowId: v.string() },
  handler: async (ctx, { workflowId }) => await Workflows.steps(ctx, workflowId),
});

/** Ends a workflow that runs. */
export const cancel = mutation({
  args: { workflowId: v.string() },
  handler: async (ctx, { workflowId }) => {
    await Workflows.cancel(ctx, workflowId);
    return null;
  },
});

/** Lets a workflow that has failed go on. */
export const restart = mutation({
  args: { workflowId: v.string() },
  handler: async (ctx, { workflowId }) => {
    await Workflows.restart(ctx, workflowId);
    return null;
  },
});
