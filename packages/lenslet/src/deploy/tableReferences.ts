import type { Validator } from "../values/validator.ts";

/** Whether `v.id(tableName)` is anywhere in the validator. */
export function refersToTable(validator: Validator, tableName: string): boolean {
  switch (validator.type) {
    case "id":
      return validator.tableName === tableName;
    case "array":
      return refersToTable(validator.value, tableName);
    case "union":
      return validator.value.some((member) => refersToTable(member, tableName));
    case "record":
      return refersToTable(validator.keys, tableName) || refersToTable(validator.values.fieldType, tableName);
    case "object":
      return Object.values(validator.value).some((field) => refersToTable(field.fieldType, tableName));
    default:
      return false;
  }
}
