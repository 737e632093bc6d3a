/* eslint-disable */
/**
 * Generated `api` utility.
 *
 * THIS CODE IS AUTOMATICALLY GENERATED.
 *
 * To regenerate, run `npx convex dev`.
 * @module
 */

import type * as auth from "../auth.js";
import type * as crons from "../crons.js";
import type * as functions_actions_assistant from "../functions/actions/assistant.js";
import type * as functions_actions_attachments from "../functions/actions/attachments.js";
import type * as functions_actions_mail from "../functions/actions/mail.js";
import type * as functions_mutations_assistant from "../functions/mutations/assistant.js";
import type * as functions_mutations_attachments from "../functions/mutations/attachments.js";
import type * as functions_mutations_attempts from "../functions/mutations/attempts.js";
import type * as functions_mutations_cascade from "../functions/mutations/cascade.js";
import type * as functions_mutations_chats from "../functions/mutations/chats.js";
import type * as functions_mutations_messages from "../functions/mutations/messages.js";
import type * as functions_mutations_migrations from "../functions/mutations/migrations.js";
import type * as functions_mutations_presence from "../functions/mutations/presence.js";
import type * as functions_mutations_sessions from "../functions/mutations/sessions.js";
import type * as functions_mutations_shares from "../functions/mutations/shares.js";
import type * as functions_mutations_sweep from "../functions/mutations/sweep.js";
import type * as functions_mutations_users from "../functions/mutations/users.js";
import type * as functions_queries_assistant from "../functions/queries/assistant.js";
import type * as functions_queries_attachments from "../functions/queries/attachments.js";
import type * as functions_queries_chats from "../functions/queries/chats.js";
import type * as functions_queries_messages from "../functions/queries/messages.js";
import type * as functions_queries_presence from "../functions/queries/presence.js";
import type * as functions_queries_sessions from "../functions/queries/sessions.js";
import type * as functions_queries_shares from "../functions/queries/shares.js";
import type * as functions_queries_users from "../functions/queries/users.js";
import type * as http from "../http.js";
import type * as model_access from "../model/access.js";
import type * as model_accounts from "../model/accounts.js";
import type * as model_assistant from "../model/assistant.js";
import type * as model_attemptHooks from "../model/attemptHooks.js";
import type * as model_attempts from "../model/attempts.js";
import type * as model_authRows from "../model/authRows.js";
import type * as model_cascade from "../model/cascade.js";
import type * as model_devices from "../model/devices.js";
import type * as model_errors from "../model/errors.js";
import type * as model_files from "../model/files.js";
import type * as model_identity from "../model/identity.js";
import type * as model_inspect from "../model/inspect.js";
import type * as model_limits from "../model/limits.js";
import type * as model_mail from "../model/mail.js";
import type * as model_pages from "../model/pages.js";
import type * as model_parts from "../model/parts.js";
import type * as model_reads from "../model/reads.js";
import type * as model_search from "../model/search.js";
import type * as model_shares from "../model/shares.js";
import type * as model_site from "../model/site.js";
import type * as model_typing from "../model/typing.js";
import type * as model_validation from "../model/validation.js";
import type * as model_views from "../model/views.js";
import type * as seed from "../seed.js";
import type * as types from "../types.js";

import type {
  ApiFromModules,
  FilterApi,
  FunctionReference,
} from "convex/server";

declare const fullApi: ApiFromModules<{
  auth: typeof auth;
  crons: typeof crons;
  "functions/actions/assistant": typeof functions_actions_assistant;
  "functions/actions/attachments": typeof functions_actions_attachments;
  "functions/actions/mail": typeof functions_actions_mail;
  "functions/mutations/assistant": typeof functions_mutations_assistant;
  "functions/mutations/attachments": typeof functions_mutations_attachments;
  "functions/mutations/attempts": typeof functions_mutations_attempts;
  "functions/mutations/cascade": typeof functions_mutations_cascade;
  "functions/mutations/chats": typeof functions_mutations_chats;
  "functions/mutations/messages": typeof functions_mutations_messages;
  "functions/mutations/migrations": typeof functions_mutations_migrations;
  "functions/mutations/presence": typeof functions_mutations_presence;
  "functions/mutations/sessions": typeof functions_mutations_sessions;
  "functions/mutations/shares": typeof functions_mutations_shares;
  "functions/mutations/sweep": typeof functions_mutations_sweep;
  "functions/mutations/users": typeof functions_mutations_users;
  "functions/queries/assistant": typeof functions_queries_assistant;
  "functions/queries/attachments": typeof functions_queries_attachments;
  "functions/queries/chats": typeof functions_queries_chats;
  "functions/queries/messages": typeof functions_queries_messages;
  "functions/queries/presence": typeof functions_queries_presence;
  "functions/queries/sessions": typeof functions_queries_sessions;
  "functions/queries/shares": typeof functions_queries_shares;
  "functions/queries/users": typeof functions_queries_users;
  http: typeof http;
  "model/access": typeof model_access;
  "model/accounts": typeof model_accounts;
  "model/assistant": typeof model_assistant;
  "model/attemptHooks": typeof model_attemptHooks;
  "model/attempts": typeof model_attempts;
  "model/authRows": typeof model_authRows;
  "model/cascade": typeof model_cascade;
  "model/devices": typeof model_devices;
  "model/errors": typeof model_errors;
  "model/files": typeof model_files;
  "model/identity": typeof model_identity;
  "model/inspect": typeof model_inspect;
  "model/limits": typeof model_limits;
  "model/mail": typeof model_mail;
  "model/pages": typeof model_pages;
  "model/parts": typeof model_parts;
  "model/reads": typeof model_reads;
  "model/search": typeof model_search;
  "model/shares": typeof model_shares;
  "model/site": typeof model_site;
  "model/typing": typeof model_typing;
  "model/validation": typeof model_validation;
  "model/views": typeof model_views;
  seed: typeof seed;
  types: typeof types;
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
  betterAuth: import("@convex-dev/better-auth/_generated/component.js").ComponentApi<"betterAuth">;
  presence: import("@convex-dev/presence/_generated/component.js").ComponentApi<"presence">;
};
