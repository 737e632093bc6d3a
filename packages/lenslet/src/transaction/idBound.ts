import { type InternalId, encodeId } from "../values/id.ts";
import { compareValues } from "../values/order.ts";
import type { Value } from "../values/value.ts";

/**
 * Index keys end with the internal id, while users compare `_id` as a string. Within one table both orders agree, so a
 * bound on `_id` becomes a position among internal ids: the first id whose text is >= `value` (> with `strict`).
 * Null when there is none.
 */
export function firstIdFrom(
  tableNumber: number,
  value: Value | undefined,
  strict: boolean,
): InternalId | null {
  const isBefore = (id: bigint) => {
    const order = compareValues(encodeId(tableNumber, internalIdOf(id)), value);
    return order < 0 || (strict && order === 0);
  };
  if (!isBefore(0n)) return internalIdOf(0n);
  if (isBefore(greatestId)) return null;
  let before = 0n;
  let from = greatestId;
  while (from - before > 1n) {
    const middle = (before + from) / 2n;
    if (isBefore(middle)) before = middle;
    else from = middle;
  }
  return internalIdOf(from);
}

const greatestId = (1n << 128n) - 1n;

function internalIdOf(id: bigint): InternalId {
  return Buffer.from(id.toString(16).padStart(32, "0"), "hex").toString("latin1");
}
