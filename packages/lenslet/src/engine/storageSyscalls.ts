import { createHash } from "node:crypto";
import { badRequest } from "../base/errors.ts";
import {
  contentsOf,
  deleteFileById,
  fileIdOf,
  fileUrl,
  findFile,
  insertContents,
  insertFile,
} from "../deploy/fileRows.ts";
import { uploadToken } from "../protocol/uploadToken.ts";
import type { Namespace } from "../store/store.ts";
import {
  invalidArgument,
  type JsonObject,
  optionalString,
  stringArgument,
} from "../transaction/syscallArguments.ts";
import type { Transaction } from "../transaction/transaction.ts";

/** The contents under a key, which have this size; null when there are none. */
export type ReadContents = (key: string, size: number) => Uint8Array | null;

/** What the storage syscalls of one function work with. */
export interface StorageScope {
  readonly tx: Transaction;
  readonly namespace: Namespace;
  readonly cloudUrl: string;
  readonly tokenSecret: Uint8Array;
  readonly nowMs: number;
  readonly randomBytes: () => Uint8Array;
  /** The contents under a key of the file store; null for those who fetch them by their URL. */
  readonly readContents: ReadContents | null;
}

/** A mutation holds a file in memory, and its commit in the log. */
export const mutationFileBytesMax = 16 * 1024 * 1024;

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
  "1.0/storageStore": (args, scope) => {
    const { tx, namespace, randomBytes } = scope;
    checkWritable(tx);
    tx.checkMounted(namespace);
    const bytes = Buffer.from(stringArgument(args, "blob", "storage.store"), "base64");
    if (bytes.length > mutationFileBytesMax) {
      throw badRequest(
        "FileTooLarge",
        `A file stored in a mutation may have ${mutationFileBytesMax} bytes at most, not ${bytes.length}. Store it in an action, or through an upload URL.`,
      );
    }
    const sha256 = createHash("sha256").update(bytes).digest("base64");
    const expected = optionalString(args, "sha256", "storage.store");
    if (expected !== null && digestOf(expected) !== sha256) {
      throw badRequest("Sha256Mismatch", `Sha256 mismatch. Expected: ${expected} Actual: ${sha256}`);
    }
    const contentType = optionalString(args, "contentType", "storage.store") || null;
    tx.usage.countFileWrite(bytes.length);
    const random = Buffer.from(randomBytes());
    const [key, fileId] = [random.toString("hex", 0, 16), fileIdOf(random.subarray(16, 32))];
    insertContents(tx, key, bytes);
    return JSON.stringify(
      insertFile(tx, namespace, { sha256, size: bytes.length, contentType }, { key, fileId }),
    );
  },
  "1.0/storageGet": (args, { tx, namespace, readContents }) => {
    checkWritable(tx);
    const file = findFile(tx, namespace, storageIdOf(args, "storage.get"), "storage.get");
    if (file === null) return "null";
    const { size, contentType } = file.metadata;
    if (size > mutationFileBytesMax) {
      throw badRequest(
        "FileTooLarge",
        `A file of ${size} bytes is too large to be read in a mutation (limit: ${mutationFileBytesMax}). Read it in an action.`,
      );
    }
    tx.usage.countFileRead(size);
    const { key } = file.row.value;
    const bytes = contentsOf(tx, key) ?? readContents?.(key, size) ?? null;
    if (bytes === null)
      throw badRequest("FileNotReadable", "The file store has lost the contents of this file.");
    return JSON.stringify({ blob: Buffer.from(bytes).toString("base64"), contentType });
  },
  "1.0/storageDelete": (args, { tx, namespace }) => {
    checkWritable(tx);
    tx.checkMounted(namespace);
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

/** In hex or in base64. */
function digestOf(text: string): string {
  return /^[0-9a-f]{64}$/i.test(text) ? Buffer.from(text, "hex").toString("base64") : text;
}
