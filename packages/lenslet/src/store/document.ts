import { decodeValue } from "../values/json.ts";
import { sizeOf } from "../values/size.ts";
import { isValueObject } from "../values/value.ts";
import type { InternalId } from "../values/id.ts";
import type { ValueObject } from "../values/value.ts";
import { assert } from "../base/assert.ts";
import type { StoredDocument } from "./store.ts";

/**
 * Most reads pass a document's text on without looking inside, so everything that needs decoding waits until it is
 * asked for. The class is not exported: callers see the contract `StoredDocument`.
 */
class LazyDocument implements StoredDocument {
  readonly id: InternalId;
  readonly json: string;
  #idText: string | null;
  #value: ValueObject | null;
  #size: number;

  constructor(id: InternalId, idText: string | null, json: string, value: ValueObject | null, size: number) {
    this.id = id;
    this.json = json;
    this.#idText = idText;
    this.#value = value;
    this.#size = size;
  }

  get idText(): string {
    if (this.#idText === null) {
      const idText = this.value["_id"];
      assert(typeof idText === "string", "a stored document has a string _id");
      this.#idText = idText;
    }
    return this.#idText;
  }

  get value(): ValueObject {
    if (this.#value === null) {
      const value = decodeValue(this.json);
      assert(isValueObject(value), "a stored document is an object");
      this.#value = value;
    }
    return this.#value;
  }

  get size(): number {
    if (this.#size < 0) this.#size = sizeOf(this.value);
    return this.#size;
  }
}

const unknownSize = -1;

/**
 * `json` is the canonical text of the whole document (`_id`, `_creationTime` included); `value`, if the caller has it
 * at hand, must be what it decodes to.
 */
export function makeDocument(
  id: InternalId,
  idText: string,
  json: string,
  value?: ValueObject,
): StoredDocument {
  return new LazyDocument(id, idText, json, value ?? null, unknownSize);
}

/** A document as read back from the store, whose size was kept beside it. */
export function restoreDocument(id: InternalId, json: string, sizeBytes: number): StoredDocument {
  return new LazyDocument(id, null, json, null, sizeBytes);
}
