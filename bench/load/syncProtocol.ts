import { randomUUID } from "node:crypto";

/** The path the `convex` client of this version connects to. */
export const syncPath = "/api/1.48.0/sync";

export function connectMessage(): string {
  return JSON.stringify({
    type: "Connect",
    sessionId: randomUUID(),
    connectionCount: 0,
    lastCloseReason: "InitialConnect",
    clientTs: Date.now(),
  });
}

/** The first query set of a socket: one query with each of these arguments, or none. */
export function querySetMessage(udfPath: string | null, args: readonly object[]): string {
  const modifications = args.map((each, queryId) => ({ type: "Add", queryId, udfPath, args: [each] }));
  return JSON.stringify({ type: "ModifyQuerySet", baseVersion: 0, newVersion: 1, modifications });
}

export type ServerMessage =
  | { readonly type: "Transition"; readonly endVersion: { readonly ts: string } }
  | {
      readonly type: "MutationResponse";
      readonly requestId: number;
      readonly success: boolean;
      readonly result: unknown;
      readonly ts: string;
    }
  | { readonly type: "Ping" }
  | { readonly type: "FatalError" | "AuthError"; readonly error: string };

export function parseTs(encoded: string): bigint {
  return Buffer.from(encoded, "base64").readBigUInt64LE();
}
