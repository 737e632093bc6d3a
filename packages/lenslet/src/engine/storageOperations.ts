import { z } from "zod";
import {
  contentsOf,
  deleteContents,
  fileByUrlId,
  type FileMetadata,
  insertFile,
  isFileId,
} from "../deploy/fileRows.ts";
import { deleteRow, fileRemovalRows, fileRows, rowsMatching } from "../deploy/systemRows.ts";
import type { Namespace } from "../store/store.ts";
import type { Transaction } from "../transaction/transaction.ts";
import { decodeId } from "../values/id.ts";
import type { JsonValue } from "../values/json.ts";

const storedFile = z.object({
  component: z.string(),
  sha256: z.string(),
  size: z.number(),
  contentType: z.string().nullable(),
  fileId: z.string(),
  key: z.string(),
});

const byKey = z.object({ key: z.string() });

/** Answer of "files.find". */
export interface FoundFile extends FileMetadata {
  readonly storageId: string;
  readonly key: string;
}

type Operation = (args: JsonValue, scope: { readonly tx: Transaction }) => unknown;

/** What the file service (files/) has done in a transaction; see systemOperations.ts. */
export const storageOperations: Readonly<Record<string, Operation>> = {
  /** Makes uploaded contents a file. Answers its storage id. */
  "files.store": (args, { tx }) => {
    const { component, fileId, key, sha256, size, contentType } = storedFile.parse(args);
    tx.checkMounted(component as Namespace);
    return insertFile(tx, component as Namespace, { sha256, size, contentType }, { fileId, key });
  },
  "files.find": (args, { tx }): FoundFile | null => {
    const { component, fileId } = z.object({ component: z.string(), fileId: z.string() }).parse(args);
    if (!isFileId(fileId)) return null;
    const file = fileByUrlId(tx, component as Namespace, fileId.toLowerCase());
    if (file === null) return null;
    const { sha256, size, contentType } = file.metadata;
    return { sha256, size, contentType, storageId: file.document.idText, key: file.row.value.key };
  },
  /** Those of the keys that no file refers to. */
  "files.unreferenced": (args, { tx }): readonly string[] => {
    const { keys } = z.object({ keys: z.array(z.string()) }).parse(args);
    return keys.filter((key) => rowsMatching(tx, fileRows, "by_key", [key]).next().done === true);
  },
  /** Base64 of contents that are in the database, or null. */
  "files.contents": (args, { tx }) => contentsOf(tx, byKey.parse(args).key)?.toString("base64") ?? null,
  /** They are in the file store now. */
  "files.moved": (args, { tx }) => deleteContents(tx, byKey.parse(args).key),
  /** The contents of these rows of `_file_removals` are gone. */
  "files.removed": (args, { tx }) => {
    const { ids } = z.object({ ids: z.array(z.string()) }).parse(args);
    const table = tx.table("" as Namespace, fileRemovalRows.definition.name);
    for (const { id } of ids.map(decodeId)) {
      if (table !== null && tx.get(table, id) !== null) deleteRow(tx, fileRemovalRows, id);
    }
  },
};
