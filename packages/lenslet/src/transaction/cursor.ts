import { createCipheriv, createDecipheriv, createHmac, hash, timingSafeEqual } from "node:crypto";
import { badRequest } from "../base/errors.ts";
import { type IndexKey, bytesToKey, keyToBytes } from "../values/key.ts";

/** A place in the results of one query, in the order of the query. */
export type Position = { readonly kind: "after"; readonly key: IndexKey } | { readonly kind: "end" };

export interface Cursor {
  readonly position: Position;
  /** Of the query the cursor belongs to, see `queryFingerprint`. */
  readonly fingerprint: Buffer;
}

const fingerprintBytes = 16;
const ivBytes = 16;
const kindAfter = 0;
const kindEnd = 1;

/** 16 bytes that differ for different query texts. */
export function queryFingerprint(text: string): Buffer {
  return hash("sha256", text, "buffer").subarray(0, fingerprintBytes);
}

/**
 * Cursors as clients hold them. The text is deterministic (one position, one text: clients compare them), says
 * nothing about the index key inside (it may contain fields the client may not see) and cannot be made up: the nonce
 * of the encryption is a MAC of the content (synthetic IV).
 */
export class CursorCodec {
  readonly #macKey: Buffer;
  readonly #encryptionKey: Buffer;

  constructor(secret: Uint8Array) {
    this.#macKey = createHmac("sha256", secret).update("cursor mac").digest();
    this.#encryptionKey = createHmac("sha256", secret).update("cursor encryption").digest();
  }

  /** The codec of a secret; deriving its keys costs more than using them. */
  static of(secret: Uint8Array): CursorCodec {
    let codec = codecs.get(secret);
    if (codec === undefined) {
      codec = new CursorCodec(secret);
      codecs.set(secret, codec);
    }
    return codec;
  }

  encode({ position, fingerprint }: Cursor): string {
    const key = position.kind === "end" ? Buffer.alloc(0) : keyToBytes(position.key);
    const plain = Buffer.concat([Buffer.of(position.kind === "end" ? kindEnd : kindAfter), fingerprint, key]);
    const iv = this.#ivOf(plain);
    const cipher = createCipheriv("aes-256-ctr", this.#encryptionKey, iv);
    return Buffer.concat([iv, cipher.update(plain), cipher.final()]).toString("base64url");
  }

  /** Throws InvalidCursor for a text that `encode` did not make with this secret. */
  parse(text: string): Cursor {
    const bytes = Buffer.from(text, "base64url");
    if (bytes.length < ivBytes + 1 + fingerprintBytes || bytes.toString("base64url") !== text)
      throw unreadable();
    const iv = bytes.subarray(0, ivBytes);
    const decipher = createDecipheriv("aes-256-ctr", this.#encryptionKey, iv);
    const plain = Buffer.concat([decipher.update(bytes.subarray(ivBytes)), decipher.final()]);
    if (!timingSafeEqual(iv, this.#ivOf(plain))) throw unreadable();
    const fingerprint = plain.subarray(1, 1 + fingerprintBytes);
    if (plain[0] === kindEnd) return { position: { kind: "end" }, fingerprint };
    return {
      position: { kind: "after", key: bytesToKey(plain.subarray(1 + fingerprintBytes)) },
      fingerprint,
    };
  }

  #ivOf(plain: Buffer): Buffer {
    return createHmac("sha256", this.#macKey).update(plain).digest().subarray(0, ivBytes);
  }
}

const codecs = new WeakMap<Uint8Array, CursorCodec>();

function unreadable(): Error {
  return badRequest("InvalidCursor", "Failed to parse cursor");
}

/** The error that makes clients start over from the first page. */
export function foreignCursor(): Error {
  return badRequest(
    "InvalidCursor",
    "InvalidCursor: Tried to run a query starting from a cursor, but it looks like this cursor is from a different query.",
    { isConvexSystemError: true, paginationError: "InvalidCursor" },
  );
}
