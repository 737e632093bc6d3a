import { Agent, createTool, stepCountIs } from "@convex-dev/agent";
import type { ToolSet } from "ai";
import { z } from "zod";
import { components, internal } from "../../_generated/api.js";
import type { Doc, Id } from "../../_generated/dataModel.js";
import { languageModel } from "../../lib/models.ts";

/** How often the model may call tools before it has to answer. */
const stepsMax = 5;

/** They act for the user whose thread it is, whatever the model says. */
const tools: ToolSet = {
  searchProjects: createTool({
    description: "Search the user's projects by words of their names",
    inputSchema: z.object({ query: z.string().describe("The words to look for") }),
    execute: async (ctx, { query }): Promise<{ name: string; status: string; description?: string }[]> => {
      const found: Doc<"projects">[] = await ctx.runQuery(internal.projects.searchOf, {
        userId: userOf(ctx),
        query,
      });
      return found.map(({ name, status, description }) => ({
        name,
        status,
        ...(description === undefined ? {} : { description }),
      }));
    },
  }),
  createProject: createTool({
    description: "Make a new project for the user",
    inputSchema: z.object({ name: z.string(), description: z.string().optional() }),
    execute: async (ctx, { name, description }): Promise<string> => {
      const id: Id<"projects"> | null = await ctx.runMutation(internal.projects.createOf, {
        userId: userOf(ctx),
        name,
        ...(description === undefined ? {} : { description }),
      });
      return id === null ? "There is no such user." : `Made the project "${name}".`;
    },
  }),
  getUsage: createTool({
    description: "The user's plan, and how many credits they have left",
    inputSchema: z.object({}),
    execute: async (ctx): Promise<{ plan: string; credits: number } | null> => {
      const user: Doc<"users"> | null = await ctx.runQuery(internal.users.get, { userId: userOf(ctx) });
      return user === null ? null : { plan: user.plan, credits: user.credits };
    },
  }),
};

/**
 * The package intersects two unions of all model names there are, which is more than the compiler can write out (TS2590);
 * so what is used of its constructor is said here.
 */
const AssistantAgent = Agent as unknown as new (
  component: typeof components.agent,
  options: {
    readonly name: string;
    readonly languageModel: ReturnType<typeof languageModel>;
    readonly instructions: string;
    readonly tools: ToolSet;
    readonly stopWhen: ReturnType<typeof stepCountIs>;
  },
) => Agent<object, ToolSet>;

/** The assistant that knows a user's projects. */
export const assistant = new AssistantAgent(components.agent, {
  name: "assistant",
  languageModel: languageModel(),
  instructions:
    "You are the assistant of TurboKit, a tool for projects. Answer shortly. Look things up with your tools instead of guessing; " +
    "make a project only when you are asked to.",
  tools,
  stopWhen: stepCountIs(stepsMax),
});

function userOf({ userId }: { readonly userId?: string | undefined }): Id<"users"> {
  if (userId === undefined) throw new TypeError("the assistant speaks with a user");
  return userId as Id<"users">;
}
