/* eslint-disable */
/**
 * Generated `api` utility.
 *
 * THIS CODE IS AUTOMATICALLY GENERATED.
 *
 * To regenerate, run `npx convex dev`.
 * @module
 */

import type * as agents_actions from "../agents/actions.js";
import type * as agents_definitions_assistant from "../agents/definitions/assistant.js";
import type * as agents_model from "../agents/model.js";
import type * as agents_threads from "../agents/threads.js";
import type * as ai from "../ai.js";
import type * as analytics from "../analytics.js";
import type * as app_ai_actions from "../app/ai/actions.js";
import type * as app_analytics_model from "../app/analytics/model.js";
import type * as app_analytics_posthog from "../app/analytics/posthog.js";
import type * as app_billing_autumn from "../app/billing/autumn.js";
import type * as app_billing_ledger from "../app/billing/ledger.js";
import type * as app_billing_metered from "../app/billing/metered.js";
import type * as app_billing_model from "../app/billing/model.js";
import type * as app_billing_plans from "../app/billing/plans.js";
import type * as app_billing_stripe from "../app/billing/stripe.js";
import type * as app_billing_stripeEvents from "../app/billing/stripeEvents.js";
import type * as app_emails_actions from "../app/emails/actions.js";
import type * as app_emails_model from "../app/emails/model.js";
import type * as app_emails_resend from "../app/emails/resend.js";
import type * as app_emails_templates_layout from "../app/emails/templates/layout.js";
import type * as app_emails_templates_mails from "../app/emails/templates/mails.js";
import type * as app_messages_model from "../app/messages/model.js";
import type * as app_presence_model from "../app/presence/model.js";
import type * as app_projects_model from "../app/projects/model.js";
import type * as app_projects_mutations from "../app/projects/mutations.js";
import type * as app_uploads_model from "../app/uploads/model.js";
import type * as app_uploads_r2 from "../app/uploads/r2.js";
import type * as app_users_clerk from "../app/users/clerk.js";
import type * as app_users_find from "../app/users/find.js";
import type * as app_users_model from "../app/users/model.js";
import type * as app_users_purge from "../app/users/purge.js";
import type * as app_users_sessions from "../app/users/sessions.js";
import type * as app_webhooks from "../app/webhooks.js";
import type * as billing from "../billing.js";
import type * as crons from "../crons.js";
import type * as emails from "../emails.js";
import type * as http from "../http.js";
import type * as lib_actionCache from "../lib/actionCache.js";
import type * as lib_auth from "../lib/auth.js";
import type * as lib_env from "../lib/env.js";
import type * as lib_errors from "../lib/errors.js";
import type * as lib_models from "../lib/models.js";
import type * as lib_monitoring from "../lib/monitoring.js";
import type * as lib_outbox from "../lib/outbox.js";
import type * as lib_rateLimiter from "../lib/rateLimiter.js";
import type * as lib_validation from "../lib/validation.js";
import type * as messages from "../messages.js";
import type * as outbox from "../outbox.js";
import type * as presence from "../presence.js";
import type * as projects from "../projects.js";
import type * as sessions from "../sessions.js";
import type * as uploads from "../uploads.js";
import type * as users from "../users.js";
import type * as workflows_admin from "../workflows/admin.js";
import type * as workflows_adminModel from "../workflows/adminModel.js";
import type * as workflows_manager from "../workflows/manager.js";
import type * as workflows_onboarding from "../workflows/onboarding.js";
import type * as workflows_onboardingState from "../workflows/onboardingState.js";

import type {
  ApiFromModules,
  FilterApi,
  FunctionReference,
} from "convex/server";

