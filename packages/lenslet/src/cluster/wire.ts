import { createHmac, timingSafeEqual } from "node:crypto";
import { LensletError, type ErrorCategory } from "../base/errors.ts";
import type { FunctionCall, FunctionResult, MutationCall, MutationResult } from "../engine/api.ts";

/*
 * What a follower asks the leader to run: POST with a JSON body to a path of the API that nobody else uses, with a key
 * that every node derives from the deployment's secret. The caller's identity has been checked by the follower.
 */

export const nodePathPrefix = "/_lenslet/node/";

export type NodeRequest =
  | { readonly kind: "mutation"; readonly call: MutationCall }
  | { readonly kind: "action"; readonly call: FunctionCall };

/** `MutationResult` with its timestamp as a text. */
type MutationAnswer = FunctionResult & { readonly tsText: string | null };

export type NodeAnswer =
  | { readonly kind: "mutation"; readonly result: MutationAnswer }
  | { readonly kind: "action"; readonly result: FunctionResult }
  | {
      readonly kind: "error";
      readonly category: ErrorCategory;
      readonly code: string;
      readonly message: string;
      readonly data?: unknown;
    };

export function nodeKey(secret: Uint8Array): string {
  return createHmac("sha256", secret).update("lenslet node key v1").digest("hex");
}

export function isNodeKey(presented: string | undefined, key: string): boolean {
  const [own, other] = [Buffer.from(`Lenslet ${key}`), Buffer.from(presented ?? "")];
  return own.length === other.length && timingSafeEqual(own, other);
}

export function answerOfMutation({ ts, ...result }: MutationResult): NodeAnswer {
  return { kind: "mutation", result: { ...result, tsText: ts === null ? null : String(ts) } };
}

export function mutationOfAnswer({ tsText, ...result }: MutationAnswer): MutationResult {
  return { ...result, ts: tsText === null ? null : BigInt(tsText) };
}

/** Null for a defect: its text is not the other node's business. */
export function answerOfError(error: unknown): NodeAnswer | null {
  if (!(error instanceof LensletError)) return null;
  const { category, code, message, data } = error;
  return { kind: "error", category, code, message, ...(data === undefined ? {} : { data }) };
}

export function errorOfAnswer({
  category,
  code,
  message,
  data,
}: NodeAnswer & { readonly kind: "error" }): LensletError {
  return new LensletError(category, code, message, data);
}
