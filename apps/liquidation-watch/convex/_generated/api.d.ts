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
import type * as crons from "../crons.js";
import type * as feed from "../feed.js";
import type * as liquidations from "../liquidations.js";
import type * as market from "../market.js";
import type * as messages from "../messages.js";
import type * as model_commentary from "../model/commentary.js";
import type * as model_counts from "../model/counts.js";
import type * as model_defaultAgents from "../model/defaultAgents.js";
import type * as model_errors from "../model/errors.js";
import type * as model_feedKey from "../model/feedKey.js";
import type * as model_ingest from "../model/ingest.js";
import type * as model_limits from "../model/limits.js";
import type * as model_pulse from "../model/pulse.js";
import type * as model_rollupTables from "../model/rollupTables.js";
import type * as model_validation from "../model/validation.js";
import type * as prices from "../prices.js";
import type * as users from "../users.js";

import type {
  ApiFromModules,
  FilterApi,
  FunctionReference,
} from "convex/server";

declare const fullApi: ApiFromModules<{
  agents: typeof agents;
  crons: typeof crons;
  feed: typeof feed;
  liquidations: typeof liquidations;
  market: typeof market;
  messages: typeof messages;
  "model/commentary": typeof model_commentary;
  "model/counts": typeof model_counts;
  "model/defaultAgents": typeof model_defaultAgents;
  "model/errors": typeof model_errors;
  "model/feedKey": typeof model_feedKey;
  "model/ingest": typeof model_ingest;
  "model/limits": typeof model_limits;
  "model/pulse": typeof model_pulse;
  "model/rollupTables": typeof model_rollupTables;
  "model/validation": typeof model_validation;
  prices: typeof prices;
  users: typeof users;
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
