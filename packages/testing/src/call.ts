import type { JsonValue } from "../../lenslet/src/values/json.ts";
import type { RunningJob } from "../../lenslet/src/engine/scheduling.ts";
import type { Component } from "./deployment.ts";
import type { LoadedFunction } from "./modules.ts";

/** What `ctx.auth.getUserIdentity()` returns. */
export type UserAttributes = Readonly<Record<string, JsonValue>>;

/** Who asks, and what is known of the request; inherited by everything that a function calls. */
export interface Caller {
  readonly identity: UserAttributes | null;
  readonly ip: string | null;
  readonly userAgent: string | null;
  readonly requestId: string;
  /** The scheduled function that this is, or that this was called by. */
  readonly job: RunningJob | null;
}

/** One function to be run. */
export interface FunctionRun {
  readonly component: Component;
  readonly fn: LoadedFunction;
  /** JSON text of the positional argument array. */
  readonly argsJson: string;
  readonly caller: Caller;
}

/** The caller as a function of another component sees it: identities stay in their component (functions.md §12). */
export function callerIn(caller: Caller, from: Component, to: Component): Caller {
  return from === to || caller.identity === null ? caller : { ...caller, identity: null };
}

/** `thrown` is what user code threw, as it threw it; what the platform refused is an Error of its own. */
export type Outcome =
  | { readonly ok: true; readonly valueJson: string }
  | {
      readonly ok: false;
      readonly thrown: unknown;
      /** It ran to its end and what it returned was refused. */
      readonly hasReturned: boolean;
    };
