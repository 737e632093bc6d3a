import { quoteString } from "./quote.ts";
import {
  commitTsPlaceholder,
  isBytes,
  isValueArray,
  sortedFieldNames,
  type Value,
  type ValueObject,
} from "./value.ts";

/** A value as error messages show it (reference values.md §8): not JSON, and not meant to be parsed. */
export function display(value: Value | undefined): string {
  switch (typeof value) {
    case "undefined":
      return "undefined";
    case "string":
      return quoteString(value);
    case "number":
      return displayFloat(value);
    case "bigint":
    case "boolean":
      return `${value}`;
    default:
      break;
  }
  if (value === null) return "null";
  if (isValueArray(value)) {
    let text = "[";
    for (let i = 0; i < value.length; i++) text += (i === 0 ? "" : ", ") + display(value[i]);
    return text + "]";
  }
  if (value === commitTsPlaceholder) return commitTsPlaceholder.toString();
  if (isBytes(value)) return `b"${Buffer.from(value).toString("base64")}"`;
  const names = sortedFieldNames(value);
  return `{${names.map((name) => `${name}: ${display((value as ValueObject)[name])}`).join(", ")}}`;
}

/** A float is always recognisable as one: "1.0", "0.5", "1e21", "-0.0", "inf", "NaN". */
export function displayFloat(value: number): string {
  if (Number.isNaN(value)) return "NaN";
  if (!Number.isFinite(value)) return value > 0 ? "inf" : "-inf";
  if (value === 0) return Object.is(value, -0) ? "-0.0" : "0.0";
  const magnitude = Math.abs(value);
  if (magnitude >= 1e16 || magnitude < 1e-5) return value.toExponential().replace("e+", "e");
  return Number.isInteger(value) ? `${value}.0` : `${value}`;
}
