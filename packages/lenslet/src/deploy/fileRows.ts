import { assert } from "../base/assert.ts";
import { badRequest, LensletError } from "../base/errors.ts";
import type { Namespace, StoredDocument } from "../store/store.ts";
import { storageTable } from "../store/systemTables.ts";
import type { Transaction } from "../transaction/transaction.ts";
import { decodeId, tryDecodeId } from "../values/id.ts";
import {
  deleteRow,
  fileContentsRows,
  fileRemovalRows,
  fileRows,
  insertRow,
  rowsMatching,
  type FileRow,
  type SystemRow,
} from "./systemRows.ts";

/** Fields of a `_storage` document. */
export interface FileMetadata {
  /** Base64. */
  readonly sha256: string;
  readonly size: number;
  readonly contentType: string | null;
}

/** A file: its document, which functions see, and where its contents are. */
export interface StoredFile {
  readonly document: StoredDocument;
  readonly metadata: FileMetadata;
  readonly row: SystemRow<FileRow>;
}

const contentsPartBytes = 512 * 1024;
const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

export function isFileId(text: string): boolean {
  return uuid.test(text);
}

/** A version 4 UUID of 16 random bytes. */
export function fileIdOf(randomBytes: Uint8Array): string {
  assert(randomBytes.length === 16, "a UUID has 16 bytes");
  const bytes = Buffer.from(randomBytes);
  bytes[6] = ((bytes[6] as number) & 0x0f) | 0x40;
  bytes[8] = ((bytes[8] as number) & 0x3f) | 0x80;
  const hex = bytes.toString("hex");
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");
}

/**
 * The file that a storage id names: the id of a `_storage` document of this namespace, or the UUID of old clients. Null
 * when it does not exist (any more). Throws InvalidArgument for anything else; `operation` names the caller in its text.
 */
export function findFile(
  tx: Transaction,
  namespace: Namespace,
  storageId: string,
  operation: string,
): StoredFile | null {
  if (isFileId(storageId)) return fileByUrlId(tx, namespace, storageId.toLowerCase());
  if (!isStorageId(storageId)) {
    throw badRequest(
      "InvalidArgument",
      `Invalid argument \`storageId\` for \`${operation}\`: Invalid storage ID: "${storageId}". Storage ID should be an Id of the "_storage" table or a UUID.`,
    );
  }
  const document = documentOf(tx, namespace, storageId);
  if (document === null) return null;
  const [row] = rowsMatching(tx, fileRows, "by_storage_id", [namespace, storageId]);
  assert(row !== undefined, "every _storage document has its _files row");
  return { document, metadata: document.value as unknown as FileMetadata, row };
}

export function isStorageId(text: string): boolean {
  return isFileId(text) || tryDecodeId(text)?.tableNumber === storageTable.number;
}

/** The file with this UUID in this namespace. */
export function fileByUrlId(tx: Transaction, namespace: Namespace, fileId: string): StoredFile | null {
  for (const row of rowsMatching(tx, fileRows, "by_file_id", [fileId])) {
    if (row.value.namespace !== namespace) continue;
    const document = documentOf(tx, namespace, row.value.storageId);
    assert(document !== null, "every _files row has its _storage document");
    return { document, metadata: document.value as unknown as FileMetadata, row };
  }
  return null;
}

/** The contents must be complete and durable under `key`. Returns the storage id. */
export function insertFile(
  tx: Transaction,
  namespace: Namespace,
  { sha256, size, contentType }: FileMetadata,
  place: { readonly fileId: string; readonly key: string },
): string {
  if (tx.table(namespace, storageTable.name) === null) {
    throw badRequest("ComponentNotFound", `There is no component ${namespace}.`);
  }
  const storageId = tx.insert(namespace, storageTable.name, { sha256, size, contentType });
  insertRow(tx, fileRows, { namespace, storageId, ...place });
  return storageId;
}

/** The contents are removed by the file store's sweeper, which learns of them when this is committed and durable. */
export function deleteFile(tx: Transaction, { document, row }: StoredFile): void {
  const table = tx.table(row.value.namespace, storageTable.name);
  assert(table !== null, "a file belongs to a _storage table");
  tx.delete(table, document.id);
  deleteRow(tx, fileRows, row.id);
  deleteContents(tx, row.value.key);
  insertRow(tx, fileRemovalRows, { key: row.value.key });
}

/** The operation of functions and of the dashboard. Throws StorageIdNotFound. */
export function deleteFileById(
  tx: Transaction,
  namespace: Namespace,
  storageId: string,
  operation: string,
): void {
  const file = findFile(tx, namespace, storageId, operation);
  if (file === null) {
    throw new LensletError("NotFound", "StorageIdNotFound", `storage id ${storageId} not found`);
  }
  deleteFile(tx, file);
}

/** Keeps contents in the database, with the transaction, until the file store has them. */
export function insertContents(tx: Transaction, key: string, bytes: Uint8Array): void {
  for (let part = 0; part === 0 || part * contentsPartBytes < bytes.length; part++) {
    // A copy: the buffer behind a part of a Buffer is the whole.
    const piece = new Uint8Array(bytes.subarray(part * contentsPartBytes, (part + 1) * contentsPartBytes));
    insertRow(tx, fileContentsRows, { key, part, bytes: piece.buffer });
  }
}

/** Null when they are not (or no more) in the database. */
export function contentsOf(tx: Transaction, key: string): Buffer | null {
  const parts = [...rowsMatching(tx, fileContentsRows, "by_key", [key])];
  return parts.length === 0 ? null : Buffer.concat(parts.map(({ value }) => Buffer.from(value.bytes)));
}

/** Because they have been moved to the file store, or are not wanted. */
export function deleteContents(tx: Transaction, key: string): void {
  for (const { id } of rowsMatching(tx, fileContentsRows, "by_key", [key]))
    deleteRow(tx, fileContentsRows, id);
}

export function fileUrl(cloudUrl: string, { namespace, fileId }: FileRow): string {
  return `${cloudUrl}/api/storage/${fileId}${namespace === "" ? "" : `?component=${namespace}`}`;
}

function documentOf(tx: Transaction, namespace: Namespace, storageId: string): StoredDocument | null {
  const table = tx.table(namespace, storageTable.name);
  return table === null ? null : tx.get(table, decodeId(storageId).id);
}