declare const fullApi: ApiFromModules<{
  "agents/actions": typeof agents_actions;
  "agents/definitions/assistant": typeof agents_definitions_assistant;
  "agents/model": typeof agents_model;
  "agents/threads": typeof agents_threads;
  ai: typeof ai;
  analytics: typeof analytics;
  "app/ai/actions": typeof app_ai_actions;
  "app/analytics/model": typeof app_analytics_model;
  "app/analytics/posthog": typeof app_analytics_posthog;
  "app/billing/autumn": typeof app_billing_autumn;
  "app/billing/ledger": typeof app_billing_ledger;
  "app/billing/metered": typeof app_billing_metered;
  "app/billing/model": typeof app_billing_model;
  "app/billing/plans": typeof app_billing_plans;
  "app/billing/stripe": typeof app_billing_stripe;
  "app/billing/stripeEvents": typeof app_billing_stripeEvents;
  "app/emails/actions": typeof app_emails_actions;
  "app/emails/model": typeof app_emails_model;
  "app/emails/resend": typeof app_emails_resend;
  "app/emails/templates/layout": typeof app_emails_templates_layout;
  "app/emails/templates/mails": typeof app_emails_templates_mails;
  "app/messages/model": typeof app_messages_model;
  "app/presence/model": typeof app_presence_model;
  "app/projects/model": typeof app_projects_model;
  "app/projects/mutations": typeof app_projects_mutations;
  "app/uploads/model": typeof app_uploads_model;
  "app/uploads/r2": typeof app_uploads_r2;
  "app/users/clerk": typeof app_users_clerk;
  "app/users/find": typeof app_users_find;
  "app/users/model": typeof app_users_model;
  "app/users/purge": typeof app_users_purge;
  "app/users/sessions": typeof app_users_sessions;
  "app/webhooks": typeof app_webhooks;
  billing: typeof billing;
  crons: typeof crons;
  emails: typeof emails;
  http: typeof http;
  "lib/actionCache": typeof lib_actionCache;
  "lib/auth": typeof lib_auth;
  "lib/env": typeof lib_env;
  "lib/errors": typeof lib_errors;
  "lib/models": typeof lib_models;
  "lib/monitoring": typeof lib_monitoring;
  "lib/outbox": typeof lib_outbox;
  "lib/rateLimiter": typeof lib_rateLimiter;
  "lib/validation": typeof lib_validation;
  messages: typeof messages;
  outbox: typeof outbox;
  presence: typeof presence;
  projects: typeof projects;
  sessions: typeof sessions;
  uploads: typeof uploads;
  users: typeof users;
  "workflows/admin": typeof workflows_admin;
  "workflows/adminModel": typeof workflows_adminModel;
  "workflows/manager": typeof workflows_manager;
  "workflows/onboarding": typeof workflows_onboarding;
  "workflows/onboardingState": typeof workflows_onboardingState;
}>;

/**
 * A utility for referencing Convex functions in your app's public API.
 *
 * Usage:
 * ```js
 * const myFunctionReference = api.myModule.myFunction;
 * ```
 */
export declare const api: FilterApi<
  typeof fullApi,
  FunctionReference<any, "public">
>;

/**
 * A utility for referencing Convex functions in your app's internal API.
 *
 * Usage:
 * ```js
 * const myFunctionReference = internal.myModule.myFunction;
 * ```
 */
export declare const internal: FilterApi<
  typeof fullApi,
  FunctionReference<any, "internal">
>;

export declare const components: {
  actionCache: import("@convex-dev/action-cache/_generated/component.js").ComponentApi<"actionCache">;
  agent: import("@convex-dev/agent/_generated/component.js").ComponentApi<"agent">;
  autumn: import("@useautumn/convex/_generated/component.js").ComponentApi<"autumn">;
  presence: import("@convex-dev/presence/_generated/component.js").ComponentApi<"presence">;
  r2: import("@convex-dev/r2/_generated/component.js").ComponentApi<"r2">;
  rateLimiter: import("@convex-dev/rate-limiter/_generated/component.js").ComponentApi<"rateLimiter">;
  resend: import("@convex-dev/resend/_generated/component.js").ComponentApi<"resend">;
  workflow: import("@convex-dev/workflow/_generated/component.js").ComponentApi<"workflow">;
};
