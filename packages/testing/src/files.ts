import { createHash } from "node:crypto";
import { badRequest } from "../../lenslet/src/base/errors.ts";
import { randomHex } from "../../lenslet/src/base/random.ts";
import { fileIdOf, findFile, insertFile } from "../../lenslet/src/deploy/fileRows.ts";
import { storageSyscall } from "../../lenslet/src/engine/storageSyscalls.ts";
import type { JsonObject } from "../../lenslet/src/transaction/syscallArguments.ts";
import type { Transaction } from "../../lenslet/src/transaction/transaction.ts";
import type { Component } from "./deployment.ts";
import { cloudUrl, systemRandom } from "./platform.ts";

const tokenSecret = new Uint8Array(32).fill(3);

/** Stored files of one test: documents as on the server, contents in memory. */
export class Files {
  /** By the key under which the server would keep them. */
  readonly #contents = new Map<string, Uint8Array<ArrayBuffer>>();

  syscall(op: string, args: JsonObject, component: Component, tx: Transaction): string {
    switch (op) {
      case "1.0/storageStore": {
        const bytes = new Uint8Array(Buffer.from(args["blob"] as string, "base64"));
        const { contentType } = args;
        const type = typeof contentType === "string" ? contentType : "";
        return JSON.stringify(this.#store(bytes, type, args["sha256"], component, tx));
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
        return storageSyscall(op, args, {
          tx,
          namespace: component.namespace,
          cloudUrl,
          tokenSecret,
          nowMs: Date.now(),
          randomBytes: () => systemRandom.bytes(32),
          readContents: (key) => this.#contents.get(key) ?? null,
        });
    }
  }

  /** What actions, and `t.run`, do with Blobs. */
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
        return this.#store(bytes, blob.type, options?.sha256, component, tx);
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
    type: string,
    expected: unknown,
    { namespace }: Component,
    tx: Transaction,
  ): string {
    const sha256 = createHash("sha256").update(bytes).digest("base64");
    if (typeof expected === "string" && expected !== sha256)
      throw badRequest("Sha256Mismatch", `Sha256 mismatch. Expected: ${expected} Actual: ${sha256}`);
    const place = { fileId: fileIdOf(systemRandom.bytes(16)), key: randomHex(systemRandom, 16) };
    this.#contents.set(place.key, bytes);
    return insertFile(tx, namespace, { sha256, size: bytes.length, contentType: type || null }, place);
  }

  #file(storageId: unknown, { namespace }: Component, tx: Transaction) {
    const file = findFile(tx, namespace, storageId as string, "storage.get");
    const bytes = file === null ? undefined : this.#contents.get(file.row.value.key);
    return file === null || bytes === undefined ? null : { bytes, contentType: file.metadata.contentType };
  }
}

/** A Blob of any realm: test environments bring their own class. */
function isBlob(value: unknown): value is Blob {
  return typeof value === "object" && value !== null && typeof (value as Blob).arrayBuffer === "function";
}
