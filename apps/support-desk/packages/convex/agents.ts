import { v } from "convex/values";
import { internalMutation, mutation, query } from "./_generated/server.js";
import { addToAgent, findAvailableAgent, noMetrics, requireAgentById } from "./model/agents.ts";
import { fillFromQueue } from "./model/conversations.ts";
import { appError } from "./model/errors.ts";
import { limits } from "./model/limits.ts";
import { requireAdmin, requireAgent, requireStaff } from "./model/sessions.ts";
import { requireUserById } from "./model/users.ts";
import { checkSkills, checkText, checkWhole } from "./model/validation.ts";
import { agentFields, agentKind, agentMetrics, agentStatus } from "./schema.ts";

export const agentView = v.object({
  _id: v.id("agents"),
  _creationTime: v.number(),
  ...agentFields,
});

/**
 * Registers a bot (`kind: "ai"`) or a person (`kind: "human"` with their user). A bot is online at once, a person when
 * they say so.
 *
 * @throws `forbidden`, `invalid`, `conflict` (the name, or the person, is registered already)
 */
export const createAgent = mutation({
  args: {
    token: v.string(),
    name: v.string(),
    kind: agentKind,
    userId: v.optional(v.id("users")),
    model: v.optional(v.string()),
    instructions: v.optional(v.string()),
    skills: v.optional(v.array(v.string())),
    loadMax: v.optional(v.number()),
  },
  returns: v.id("agents"),
  handler: async (ctx, { token, kind, userId, model, instructions, ...args }) => {
    await requireAdmin(ctx, token);
    const name = checkText(args.name, "name", limits.agentNameLengthMax);
    const same = await ctx.db
      .query("agents")
      .withIndex("by_name", (q) => q.eq("name", name))
      .unique();
    if (same !== null)
      throw appError("conflict", `There is an agent called ${name} already.`, { field: "name" });
    if ((kind === "human") !== (userId !== undefined))
      throw appError("invalid", "A person needs a user, and a bot has none.", { field: "userId" });
    if (userId !== undefined) {
      const user = await requireUserById(ctx, userId);
      if (user.role === "customer") await ctx.db.patch("users", userId, { role: "agent" });
      const registered = await ctx.db
        .query("agents")
        .withIndex("by_user", (q) => q.eq("userId", userId))
        .unique();
      if (registered !== null) throw appError("conflict", `${user.name} is registered already.`);
    }
    return await ctx.db.insert("agents", {
      name,
      kind,
      skills: checkSkills(args.skills ?? []),
      status: kind === "ai" ? "online" : "offline",
      load: 0,
      loadMax: checkWhole(
        args.loadMax ?? (kind === "ai" ? limits.loadMaxMax : 3),
        "loadMax",
        1,
        limits.loadMaxMax,
      ),
      metrics: noMetrics,
      ...(userId === undefined ? {} : { userId }),
      ...(model === undefined ? {} : { model }),
      ...(instructions === undefined
        ? {}
        : { instructions: checkText(instructions, "instructions", limits.instructionsLengthMax) }),
    });
  },
});

/** Says that one is there, away, or gone. Whoever comes online gets what waits. */
export const setStatus = mutation({
  args: { token: v.string(), status: agentStatus },
  returns: v.object({ taken: v.number() }),
  handler: async (ctx, { token, status }) => {
    const { agent } = await requireAgent(ctx, token);
    await ctx.db.patch("agents", agent._id, { status });
    return { taken: status === "online" ? await fillFromQueue(ctx, agent._id) : 0 };
  },
});

/** Changes skills, room, instructions or model. Agents change their own skills, admins everything. */
export const updateAgent = mutation({
  args: {
    token: v.string(),
    agentId: v.id("agents"),
    skills: v.optional(v.array(v.string())),
    loadMax: v.optional(v.number()),
    instructions: v.optional(v.string()),
    model: v.optional(v.string()),
    status: v.optional(agentStatus),
  },
  returns: v.null(),
  handler: async (ctx, { token, agentId, skills, loadMax, instructions, model, status }) => {
    const staff = await requireStaff(ctx, token);
    const agent = await requireAgentById(ctx, agentId);
    const onlySkills = [loadMax, instructions, model, status].every((value) => value === undefined);
    if (staff.role !== "admin" && (agent.userId !== staff._id || !onlySkills))
      throw appError("forbidden", "You may change your own skills; the rest is for admins.");
    await ctx.db.patch("agents", agentId, {
      ...(skills === undefined ? {} : { skills: checkSkills(skills) }),
      ...(loadMax === undefined ? {} : { loadMax: checkWhole(loadMax, "loadMax", 1, limits.loadMaxMax) }),
      ...(instructions === undefined
        ? {}
        : { instructions: checkText(instructions, "instructions", limits.instructionsLengthMax) }),
      ...(model === undefined ? {} : { model: checkText(model, "model", 100) }),
      ...(status === undefined ? {} : { status }),
    });
    return null;
  },
});

/** Who would get a conversation that needs these skills now; null when all are busy. */
export const getAvailableAgent = query({
  args: { token: v.string(), skills: v.optional(v.array(v.string())) },
  returns: v.union(agentView, v.null()),
  handler: async (ctx, { token, skills }) => {
    await requireStaff(ctx, token);
    return await findAvailableAgent(ctx, checkSkills(skills ?? []));
  },
});

/** All agents of one kind with their figures, by state and load. */
export const listAgents = query({
  args: { token: v.string(), kind: agentKind },
  returns: v.array(agentView),
  handler: async (ctx, { token, kind }) => {
    await requireStaff(ctx, token);
    return await ctx.db
      .query("agents")
      .withIndex("by_kind_status", (q) => q.eq("kind", kind))
      .take(limits.listMax);
  },
});

/** Who one is here; null for staff who are not registered as an agent. */
export const getMe = query({
  args: { token: v.string() },
  returns: v.union(agentView, v.null()),
  handler: async (ctx, { token }) => {
    const user = await requireStaff(ctx, token);
    return await ctx.db
      .query("agents")
      .withIndex("by_user", (q) => q.eq("userId", user._id))
      .unique();
  },
});

/** What an agent has written lately, for whoever looks after quality. */
export const listMessagesOfAgent = query({
  args: { token: v.string(), agentId: v.id("agents") },
  handler: async (ctx, { token, agentId }) => {
    await requireAdmin(ctx, token);
    return await ctx.db
      .query("messages")
      .withIndex("by_agent", (q) => q.eq("agentId", agentId))
      .order("desc")
      .take(limits.searchResults);
  },
});

/**
 * Adds to an agent's figures. The functions of this package do that in the transaction in which something happens;
 * this is for what is measured elsewhere (a phone system, a survey).
 */
export const updateAgentMetrics = internalMutation({
  args: {
    agentId: v.id("agents"),
    change: agentMetrics.partial(),
  },
  returns: agentMetrics,
  handler: async (ctx, { agentId, change }) => {
    await requireAgentById(ctx, agentId);
    await addToAgent(ctx, agentId, change);
    return (await requireAgentById(ctx, agentId)).metrics;
  },
});
