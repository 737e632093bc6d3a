import type { EgressMap } from "./egress.ts";
import type { LogLine, ModuleSource, RunFailure } from "../types.ts";

/**
 * What the server and an action host process tell each other. Both sides send arrays of messages, in order. Nothing
 * here is parsed on arrival: the two are the same build of the same program.
 */

/** One process runs either default-runtime actions or "use node" actions of one code version. */
export type HostKind = "isolate" | "node";

export interface HostSettings {
  readonly kind: HostKind;
  /** An action that keeps the event loop to itself for so long is ended. */
  readonly unresponsiveMsMax: number;
  /** Old-space limit of the heap; named in error texts of Node actions. */
  readonly heapMebibytesMax: number;
  /** Resident set of the whole process: buffers are outside the heap and have no limit of their own. */
  readonly residentMebibytesMax: number;
  /** For "use node" modules: an existing folder of this process alone, removed by the server when the process ends. */
  readonly moduleFolder: string | null;
  /** Where npm packages for "use node" modules are installed, see runner/externalPackages.ts. */
  readonly externalPackagesFolder: string | null;
  /** Requests that user code makes to these origins go elsewhere. */
  readonly egress: EgressMap;
}

/** A code version, reduced to the modules of the host's kind. */
export interface HostCode {
  readonly id: string;
  readonly modules: readonly ModuleSource[];
  readonly env: Readonly<Record<string, string>>;
  /** Hex. */
  readonly importSeed: string;
  readonly importTimestampMs: number;
}

export interface ActionRun {
  /** Names this execution; unique in the server. */
  readonly id: number;
  readonly codeId: string;
  /** e.g. "dir/messages.js" */
  readonly modulePath: string;
  readonly exportName: string;
  /** JSON text of the positional argument array. */
  readonly argsJson: string;
  /** Opaque for user code, which passes it back in its syscalls. */
  readonly requestId: string;
  readonly timeMsMax: number;
  /** Present for an HTTP action: the module's default export is a router, which finds the function. */
  readonly http?: HttpRequestHead;
}

export type HttpHeaders = readonly (readonly [name: string, value: string])[];

/** A request to an HTTP action, up to its body. */
export interface HttpRequestHead {
  readonly method: string;
  /** What `request.url` says. */
  readonly url: string;
  /** What the router is asked for: percent-encoded, without query and mount prefixes. */
  readonly routePath: string;
  readonly headers: HttpHeaders;
  readonly hasBody: boolean;
}

/** Bytes of a body that may be on their way in each direction before the receiver has asked for more. */
export const bodyWindowBytes = 256 * 1024;

/** The answer to an operation; a failure becomes an Error that user code may catch. */
export type OperationOutcome =
  | { readonly ok: true; readonly resultJson: string }
  | { readonly ok: false; readonly message: string; readonly dataJson?: string };

export type ActionOutcome =
  { readonly ok: true; readonly resultJson: string } | { readonly ok: false; readonly failure: RunFailure };

export type ServerMessage =
  | { readonly type: "code"; readonly code: HostCode }
  | { readonly type: "forget"; readonly codeId: string }
  | { readonly type: "run"; readonly run: ActionRun }
  | {
      readonly type: "answer";
      readonly action: number;
      readonly operation: number;
      readonly outcome: OperationOutcome;
    }
  | HttpServerMessage;

/** To an HTTP action that runs. */
export type HttpServerMessage =
  /** More of the request's body; null: that was all of it. */
  | { readonly type: "requestBody"; readonly action: number; readonly bytes: Uint8Array | null }
  /** The client is gone: what is missing of the request's body never comes, and nobody reads the answer. */
  | { readonly type: "disconnected"; readonly action: number }
  /** So many more bytes of the response may be sent. */
  | { readonly type: "responseCredit"; readonly action: number; readonly bytes: number };

/** From an HTTP action that runs. When "done" comes before "responseEnd", the response is cut off. */
export type HttpHostMessage =
  | {
      readonly type: "responseHead";
      readonly action: number;
      readonly status: number;
      readonly headers: HttpHeaders;
    }
  | { readonly type: "responseBody"; readonly action: number; readonly bytes: Uint8Array }
  /** The response is complete; "done" follows when the action has ended. */
  | { readonly type: "responseEnd"; readonly action: number }
  /** So many more bytes of the request's body may be sent. */
  | { readonly type: "requestCredit"; readonly action: number; readonly bytes: number };

export type HostMessage =
  | { readonly type: "ready" }
  /** Sent while actions run, so that the server notices a process that hangs. */
  | { readonly type: "alive" }
  | {
      readonly type: "operation";
      readonly action: number;
      readonly operation: number;
      readonly op: string;
      readonly argsJson: string;
    }
  | { readonly type: "lines"; readonly action: number; readonly lines: readonly LogLine[] }
  | HttpHostMessage
  /** It has been broken off; comes before its "done". */
  | { readonly type: "ranAway"; readonly action: number }
  | { readonly type: "done"; readonly action: number; readonly outcome: ActionOutcome }
  /** The process should get no new work: something in it has been broken off. */
  | { readonly type: "tainted"; readonly reason: string }
  /** Something failed that belongs to no running action. */
  | { readonly type: "stray"; readonly text: string };
