import { defineSchema, defineTable } from "convex/server";
import { v } from "convex/values";

export const planValidator = v.union(v.literal("free"), v.literal("pro"), v.literal("enterprise"));
export const projectStatusValidator = v.union(v.literal("active"), v.literal("archived"), v.literal("draft"));
export const projectSettingsValidator = v.object({ isPublic: v.boolean(), allowComments: v.boolean() });
export const uploadStatusValidator = v.union(
  v.literal("pending"),
  v.literal("stored"),
  v.literal("rejected"),
);
export const emailStatusValidator = v.union(
  v.literal("queued"),
  v.literal("sent"),
  v.literal("delivered"),
  v.literal("delivery_delayed"),
  v.literal("bounced"),
  v.literal("complained"),
  v.literal("failed"),
  v.literal("cancelled"),
);
export const emailTemplateValidator = v.union(
  v.literal("welcome"),
  v.literal("profileReminder"),
  v.literal("onboardingDone"),
  v.literal("digest"),
);
export const onboardingStateValidator = v.union(
  v.literal("running"),
  v.literal("waiting"),
  v.literal("completed"),
  v.literal("compensated"),
  v.literal("failed"),
);
/** Outside services that are told things in batches, see lib/outbox.ts. */
export const outboxTargetValidator = v.union(v.literal("posthog"), v.literal("autumn"));

/*
 * Every index is used by a query, and none is the beginning of another (lint/indexRules.ts). Where a document can be
 * deleted softly, `deletedAt` stands before the field that sorts: `eq("deletedAt", undefined)` reads the living only.
 */
