import { createHash } from "node:crypto";
import { badRequest } from "../../lenslet/src/base/errors.ts";
import type { JsonObject } from "../../lenslet/src/transaction/syscallArguments.ts";
import type { Transaction } from "../../lenslet/src/transaction/transaction.ts";
import { tryDecodeId } from "../../lenslet/src/values/id.ts";
import type { Component } from "./deployment.ts";

const tableName = "_storage";
const tableNumber = 530;
const origin = "https://test.convex.cloud";

interface StoredFile {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly contentType: string | null;
}

/** Stored files of one test: rows of `_storage`, and their bytes in memory. */
export class Files {
  readonly #bytes = new Map<string, StoredFile>();

  syscall(op: string, args: JsonObject, component: Component, tx: Transaction): string {
    switch (op) {
      case "1.0/storageGenerateUploadUrl":
        return JSON.stringify(`${origin}/api/storage/upload?token=${Math.floor(Date.now())}`);
      case "1.0/storageGetUrl": {
        const { storageId } = args;
        const row = this.#row(storageId, component, tx, "getUrl");
        return JSON.stringify(row === null ? null : `${origin}/api/storage/${row.idText}`);
      }
      case "1.0/storageGetMetadata": {
        const row = this.#row(args["storageId"], component, tx, "getMetadata");
        if (row === null) return "null";
        const { sha256, size, contentType = null } = row.value;
        const hex = Buffer.from(sha256 as string, "base64").toString("hex");
        return JSON.stringify({ storageId: row.idText, sha256: hex, size, contentType });
      }
      case "1.0/storageDelete": {
        const row = this.#row(args["storageId"], component, tx, "delete");
        const table = tx.table(component.namespace, tableName);
        if (row === null || table === null)
          throw badRequest("StorageIdNotFound", `storage id ${args["storageId"] as string} not found`);
        tx.delete(table, row.id);
        return "null";
      }
      case "1.0/storageStore": {
        const bytes = new Uint8Array(Buffer.from(args["blob"] as string, "base64"));
        const contentType = typeof args["contentType"] === "string" ? args["contentType"] : null;
        return JSON.stringify(
          this.#store(bytes, contentType === "" ? null : contentType, args["sha256"], component, tx),
        );
      }
      case "1.0/storageGet": {
        const file = this.#file(args["storageId"], component, tx);
        if (file === null) return "null";
        return JSON.stringify({
          blob: Buffer.from(file.bytes).toString("base64"),
          contentType: file.contentType,
        });
      }
      default:
        throw badRequest("UnknownAsyncOperation", `Unknown async operation ${op}`);
    }
  }

  async jsSyscall(
    op: string,
    args: Readonly<Record<string, unknown>>,
    component: Component,
    tx: Transaction,
  ): Promise<unknown> {
    switch (op) {
      case "storage/storeBlob": {
        const { blob, options } = args as { blob: unknown; options?: { sha256?: string } };
        if (!isBlob(blob)) {
          throw new Error(
            "store() expects a Blob. If you are trying to store a Request, `await request.blob()` will give you the correct input.",
          );
        }
        const bytes = new Uint8Array(await blob.arrayBuffer());
        return this.#store(bytes, blob.type === "" ? null : blob.type, options?.sha256, component, tx);
      }
      case "storage/getBlob": {
        const { storageId } = args;
        if (typeof storageId !== "string")
          throw new Error(`storage.get requires a string storageId but received ${String(storageId)}`);
        const file = this.#file(storageId, component, tx);
        return file === null ? null : new Blob([file.bytes], { type: file.contentType ?? "" });
      }
      default:
        throw new Error(`Unknown operation ${op}`);
    }
  }

  #store(
    bytes: Uint8Array<ArrayBuffer>,
    contentType: string | null,
    expected: unknown,
    component: Component,
    tx: Transaction,
  ): string {
    const sha256 = createHash("sha256").update(bytes).digest("base64");
    if (typeof expected === "string" && expected !== sha256)
      throw badRequest("Sha256Mismatch", `Sha256 mismatch. Expected: ${expected} Actual: ${sha256}`);
    const idText = tx.insert(component.namespace, tableName, { sha256, size: bytes.length, contentType });
    this.#bytes.set(`${component.path}|${idText}`, { bytes, contentType });
    return idText;
  }

  #file(storageId: unknown, component: Component, tx: Transaction): StoredFile | null {
    const row = this.#row(storageId, component, tx, "get");
    return row === null ? null : (this.#bytes.get(`${component.path}|${row.idText}`) ?? null);
  }

  #row(storageId: unknown, component: Component, tx: Transaction, method: string) {
    const decoded = tryDecodeId(String(storageId));
    if (decoded === null || decoded.tableNumber !== tableNumber) {
      throw badRequest(
        "InvalidArgument",
        `Invalid argument \`storageId\` for \`storage.${method}\`: Invalid storage ID: "${String(storageId)}".`,
      );
    }
    const table = tx.table(component.namespace, tableName);
    return table === null ? null : tx.get(table, decoded.id);
  }
}

/** A Blob of any realm: test environments bring their own class. */
function isBlob(value: unknown): value is Blob {
  return typeof value === "object" && value !== null && typeof (value as Blob).arrayBuffer === "function";
}
