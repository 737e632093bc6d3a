/* eslint-disable */
/**
 * Generated `api` utility.
 *
 * THIS CODE IS AUTOMATICALLY GENERATED.
 *
 * To regenerate, run `npx convex dev`.
 * @module
 */

import type * as functions_actions_assistant from "../functions/actions/assistant.js";
import type * as functions_mutations_assistant from "../functions/mutations/assistant.js";
import type * as functions_mutations_attachments from "../functions/mutations/attachments.js";
import type * as functions_mutations_chats from "../functions/mutations/chats.js";
import type * as functions_mutations_messages from "../functions/mutations/messages.js";
import type * as functions_mutations_shares from "../functions/mutations/shares.js";
import type * as functions_mutations_users from "../functions/mutations/users.js";
import type * as functions_queries_assistant from "../functions/queries/assistant.js";
import type * as functions_queries_attachments from "../functions/queries/attachments.js";
import type * as functions_queries_chats from "../functions/queries/chats.js";
import type * as functions_queries_messages from "../functions/queries/messages.js";
import type * as functions_queries_shares from "../functions/queries/shares.js";
import type * as functions_queries_users from "../functions/queries/users.js";
import type * as model_access from "../model/access.js";
import type * as model_assistant from "../model/assistant.js";
import type * as model_cascade from "../model/cascade.js";
import type * as model_errors from "../model/errors.js";
import type * as model_files from "../model/files.js";
import type * as model_limits from "../model/limits.js";
import type * as model_pages from "../model/pages.js";
import type * as model_parts from "../model/parts.js";
import type * as model_validation from "../model/validation.js";
import type * as model_views from "../model/views.js";

import type {
  ApiFromModules,
  FilterApi,
  FunctionReference,
} from "convex/server";

declare const fullApi: ApiFromModules<{
  "functions/actions/assistant": typeof functions_actions_assistant;
  "functions/mutations/assistant": typeof functions_mutations_assistant;
  "functions/mutations/attachments": typeof functions_mutations_attachments;
  "functions/mutations/chats": typeof functions_mutations_chats;
  "functions/mutations/messages": typeof functions_mutations_messages;
  "functions/mutations/shares": typeof functions_mutations_shares;
  "functions/mutations/users": typeof functions_mutations_users;
  "functions/queries/assistant": typeof functions_queries_assistant;
  "functions/queries/attachments": typeof functions_queries_attachments;
  "functions/queries/chats": typeof functions_queries_chats;
  "functions/queries/messages": typeof functions_queries_messages;
  "functions/queries/shares": typeof functions_queries_shares;
  "functions/queries/users": typeof functions_queries_users;
  "model/access": typeof model_access;
  "model/assistant": typeof model_assistant;
  "model/cascade": typeof model_cascade;
  "model/errors": typeof model_errors;
  "model/files": typeof model_files;
  "model/limits": typeof model_limits;
  "model/pages": typeof model_pages;
  "model/parts": typeof model_parts;
  "model/validation": typeof model_validation;
  "model/views": typeof model_views;
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

export declare const components: {};
