import type { MessagePort } from "node:worker_threads";
import type { PlainError } from "../local/logErrors.ts";
import type { Identity } from "./tables.ts";

/** Given to `new Worker`. */
export interface PostgresThreadSettings {
  readonly url: string;
  /** The deployment's, if the database has none yet. */
  readonly proposed: Identity;
  /** Names this run of the process. */
  readonly owner: string;
  /** Where other nodes reach this one. */
  readonly address: string;
  readonly leaseMs: number;
  readonly shared: SharedArrayBuffer;
}

/** Who leads, as far as this node knows. */
export interface Leadership {
  readonly isLeader: boolean;
  /** Of another node that leads, or did until its lease expired; null when there is none. */
  readonly leaderAddress: string | null;
}

export type PostgresOwnerMessage =
  | { readonly type: "connect"; readonly port: MessagePort; readonly own: SharedArrayBuffer }
  /** Where does the log end now? Answered with "refreshed", after its `durableTs` is known there. */
  | { readonly type: "refresh"; readonly id: number }
  | { readonly type: "close" };

export type PostgresWorkerMessage =
  | { readonly type: "started"; readonly identity: Identity; readonly leadership: Leadership }
  | { readonly type: "refused"; readonly error: PlainError }
  | { readonly type: "leadership"; readonly leadership: Leadership }
  | { readonly type: "refreshed"; readonly id: number; readonly lastTs: bigint }
  | { readonly type: "report"; readonly message: string }
  | { readonly type: "closed"; readonly error: PlainError | null };
