import type { OperationOutcome } from "./messages.ts";

/** What the file calls of an action need of it. */
export interface StorageCaller {
  operation(op: string, argsJson: string, settle: (outcome: OperationOutcome) => void): void;
  readonly abort: AbortController;
}

/** Before user code can put another one in its place. */
const ownFetch = globalThis.fetch;
const OwnBlob = globalThis.Blob;

/**
 * `ctx.storage.store` and `ctx.storage.get` of actions (functions.md §11). The bytes go over HTTP between this process
 * and the server, like anybody's: the channel between the two is for small messages.
 */
export async function storageCall(caller: StorageCaller, op: string, args: unknown): Promise<unknown> {
  const given = (args ?? {}) as { blob?: unknown; options?: { sha256?: unknown }; storageId?: unknown };
  switch (op) {
    case "storage/storeBlob":
      return await storeBlob(caller, given.blob, given.options?.sha256);
    case "storage/getBlob":
      return await getBlob(caller, given.storageId);
    default:
      throw new Error(`Unknown JS syscall ${op}`);
  }
}

async function storeBlob(caller: StorageCaller, blob: unknown, sha256: unknown): Promise<string> {
  if (!(blob instanceof OwnBlob)) {
    throw new Error(
      "store() expects a Blob. If you are trying to store a Request, `await request.blob()` will give you the correct input.",
    );
  }
  const { url } = (await ask(caller, "storage/storeBlob", {})) as { url: string };
  const headers = typeof sha256 === "string" ? { digest: `sha-256=${base64Of(sha256)}` } : {};
  const { signal } = caller.abort;
  const response = await ownFetch(url, { method: "POST", body: blob, headers, signal });
  const answer = (await response.json()) as { storageId: string; message: string };
  if (!response.ok) throw new Error(answer.message);
  return answer.storageId;
}

async function getBlob(caller: StorageCaller, storageId: unknown): Promise<Blob | null> {
  if (typeof storageId !== "string") {
    throw new Error(`storage.get requires a string storageId but received ${String(storageId)}`);
  }
  const found = (await ask(caller, "storage/getBlob", { storageId })) as { url: string } | null;
  if (found === null) return null;
  const response = await ownFetch(found.url, { signal: caller.abort.signal });
  // Deleted in between.
  if (response.status === 404) return null;
  if (!response.ok) throw new Error(`The file cannot be read: ${response.status} ${await response.text()}`);
  const blob = await response.blob();
  return blob.slice(0, blob.size, response.headers.get("content-type") ?? "");
}

function ask(caller: StorageCaller, op: string, args: object): Promise<unknown> {
  return new Promise((resolve, reject) => {
    caller.operation(op, JSON.stringify(args), (outcome) => {
      if (outcome.ok) resolve(JSON.parse(outcome.resultJson));
      else reject(new Error(outcome.message));
    });
  });
}

/** Digests are given in hex or in base64. */
function base64Of(sha256: string): string {
  return /^[0-9a-f]{64}$/i.test(sha256) ? Buffer.from(sha256, "hex").toString("base64") : sha256;
}
