import { badRequest, type LensletError } from "../base/errors.ts";
import type { EnforcedSchema, Table } from "../store/catalog.ts";
import { makeDocument } from "../store/document.ts";
import type { StoredDocument } from "../store/store.ts";
import { display } from "../values/display.ts";
import type { InternalId } from "../values/id.ts";
import { checkFieldCount, stringifyValue, valueTooLarge } from "../values/json.ts";
import { documentBytesMax, documentNestingMax, nestingOf } from "../values/size.ts";
import { type IdContext, checkValue } from "../values/validator.ts";
import { type Value, type ValueObject, setField } from "../values/value.ts";
import { type UsageWarning, warningShare, warningText } from "./usage.ts";

/**
 * The content of a document with `_id` and `_creationTime` put in. Throws InvalidIdError, InvalidCreationTimeError when
 * the value already has them and they differ.
 */
export function withSystemFields(value: ValueObject, idText: string, creationTime: number): ValueObject {
  const givenId = value["_id"];
  if (givenId !== undefined && givenId !== idText) {
    throw badRequest(
      "InvalidIdError",
      `Provided document ID ${idText} doesn't match '_id' field ${display(givenId)}`,
    );
  }
  const givenTime = value["_creationTime"];
  if (givenTime !== undefined && !Object.is(givenTime, creationTime)) {
    throw badRequest(
      "InvalidCreationTimeError",
      `Provided creation time ${display(creationTime)} doesn't match '_creationTime' field in ${display(value)}`,
    );
  }
  return { ...value, _id: idText, _creationTime: creationTime };
}

/** `fields` laid over `value`; undefined removes a field. */
export function mergeFields(
  value: ValueObject,
  fields: Readonly<Record<string, Value | undefined>>,
): ValueObject {
  const merged: Record<string, Value> = { ...value };
  for (const name of Object.keys(fields)) {
    const field = fields[name];
    if (field === undefined) delete merged[name];
    else setField(merged, name, field);
  }
  return merged;
}

/** Encodes a complete document, checking what holds for user tables only (values.md §7.4) unless `table` is a system table. */
export function buildDocument(
  table: Table,
  id: InternalId,
  idText: string,
  value: ValueObject,
): StoredDocument {
  if (!table.system) checkDocument(value);
  return makeDocument(id, idText, stringifyValue(value), value);
}

/** Throws TooManyFieldsError, InvalidDocumentError. */
export function checkDocument(value: ValueObject): void {
  const violations: string[] = [];
  const nesting = nestingOf(value);
  if (nesting > documentNestingMax) {
    violations.push(
      `Document is too nested (nested ${nesting} levels deep > maximum nesting ${documentNestingMax})`,
    );
  }
  let fields = 0;
  for (const name in value) {
    fields += 1;
    if (name.charCodeAt(0) === underscore && name !== "_id" && name !== "_creationTime") {
      violations.push(
        `Field '${name}' starts with an underscore, which is only allowed for system fields like '_id'`,
      );
    }
  }
  // With the system fields: what is stored must be a value that a function can return.
  checkFieldCount(fields);
  if (violations.length > 0) throw invalidDocument(value, violations);
}

export function invalidDocument(value: ValueObject, violations: readonly string[]): LensletError {
  return badRequest(
    "InvalidDocumentError",
    `Document(value: ${display(value)}) isn't a valid document: ${violations.join("\n ")}`,
  );
}

const underscore = "_".charCodeAt(0);

/** Throws ValueTooLargeError for a document of a user table that is over the limit. */
export function checkDocumentSize(document: StoredDocument): void {
  if (document.size > documentBytesMax) throw valueTooLarge(document.size, documentBytesMax);
}

/** Log lines for a document that comes near its limits. */
export function documentWarnings(document: StoredDocument): UsageWarning[] {
  const found: UsageWarning[] = [];
  const { size, idText } = document;
  if (size > warningShare * documentBytesMax) {
    const message = `Large document written with ID "${idText}"`;
    found.push({
      code: "ValueTooLargeError",
      message: warningText(message, size, documentBytesMax, " bytes"),
    });
  }
  const nesting = nestingOf(document.value);
  if (nesting > warningShare * documentNestingMax) {
    const message = `Deeply nested document written with ID "${idText}"`;
    found.push({ code: "InvalidDocumentError", message: warningText(message, nesting, documentNestingMax) });
  }
  return found;
}

/** The validation error of a document under a schema, or null (database.md §8.3). System fields are not checked. */
export function schemaViolation(
  schema: EnforcedSchema | null,
  tableName: string,
  value: ValueObject,
  ids: IdContext,
): string | null {
  if (schema === null || !schema.schemaValidation) return null;
  const validator = schema.tables.get(tableName);
  if (validator === undefined) return null;
  const { _id, _creationTime, ...fields } = value;
  return checkValue(validator, fields, ids);
}
