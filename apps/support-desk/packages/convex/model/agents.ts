import type { Infer } from "convex/values";
import type { Doc, Id } from "../_generated/dataModel.js";
import type { MutationCtx, QueryCtx } from "../_generated/server.js";
import type { agentMetrics } from "../schema.ts";
import { appError } from "./errors.ts";

export type AgentMetrics = Infer<typeof agentMetrics>;

export const noMetrics: AgentMetrics = {
  conversations: 0,
  messages: 0,
  resolved: 0,
  firstResponseMs: 0,
  firstResponses: 0,
  resolutionMs: 0,
  stars: 0,
  ratings: 0,
};

/** More people than this are never online at once; the least busy come first. */
const candidatesMax = 100;

/** Of several people with room the one with the most of the wanted skills; of those the least busy. */
export function chooseAgent(
  candidates: readonly Doc<"agents">[],
  skills: readonly string[],
): Doc<"agents"> | null {
  return bestOf(
    candidates.filter(({ load, loadMax }) => load < loadMax),
    (agent) => skills.filter((skill) => agent.skills.includes(skill)).length,
    ({ load }) => load,
  );
}

/** The one that matches best; of those the first with the least to do. */
function bestOf(
  agents: readonly Doc<"agents">[],
  matchOf: (agent: Doc<"agents">) => number,
  workOf: (agent: Doc<"agents">) => number,
): Doc<"agents"> | null {
  let best: { agent: Doc<"agents">; match: number; work: number } | null = null;
  for (const agent of agents) {
    const match = matchOf(agent);
    const work = workOf(agent);
    if (best === null || match > best.match || (match === best.match && work < best.work))
      best = { agent, match, work };
  }
  return best?.agent ?? null;
}

/** A person who is online and has room, best suited first; null when all are busy. */
export async function findAvailableAgent(
  ctx: QueryCtx,
  skills: readonly string[],
): Promise<Doc<"agents"> | null> {
  const candidates = await ctx.db
    .query("agents")
    .withIndex("by_kind_status", (q) => q.eq("kind", "human").eq("status", "online"))
    .take(candidatesMax);
  return chooseAgent(candidates, skills);
}

/**
 * Of several bots the one with the most skills that the text speaks of; of those the one that has had the fewest
 * conversations.
 */
export function chooseBot(bots: readonly Doc<"agents">[], text: string): Doc<"agents"> | null {
  const words = text.toLowerCase();
  return bestOf(
    bots,
    ({ skills }) => skills.filter((skill) => words.includes(skill)).length,
    ({ metrics }) => metrics.conversations,
  );
}

function onlineBots(ctx: QueryCtx): Promise<Doc<"agents">[]> {
  return ctx.db
    .query("agents")
    .withIndex("by_kind_status", (q) => q.eq("kind", "ai").eq("status", "online"))
    .take(candidatesMax);
}

/** The bot that answers a conversation: the one it began with, or when that is not there the best for what is said. */
export async function botOf(
  ctx: QueryCtx,
  { botId, subject }: Doc<"conversations">,
  text = subject,
): Promise<Doc<"agents"> | null> {
  const own = botId === undefined ? null : await ctx.db.get("agents", botId);
  return own?.status === "online" ? own : chooseBot(await onlineBots(ctx), text);
}

/** Gives a conversation a bot for what its customer has just written, unless it has one that is there. */
export async function assignBot(
  ctx: MutationCtx,
  conversation: Doc<"conversations">,
  text: string,
): Promise<void> {
  const bot = await botOf(ctx, conversation, text);
  if (bot === null || bot._id === conversation.botId) return;
  await ctx.db.patch("conversations", conversation._id, { botId: bot._id });
  await addToAgent(ctx, bot._id, { conversations: 1 });
}

export async function requireAgentById(ctx: QueryCtx, agentId: Id<"agents">): Promise<Doc<"agents">> {
  const agent = await ctx.db.get("agents", agentId);
  if (agent === null) throw appError("not_found", "This agent does not exist.");
  return agent;
}

/** Adds to an agent's figures; `load` is the change of the conversations at this moment. */
export async function addToAgent(
  ctx: MutationCtx,
  agentId: Id<"agents">,
  change: Partial<AgentMetrics> & { readonly load?: number },
): Promise<void> {
  const agent = await ctx.db.get("agents", agentId);
  if (agent === null) return;
  const { load = 0, ...more } = change;
  const metrics: Record<string, number> = { ...agent.metrics };
  for (const [name, amount] of Object.entries(more)) metrics[name] = (metrics[name] ?? 0) + amount;
  await ctx.db.patch("agents", agentId, {
    load: Math.max(0, agent.load + load),
    metrics: metrics as AgentMetrics,
  });
}