export default defineSchema({
  /** People, one for each Clerk user. A deleted one stays as a tombstone: late webhooks must not bring them back. */
  users: defineTable({
    clerkId: v.string(),
    email: v.string(),
    name: v.string(),
    bio: v.optional(v.string()),
    imageUrl: v.optional(v.string()),
    plan: planValidator,
    credits: v.number(),
    onboardingCompleted: v.boolean(),
    /** Wants the daily mail. */
    digest: v.boolean(),
    welcomedAt: v.optional(v.number()),
    /** Of the Clerk record that was last applied; older ones that arrive late are ignored. */
    clerkUpdatedAt: v.optional(v.number()),
    createdAt: v.number(),
    updatedAt: v.number(),
    deletedAt: v.optional(v.number()),
  })
    .index("by_clerk_id", ["clerkId"])
    .index("by_email", ["email"])
    .index("by_plan", ["plan", "createdAt"])
    .index("by_digest", ["digest", "deletedAt"])
    .index("by_deleted", ["deletedAt"]),

  /** Clerk's sessions, as its webhooks tell of them. */
  sessions: defineTable({
    clerkSessionId: v.string(),
    clerkId: v.string(),
    status: v.union(v.literal("active"), v.literal("ended")),
    lastActiveAt: v.number(),
    expiresAt: v.number(),
    clerkUpdatedAt: v.number(),
  })
    .index("by_clerk_session", ["clerkSessionId"])
    .index("by_clerk_id", ["clerkId"])
    .index("by_expiry", ["expiresAt"]),

  projects: defineTable({
    userId: v.id("users"),
    name: v.string(),
    description: v.optional(v.string()),
    status: projectStatusValidator,
    settings: projectSettingsValidator,
    summary: v.optional(v.string()),
    /** Of the system the project was taken over from, see `projects.syncProject`. */
    externalId: v.optional(v.string()),
    createdAt: v.number(),
    updatedAt: v.number(),
    deletedAt: v.optional(v.number()),
  })
    .index("by_user", ["userId", "createdAt"])
    .index("by_user_living", ["userId", "deletedAt", "createdAt"])
    .index("by_user_status", ["userId", "deletedAt", "status", "createdAt"])
    .index("by_public", ["settings.isPublic", "deletedAt", "createdAt"])
    .index("by_external_id", ["userId", "externalId"])
    .index("by_status", ["status"])
    .index("by_deleted", ["deletedAt"])
    .searchIndex("search_projects", {
      searchField: "name",
      filterFields: ["userId", "status", "deletedAt"],
    }),

  /** Comments on a project. */
  messages: defineTable({
    projectId: v.id("projects"),
    userId: v.id("users"),
    body: v.string(),
    createdAt: v.number(),
  })
    .index("by_project", ["projectId", "createdAt"])
    .index("by_user", ["userId", "createdAt"]),

  uploads: defineTable({
    userId: v.id("users"),
    projectId: v.optional(v.id("projects")),
    /** In the bucket. */
    key: v.string(),
    name: v.string(),
    status: uploadStatusValidator,
    contentType: v.optional(v.string()),
    sizeBytes: v.optional(v.number()),
    createdAt: v.number(),
  })
    .index("by_user", ["userId", "createdAt"])
    .index("by_project", ["projectId", "createdAt"])
    .index("by_key", ["key"])
    .index("by_status", ["status", "createdAt"]),

  /** Mails to users: which, and what became of them. `key` makes each be sent once. */
  emails: defineTable({
    userId: v.id("users"),
    key: v.string(),
    template: emailTemplateValidator,
    to: v.string(),
    subject: v.string(),
    /** The component's id. */
    emailId: v.string(),
    status: emailStatusValidator,
    statusAt: v.number(),
    createdAt: v.number(),
  })
    .index("by_user", ["userId", "createdAt"])
    .index("by_key", ["key"])
    .index("by_email_id", ["emailId"]),

  /** Conversations with the assistant: who may see which thread of the agent component. */
  threads: defineTable({
    userId: v.id("users"),
    agentThreadId: v.string(),
    projectId: v.optional(v.id("projects")),
    title: v.string(),
    createdAt: v.number(),
    updatedAt: v.number(),
  }).index("by_user", ["userId", "updatedAt"]),

  /** Every change of `users.credits`. `key` makes each be booked once. */
  ledger: defineTable({
    userId: v.id("users"),
    delta: v.number(),
    balance: v.number(),
    reason: v.string(),
    key: v.string(),
    createdAt: v.number(),
  })
    .index("by_user", ["userId", "createdAt"])
    .index("by_key", ["key"]),

  /** Credits held back while an expensive call runs, so that calls beside it cannot spend them too. */
  reservations: defineTable({
    userId: v.id("users"),
    credits: v.number(),
    purpose: v.string(),
    state: v.union(v.literal("open"), v.literal("released")),
    expiresAt: v.number(),
  }).index("by_state", ["state", "expiresAt"]),

  /** What a user has used in a month ("2026-11"). */
  usage: defineTable({
    userId: v.id("users"),
    month: v.string(),
    credits: v.number(),
    tokens: v.number(),
    calls: v.number(),
  }).index("by_user_month", ["userId", "month"]),

  /** What Stripe says about a user. */
  billingAccounts: defineTable({
    userId: v.id("users"),
    stripeCustomerId: v.string(),
    subscriptionId: v.optional(v.string()),
    /** `created` of the newest event that changed the plan, in seconds; older ones that arrive late are ignored. */
    planEventAtS: v.number(),
  }).index("by_stripe_customer", ["stripeCustomerId"]),

  /** Deliveries that have been applied: a repeated one does nothing. */
  webhookEvents: defineTable({
    source: v.union(v.literal("clerk"), v.literal("stripe")),
    eventId: v.string(),
    type: v.string(),
    receivedAt: v.number(),
  })
    .index("by_event", ["source", "eventId"])
    .index("by_received", ["receivedAt"]),

  /** Messages to outside services that wait for the next batch. */
  outbox: defineTable({
    target: outboxTargetValidator,
    key: v.string(),
    payload: v.record(v.string(), v.any()),
    attempts: v.number(),
    dueAt: v.number(),
  })
    .index("by_target_due", ["target", "dueAt"])
    .index("by_key", ["key"]),

  /** The onboarding workflow of each user, as the page and the admin see it. */
  onboardings: defineTable({
    userId: v.id("users"),
    workflowId: v.string(),
    state: onboardingStateValidator,
    steps: v.array(v.object({ name: v.string(), at: v.number() })),
    error: v.optional(v.string()),
    startedAt: v.number(),
    updatedAt: v.number(),
  })
    .index("by_user", ["userId"])
    .index("by_workflow", ["workflowId"])
    .index("by_started", ["startedAt"]),
});
