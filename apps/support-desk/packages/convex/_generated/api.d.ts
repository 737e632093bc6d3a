/* eslint-disable */
/**
 * Generated `api` utility.
 *
 * THIS CODE IS AUTOMATICALLY GENERATED.
 *
 * To regenerate, run `npx convex dev`.
 * @module
 */

import type * as agents from "../agents.js";
import type * as analytics from "../analytics.js";
import type * as attachments from "../attachments.js";
import type * as auth from "../auth.js";
import type * as conversations from "../conversations.js";
import type * as crons from "../crons.js";
import type * as env from "../env.js";
import type * as http from "../http.js";
import type * as knowledge from "../knowledge.js";
import type * as mail from "../mail.js";
import type * as messages from "../messages.js";
import type * as migrations_backfillPriorityRank from "../migrations/backfillPriorityRank.js";
import type * as migrations_registry from "../migrations/registry.js";
import type * as migrations_runner from "../migrations/runner.js";
import type * as mms from "../mms.js";
import type * as model_agents from "../model/agents.js";
import type * as model_analytics from "../model/analytics.js";
import type * as model_attachments from "../model/attachments.js";
import type * as model_conversations from "../model/conversations.js";
import type * as model_errors from "../model/errors.js";
import type * as model_knowledge from "../model/knowledge.js";
import type * as model_limits from "../model/limits.js";
import type * as model_media from "../model/media.js";
import type * as model_privacy from "../model/privacy.js";
import type * as model_rateLimit from "../model/rateLimit.js";
import type * as model_sessions from "../model/sessions.js";
import type * as model_tokens from "../model/tokens.js";
import type * as model_users from "../model/users.js";
import type * as model_validation from "../model/validation.js";
import type * as model_workflows from "../model/workflows.js";
import type * as privacy from "../privacy.js";
import type * as rag_answer from "../rag/answer.js";
import type * as rag_chunks from "../rag/chunks.js";
import type * as rag_embedding from "../rag/embedding.js";
import type * as rag_llm from "../rag/llm.js";
import type * as rag_pdf from "../rag/pdf.js";
import type * as rag_prompt from "../rag/prompt.js";
import type * as rag_quality from "../rag/quality.js";
import type * as seed_demo from "../seed/demo.js";
import type * as seed_documents from "../seed/documents.js";
import type * as sms from "../sms.js";
import type * as users from "../users.js";
import type * as workflows from "../workflows.js";

import type {
  ApiFromModules,
  FilterApi,
  FunctionReference,
} from "convex/server";

declare const fullApi: ApiFromModules<{
  agents: typeof agents;
  analytics: typeof analytics;
  attachments: typeof attachments;
  auth: typeof auth;
  conversations: typeof conversations;
  crons: typeof crons;
  env: typeof env;
  http: typeof http;
  knowledge: typeof knowledge;
  mail: typeof mail;
  messages: typeof messages;
  "migrations/backfillPriorityRank": typeof migrations_backfillPriorityRank;
  "migrations/registry": typeof migrations_registry;
  "migrations/runner": typeof migrations_runner;
  mms: typeof mms;
  "model/agents": typeof model_agents;
  "model/analytics": typeof model_analytics;
  "model/attachments": typeof model_attachments;
  "model/conversations": typeof model_conversations;
  "model/errors": typeof model_errors;
  "model/knowledge": typeof model_knowledge;
  "model/limits": typeof model_limits;
  "model/media": typeof model_media;
  "model/privacy": typeof model_privacy;
  "model/rateLimit": typeof model_rateLimit;
  "model/sessions": typeof model_sessions;
  "model/tokens": typeof model_tokens;
  "model/users": typeof model_users;
  "model/validation": typeof model_validation;
  "model/workflows": typeof model_workflows;
  privacy: typeof privacy;
  "rag/answer": typeof rag_answer;
  "rag/chunks": typeof rag_chunks;
  "rag/embedding": typeof rag_embedding;
  "rag/llm": typeof rag_llm;
  "rag/pdf": typeof rag_pdf;
  "rag/prompt": typeof rag_prompt;
  "rag/quality": typeof rag_quality;
  "seed/demo": typeof seed_demo;
  "seed/documents": typeof seed_documents;
  sms: typeof sms;
  users: typeof users;
  workflows: typeof workflows;
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
