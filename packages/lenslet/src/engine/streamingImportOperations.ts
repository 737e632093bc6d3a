import { z } from "zod";
import { badRequest } from "../base/errors.ts";
import { emptyTable } from "../deploy/importTables.ts";
import { addPrimaryKeyIndex, documentWithKeyOf, isPrimaryKeyReady } from "../deploy/primaryKeys.ts";
import { activeSchema } from "../deploy/schemaState.ts";
import { rootNamespace } from "../deploy/systemRows.ts";
import { isJsonObject } from "../transaction/syscallArguments.ts";
import type { Transaction } from "../transaction/transaction.ts";
import { type JsonValue, parseValue } from "../values/json.ts";
import { parseTableName } from "../values/names.ts";
import { isValueObject, type ValueObject } from "../values/value.ts";

type Operation = (args: JsonValue, scope: { readonly tx: Transaction }) => unknown;

/** A list of paths to fields, as in an Airbyte catalog. */
const keyShape = z.array(z.array(z.string()).min(1));
const recordsShape = z.object({
  tables: z.record(z.string(), z.object({ primaryKey: keyShape.nullish(), jsonSchema: z.unknown() })),
  messages: z.array(
    z.object({ tableName: z.string(), data: z.custom<JsonValue>((data) => isJsonObject(data as JsonValue)) }),
  ),
});

/** Streaming import into the app's tables (http-api.md §10.5). Each request is one transaction. */
export const streamingImportOperations: Readonly<Record<string, Operation>> = {
  /** A record replaces the document with its primary key, where its table has one, and is a new document else. */
  "streamingImport.records": (args, { tx }) => {
    const { tables, messages } = recordsShape.parse(args);
    for (const { tableName, data } of messages) {
      const stream = Object.hasOwn(tables, tableName) ? tables[tableName] : undefined;
      if (stream === undefined)
        throw badRequest(
          "UnknownTable",
          `There is a record of ${tableName}, which is not one of the tables.`,
        );
      const value = parseValue(data);
      if (!isValueObject(value)) throw badRequest("NotAnObject", "A record must be an object.");
      importRecord(tx, tableName, stream.primaryKey ?? [], value);
    }
    return messages.length;
  },
  "streamingImport.schema": (_args, { tx }) => activeSchema(tx, rootNamespace),
  "streamingImport.clear": (args, { tx }) => {
    const { tableNames } = z.object({ tableNames: z.array(z.string()) }).parse(args);
    for (const name of new Set(tableNames)) emptyTable(tx, rootNamespace, parseTableName(name));
  },
  "streamingImport.addKeys": (args, { tx }) => {
    const { indexes } = z.object({ indexes: z.record(z.string(), keyShape) }).parse(args);
    for (const [name, key] of Object.entries(indexes)) addPrimaryKeyIndex(tx, parseTableName(name), key);
  },
  "streamingImport.keysReady": (args, { tx }) => {
    const { tables } = z.object({ tables: z.array(z.string()) }).parse(args);
    // All are asked for: one that has no such index is an error, whether the others are ready or not.
    return { indexesReady: tables.map((name) => isPrimaryKeyReady(tx, name)).every(Boolean) };
  },
};

function importRecord(
  tx: Transaction,
  tableName: string,
  key: readonly (readonly string[])[],
  value: ValueObject,
): void {
  if (key.length > 0) {
    const { table, document } = documentWithKeyOf(tx, tableName, key, value);
    if (document !== null) {
      tx.replace(table, document.id, value);
      return;
    }
  }
  tx.insert(rootNamespace, parseTableName(tableName), value);
}
