import { badRequest } from "../base/errors.ts";
import { deleteFileById, fileUrl, findFile } from "../deploy/fileRows.ts";
import { uploadToken } from "../protocol/uploadToken.ts";
import type { Namespace } from "../store/store.ts";
import { invalidArgument, type JsonObject, stringArgument } from "../transaction/syscallArguments.ts";
import type { Transaction } from "../transaction/transaction.ts";

/** What the storage syscalls of one function work with. */
export interface StorageScope {
  readonly tx: Transaction;
  readonly namespace: Namespace;
  readonly cloudUrl: string;
  readonly tokenSecret: Uint8Array;
  readonly nowMs: number;
}

type Handler = (args: JsonObject, scope: StorageScope) => string;

/** The file syscalls of queries, mutations and actions (functions.md §11). Results are JSON texts. */
const storageSyscalls: Readonly<Record<string, Handler>> = {
  "1.0/storageGetUrl": (args, { tx, namespace, cloudUrl }) => {
    const file = findFile(tx, namespace, storageIdOf(args, "storage.getUrl"), "storage.getUrl");
    return JSON.stringify(file === null ? null : fileUrl(cloudUrl, file.row.value));
  },
  "1.0/storageGetMetadata": (args, { tx, namespace }) => {
    const file = findFile(tx, namespace, storageIdOf(args, "storage.getMetadata"), "storage.getMetadata");
    if (file === null) return "null";
    const { sha256, size, contentType } = file.metadata;
    const hex = Buffer.from(sha256, "base64").toString("hex");
    return JSON.stringify({ storageId: file.row.value.fileId, sha256: hex, size, contentType });
  },
  "1.0/storageGenerateUploadUrl": (_args, { tx, namespace, cloudUrl, tokenSecret, nowMs }) => {
    checkWritable(tx);
    const token = uploadToken(tokenSecret, { component: namespace, issuedMs: nowMs });
    return JSON.stringify(`${cloudUrl}/api/storage/upload?token=${token}`);
  },
  /** Of actions: where the contents can be fetched. */
  "storage/getBlob": (args, { tx, namespace, cloudUrl }) => {
    const file = findFile(tx, namespace, storageIdOf(args, "storage.get"), "storage.get");
    return JSON.stringify(file === null ? null : fileUrl(cloudUrl, file.row.value));
  },
  "1.0/storageDelete": (args, { tx, namespace }) => {
    checkWritable(tx);
    deleteFileById(tx, namespace, storageIdOf(args, "storage.delete"), "storage.delete");
    return "null";
  },
};

/** Those that functions call themselves. */
export const storageOps: ReadonlySet<string> = new Set(
  Object.keys(storageSyscalls).filter((op) => op.startsWith("1.0/")),
);

export function storageSyscall(op: string, args: JsonObject, scope: StorageScope): string {
  const handler = Object.hasOwn(storageSyscalls, op) ? storageSyscalls[op] : undefined;
  if (handler === undefined) throw badRequest("UnknownAsyncOperation", `Unknown async operation ${op}`);
  return handler(args, scope);
}

function storageIdOf(args: JsonObject, operation: string): string {
  const { storageId } = args;
  if (storageId !== undefined && typeof storageId !== "string") {
    throw invalidArgument(operation, "storageId", "Storage ID must be a string.");
  }
  return stringArgument(args, "storageId", operation);
}

function checkWritable(tx: Transaction): void {
  if (!tx.readOnly) return;
  throw badRequest("WriteInQuery", "Queries cannot write to file storage. Write in a mutation instead.");
}
