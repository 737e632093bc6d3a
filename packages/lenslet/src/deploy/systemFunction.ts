import type { Random } from "../base/random.ts";
import type { BackfillProgress } from "./backfill.ts";
import type { Actor } from "./deploymentEvents.ts";
import type { Transaction } from "../transaction/transaction.ts";
import type { Value, ValueObject } from "../values/value.ts";

/** What a system function knows besides its arguments. */
export interface SystemContext {
  /** Of the call; the functions for the CLI look at the data of this component. */
  readonly componentPath: string;
  readonly cloudUrl: string;
  readonly siteUrl: string;
  readonly cursorSecret: Uint8Array;
  readonly uploadSecret: Uint8Array;
  readonly random: Random;
  readonly nowMs: number;
  /** Of the last run of this query, for paginated ones; null for none. */
  readonly journal: string | null;
  /** Takes the outgoing journal of a paginated query. */
  readonly setJournal?: (journal: string) => void;
  /** Who calls, for the audit log. */
  readonly client: Actor | null;
  /** A query that asks for it is run again while that work goes on. */
  readonly progress?: () => BackfillProgress;
}

/**
 * A query of the server itself. It reads through the transaction, so it can be live like any other query. Throws
 * LensletError for bad arguments.
 */
export type SystemFunction = (tx: Transaction, context: SystemContext, args: ValueObject) => Value;
