import { badRequest } from "../base/errors.ts";
import type { Namespace } from "../store/store.ts";
import { display } from "../values/display.ts";
import { encodeId, type InternalId, tryDecodeId } from "../values/id.ts";
import type { IdContext } from "../values/validator.ts";
import type { Value, ValueObject } from "../values/value.ts";
import { checkDocument, invalidDocument, schemaViolation } from "./documents.ts";
import type { Transaction } from "./transaction.ts";

/** A document with an id and a creation time of its own. */
export interface ImportedDocument {
  readonly id: InternalId;
  readonly idText: string;
  readonly value: ValueObject;
}

/**
 * What a row of an import becomes: it keeps `_id` and `_creationTime` if it has them. Throws TableNumberConflict,
 * InvalidDocumentError, SchemaEnforcementError. `tables`: numbers that tables will have once the import
 * is done.
 */
export function documentOfImport(
  tx: Transaction,
  namespace: Namespace,
  table: { readonly name: string; readonly number: number },
  value: ValueObject,
  tables: ReadonlyMap<string, number>,
  nowMs: number,
): ImportedDocument {
  const { _id = null, _creationTime = null, ...fields } = value;
  const { id, idText } = identityOf(tx, table, _id, value);
  const problem = _creationTime === null ? null : creationTimeProblem(_creationTime);
  if (problem !== null) throw invalidDocument(value, [problem]);
  const document = { ...fields, _id: idText, _creationTime: _creationTime ?? nowMs };
  checkDocument(document);
  const ids = importedIds(tx.idContext(namespace), tables);
  const violation = schemaViolation(tx.catalog().activeSchema(namespace), table.name, document, ids);
  if (violation !== null) {
    throw badRequest(
      "SchemaEnforcementError",
      `Failed to insert or update a document in table "${table.name}" because it does not match the schema: ${violation}`,
    );
  }
  return { id, idText, value: document };
}

/** values.md §7.2, §7.4 */
function creationTimeProblem(time: Value): string | null {
  if (typeof time !== "number") return `The '_creationTime' field should be a float, is ${display(time)}`;
  if (time > 0 && time < 2 ** 53) return null;
  return `The '_creationTime' field should be a timestamp in milliseconds, is ${display(time)}`;
}

function identityOf(
  tx: Transaction,
  { name, number }: { readonly name: string; readonly number: number },
  given: Value,
  value: ValueObject,
): { id: InternalId; idText: string } {
  if (given === null) {
    const id = tx.newInternalId();
    return { id, idText: encodeId(number, id) };
  }
  const decoded = typeof given === "string" ? tryDecodeId(given) : null;
  if (decoded === null || typeof given !== "string") {
    throw invalidDocument(value, [`The '_id' field ${display(given)} must be an Id`]);
  }
  if (decoded.tableNumber !== number) {
    throw badRequest("TableNumberConflict", `The _id ${given} is of another table than ${name}.`);
  }
  return { id: decoded.id, idText: given };
}

/** Ids as they will be read once the import is done. */
function importedIds(ids: IdContext, tables: ReadonlyMap<string, number>): IdContext {
  const names = new Map([...tables].map(([name, number]) => [number, name]));
  return {
    tableNameOf: (number) => {
      const name = names.get(number);
      if (name !== undefined) return { name, system: false };
      const known = ids.tableNameOf(number);
      // Its number is given up by the import.
      return known !== null && tables.has(known.name) ? null : known;
    },
  };
}
