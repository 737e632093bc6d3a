import { v } from "convex/values";
import { internalMutation } from "../_generated/server.js";
import { noMetrics } from "../model/agents.ts";
import { findByEmail } from "../model/users.ts";
import { storeDocument } from "../model/knowledge.ts";
import { seedDocuments } from "./documents.ts";

/**
 * A bot, a knowledge base and one person who answers: `npx convex run seed/demo:fill`; with `adminEmail` somebody who can
 * sign in as admin too. Doing it again changes nothing
 * but the texts of the documents.
 */
export const fill = internalMutation({
  args: { agentEmail: v.optional(v.string()), adminEmail: v.optional(v.string()) },
  returns: v.null(),
  handler: async (ctx, { agentEmail = "sam@example.com", adminEmail }) => {
    const bot = await ctx.db
      .query("agents")
      .withIndex("by_name", (q) => q.eq("name", "Bitsy"))
      .unique();
    if (bot === null)
      await ctx.db.insert("agents", {
        name: "Bitsy",
        kind: "ai",
        instructions: "You are Bitsy, the shop's assistant.",
        skills: [],
        status: "online",
        load: 0,
        loadMax: 50,
        metrics: noMetrics,
      });
    if ((await findByEmail(ctx, agentEmail)) === null) {
      const userId = await ctx.db.insert("users", {
        email: agentEmail,
        name: "Sam",
        role: "agent",
        emailVerified: true,
        lastSeenAt: Date.now(),
      });
      await ctx.db.insert("agents", {
        name: "Sam",
        kind: "human",
        userId,
        skills: ["laptops", "phones"],
        status: "offline",
        load: 0,
        loadMax: 3,
        metrics: noMetrics,
      });
    }
    // An account like any other: being listed in ADMIN_EMAILS makes it an admin when the address is shown to be theirs.
    if (adminEmail !== undefined && (await findByEmail(ctx, adminEmail)) === null)
      await ctx.db.insert("users", {
        email: adminEmail,
        name: "Ada",
        role: "customer",
        emailVerified: false,
        lastSeenAt: Date.now(),
      });
    for (const document of seedDocuments) await storeDocument(ctx, { ...document, format: "markdown" });
    return null;
  },
});
