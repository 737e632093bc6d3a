import * as crypto from "node:crypto";
import type { CrossingFailure } from "./realm/realmTypes.ts";

/** A CryptoKey's secret side; user code holds it only as an opaque reference. */
interface HostKey {
  readonly object: crypto.KeyObject;
  readonly name: string;
  readonly hash: string | null;
  readonly extractable: boolean;
  readonly usages: readonly string[];
}
type Result = boolean | { bytes: Uint8Array } | { key: HostKey; parts: string } | { json: string };
interface Algorithm {
  readonly name: string;
  readonly [parameter: string]: unknown;
}

class SubtleFailure extends Error {
  readonly failureName: string;
  constructor(failureName: string, message: string) {
    super(message);
    this.failureName = failureName;
  }
}

/**
 * WebCrypto's operations computed at once with node:crypto, since a query cannot wait for a thread pool. Arguments
 * come from user code: anything wrong becomes a failure with the DOMException name, never a throw.
 */
export function runSubtle(
  operation: string,
  args: readonly unknown[],
): { ok: unknown } | { failure: CrossingFailure } {
  try {
    const run = operations[operation];
    if (!run) throw new SubtleFailure("NotSupportedError", `Unsupported operation ${operation}`);
    return { ok: run(args) };
  } catch (error) {
    if (error instanceof SubtleFailure)
      return { failure: { message: error.message, name: error.failureName } };
    const message =
      error instanceof Error ? error.message : "The operation failed for an operation-specific reason";
    return { failure: { message, name: error instanceof TypeError ? "TypeError" : "OperationError" } };
  }
}

const operations: Readonly<Record<string, (args: readonly unknown[]) => Result>> = {
  digest: ([algorithm, data]) => ({
    bytes: crypto
      .createHash(nodeHash(hashName(algorithm)))
      .update(bytesOf(data))
      .digest(),
  }),
  sign: ([algorithm, key, data]) => ({
    bytes: sign(algorithmOf(algorithm), keyOf(key, "sign"), bytesOf(data)),
  }),
  verify: ([algorithm, key, signature, data]) =>
    verify(algorithmOf(algorithm), keyOf(key, "verify"), bytesOf(signature), bytesOf(data)),
  encrypt: ([algorithm, key, data]) => ({
    bytes: cipher(algorithmOf(algorithm), keyOf(key, "encrypt"), bytesOf(data), true),
  }),
  decrypt: ([algorithm, key, data]) => ({
    bytes: cipher(algorithmOf(algorithm), keyOf(key, "decrypt"), bytesOf(data), false),
  }),
  importKey: ([format, data, algorithm, extractable, usages]) =>
    importKey(String(format), data, algorithmOf(algorithm), Boolean(extractable), usagesOf(usages)),
  exportKey: ([format, key]) => exportKey(String(format), keyOf(key, null)),
  deriveBits: ([algorithm, key, length]) => ({
    bytes: deriveBits(
      algorithmOf(algorithm),
      keyOf(key, "deriveBits"),
      length === undefined ? null : (length as number | null),
    ),
  }),
  deriveKey: ([algorithm, key, derived, extractable, usages]) => {
    const target = algorithmOf(derived);
    const bits = deriveBits(algorithmOf(algorithm), keyOf(key, "deriveKey"), derivedLength(target));
    return importKey("raw", bits, target, Boolean(extractable), usagesOf(usages));
  },
};

const names = new Map(
  [
    "HMAC",
    "AES-GCM",
    "AES-CBC",
    "AES-CTR",
    "HKDF",
    "PBKDF2",
    "RSASSA-PKCS1-v1_5",
    "RSA-PSS",
    "RSA-OAEP",
    "ECDSA",
    "ECDH",
    "Ed25519",
    "X25519",
  ].map((name) => [name.toUpperCase(), name]),
);
const curves: Readonly<Record<string, { node: string; bytes: number }>> = {
  "P-256": { node: "prime256v1", bytes: 32 },
  "P-384": { node: "secp384r1", bytes: 48 },
  "P-521": { node: "secp521r1", bytes: 66 },
};
const hashes: Readonly<Record<string, { node: string; blockBytes: number }>> = {
  "SHA-1": { node: "sha1", blockBytes: 64 },
  "SHA-256": { node: "sha256", blockBytes: 64 },
  "SHA-384": { node: "sha384", blockBytes: 128 },
  "SHA-512": { node: "sha512", blockBytes: 128 },
};

function algorithmOf(value: unknown): Algorithm {
  const given = typeof value === "string" ? { name: value } : (value as { name?: unknown } | null);
  const name = names.get(String(given?.name).toUpperCase());
  if (name === undefined) throw new SubtleFailure("NotSupportedError", "Unrecognized algorithm name");
  return { ...given, name };
}

function hashName(value: unknown): string {
  const name = String(
    typeof value === "object" && value !== null ? (value as { name?: unknown }).name : value,
  );
  const upper = name.toUpperCase();
  if (!Object.hasOwn(hashes, upper))
    throw new SubtleFailure("NotSupportedError", "Unrecognized algorithm name");
  return upper;
}

function nodeHash(name: string): string {
  return hashes[name]!.node;
}

function bytesOf(value: unknown): Uint8Array {
  if (ArrayBuffer.isView(value)) return new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
  throw new SubtleFailure(
    "TypeError",
    "The provided value is not of type '(ArrayBuffer or ArrayBufferView)'",
  );
}

function usagesOf(value: unknown): string[] {
  return Array.isArray(value) ? value.map(String) : [];
}

function keyOf(value: unknown, usage: string | null): HostKey {
  if (typeof value !== "object" || value === null || !issued.has(value as HostKey)) {
    throw new SubtleFailure("TypeError", "The provided value is not of type 'CryptoKey'");
  }
  const key = value as HostKey;
  const allowed =
    usage === null ||
    key.usages.includes(usage) ||
    (usage === "deriveBits" && key.usages.includes("deriveKey"));
  if (!allowed) throw new SubtleFailure("InvalidAccessError", `Unable to use this key to ${usage}`);
  return key;
}
const issued = new WeakSet<HostKey>();

function makeKey(
  object: crypto.KeyObject,
  algorithm: Algorithm & { readonly hash?: { name: string } },
  extractable: boolean,
  usages: readonly string[],
): Result {
  const key: HostKey = {
    object,
    name: algorithm.name,
    hash: algorithm.hash?.name ?? null,
    extractable,
    usages,
  };
  issued.add(key);
  return { key, parts: JSON.stringify({ type: object.type, algorithm, extractable, usages }) };
}

function importKey(
  format: string,
  data: unknown,
  algorithm: Algorithm,
  extractable: boolean,
  usages: readonly string[],
): Result {
  const { name } = algorithm;
  if (name === "HMAC" || name.startsWith("AES-") || name === "HKDF" || name === "PBKDF2") {
    const raw =
      format === "jwk" ? Buffer.from(String((data as { k?: unknown }).k), "base64url") : bytesOf(data);
    if (format !== "raw" && format !== "jwk")
      throw new SubtleFailure("NotSupportedError", `Unable to import ${name} key using ${format} format`);
    const object = crypto.createSecretKey(raw);
    if (name === "HMAC") {
      const hash = { name: hashName(algorithm["hash"]) };
      return makeKey(object, { name, hash, length: raw.length * 8 }, extractable, usages);
    }
    if (name.startsWith("AES-")) {
      if (![16, 24, 32].includes(raw.length)) throw new SubtleFailure("DataError", "Invalid key length");
      return makeKey(object, { name, length: raw.length * 8 }, extractable, usages);
    }
    return makeKey(object, { name }, false, usages);
  }
  const object = importAsymmetric(format, data, algorithm);
  const isPublic = object.type === "public";
  if (name.startsWith("RSA")) {
    const modulusLength = object.asymmetricKeyDetails?.modulusLength;
    const hash = { name: hashName(algorithm["hash"]) };
    return makeKey(object, { name, hash, modulusLength }, extractable, usages);
  }
  if (name.startsWith("EC")) {
    const curve = String(algorithm["namedCurve"]);
    if (object.asymmetricKeyDetails?.namedCurve !== curves[curve]?.node) {
      throw new SubtleFailure("DataError", "Named curve mismatch");
    }
    return makeKey(
      object,
      { name, namedCurve: curve },
      extractable || (isPublic && format === "raw"),
      usages,
    );
  }
  return makeKey(object, { name }, extractable, usages);
}

function importAsymmetric(format: string, data: unknown, algorithm: Algorithm): crypto.KeyObject {
  try {
    switch (format) {
      case "spki":
        return crypto.createPublicKey({ key: Buffer.from(bytesOf(data)), format: "der", type: "spki" });
      case "pkcs8":
        return crypto.createPrivateKey({ key: Buffer.from(bytesOf(data)), format: "der", type: "pkcs8" });
      case "jwk": {
        const key = data as crypto.JsonWebKey;
        return key.d === undefined
          ? crypto.createPublicKey({ key, format: "jwk" })
          : crypto.createPrivateKey({ key, format: "jwk" });
      }
      case "raw":
        return crypto.createPublicKey({ key: rawPublicJwk(bytesOf(data), algorithm), format: "jwk" });
      default:
        break;
    }
  } catch (error) {
    if (error instanceof SubtleFailure) throw error;
    throw new SubtleFailure("DataError", "Invalid keyData");
  }
  throw new SubtleFailure(
    "NotSupportedError",
    `Unable to import ${algorithm.name} key using ${format} format`,
  );
}

function rawPublicJwk(bytes: Uint8Array, algorithm: Algorithm): crypto.JsonWebKey {
  const text = (part: Uint8Array): string => Buffer.from(part).toString("base64url");
  if (!algorithm.name.startsWith("EC")) return { kty: "OKP", crv: algorithm.name, x: text(bytes) };
  const crv = String(algorithm["namedCurve"]);
  const size = curves[crv]?.bytes ?? 0;
  if (bytes[0] !== 4 || bytes.length !== 1 + 2 * size)
    throw new SubtleFailure("DataError", "Invalid keyData");
  return { kty: "EC", crv, x: text(bytes.subarray(1, 1 + size)), y: text(bytes.subarray(1 + size)) };
}

function exportKey(format: string, key: HostKey): Result {
  if (!key.extractable) throw new SubtleFailure("InvalidAccessError", "key is not extractable");
  const { object } = key;
  if (format === "jwk") {
    const jwk = object.export({ format: "jwk" });
    const alg = object.type === "secret" ? secretJwkAlg(key) : {};
    return { json: JSON.stringify({ ...jwk, ...alg, key_ops: key.usages, ext: key.extractable }) };
  }
  if (object.type === "secret" && format === "raw") return { bytes: object.export() };
  if (object.type === "public" && format === "spki")
    return { bytes: object.export({ format: "der", type: "spki" }) };
  if (object.type === "private" && format === "pkcs8")
    return { bytes: object.export({ format: "der", type: "pkcs8" }) };
  if (object.type === "public" && format === "raw" && !key.name.startsWith("RSA")) {
    const { x, y } = object.export({ format: "jwk" });
    const parts = [x, y].map((part) => Buffer.from(part ?? "", "base64url"));
    return { bytes: Buffer.concat(y === undefined ? parts : [Buffer.of(4), ...parts]) };
  }
  throw new SubtleFailure("NotSupportedError", `Unable to export ${key.name} key using ${format} format`);
}

function secretJwkAlg(key: HostKey): { alg?: string } {
  if (key.name === "HMAC") return { alg: `HS${key.hash!.slice(4)}` };
  const mode = key.name.slice(4);
  return { alg: `A${(key.object.symmetricKeySize ?? 0) * 8}${mode}` };
}

function checkName(algorithm: Algorithm, key: HostKey): void {
  if (algorithm.name !== key.name) throw new SubtleFailure("InvalidAccessError", "Key algorithm mismatch");
}

function signingKey(
  algorithm: Algorithm,
  key: HostKey,
): { hash: string | null; options: crypto.SignKeyObjectInput } {
  const base = { key: key.object };
  switch (key.name) {
    case "RSASSA-PKCS1-v1_5":
      return { hash: nodeHash(key.hash!), options: { ...base, padding: crypto.constants.RSA_PKCS1_PADDING } };
    case "RSA-PSS": {
      const padding = crypto.constants.RSA_PKCS1_PSS_PADDING;
      return {
        hash: nodeHash(key.hash!),
        options: { ...base, padding, saltLength: Number(algorithm["saltLength"]) },
      };
    }
    case "ECDSA":
      return { hash: nodeHash(hashName(algorithm["hash"])), options: { ...base, dsaEncoding: "ieee-p1363" } };
    case "Ed25519":
      return { hash: null, options: base };
    default:
      throw new SubtleFailure("NotSupportedError", "Unrecognized algorithm name");
  }
}

function sign(algorithm: Algorithm, key: HostKey, data: Uint8Array): Uint8Array {
  checkName(algorithm, key);
  if (key.name === "HMAC") return crypto.createHmac(nodeHash(key.hash!), key.object).update(data).digest();
  const { hash, options } = signingKey(algorithm, key);
  return crypto.sign(hash, data, options);
}

function verify(algorithm: Algorithm, key: HostKey, signature: Uint8Array, data: Uint8Array): boolean {
  checkName(algorithm, key);
  if (key.name === "HMAC") {
    const expected = crypto.createHmac(nodeHash(key.hash!), key.object).update(data).digest();
    return expected.length === signature.length && crypto.timingSafeEqual(expected, signature);
  }
  const { hash, options } = signingKey(algorithm, key);
  return crypto.verify(hash, data, options, signature);
}

function cipher(algorithm: Algorithm, key: HostKey, data: Uint8Array, encrypts: boolean): Uint8Array {
  checkName(algorithm, key);
  if (key.name === "RSA-OAEP") {
    const label = algorithm["label"] === undefined ? {} : { oaepLabel: bytesOf(algorithm["label"]) };
    const padding = crypto.constants.RSA_PKCS1_OAEP_PADDING;
    const options = { key: key.object, padding, oaepHash: nodeHash(key.hash!), ...label };
    return encrypts ? crypto.publicEncrypt(options, data) : crypto.privateDecrypt(options, data);
  }
  const bits = (key.object.symmetricKeySize ?? 0) * 8;
  if (key.name === "AES-GCM") return gcm(algorithm, key, bits, data, encrypts);
  const mode = key.name === "AES-CBC" ? "cbc" : key.name === "AES-CTR" ? "ctr" : null;
  if (mode === null) throw new SubtleFailure("NotSupportedError", "Unrecognized algorithm name");
  const iv = bytesOf(algorithm[mode === "cbc" ? "iv" : "counter"]);
  const make = encrypts ? crypto.createCipheriv : crypto.createDecipheriv;
  const stream = make(`aes-${bits}-${mode}`, key.object, iv);
  return Buffer.concat([stream.update(data), stream.final()]);
}

function gcm(
  algorithm: Algorithm,
  key: HostKey,
  bits: number,
  data: Uint8Array,
  encrypts: boolean,
): Uint8Array {
  const iv = bytesOf(algorithm["iv"]);
  const authTagLength = Number(algorithm["tagLength"] ?? 128) / 8;
  const additional = algorithm["additionalData"];
  const type = `aes-${bits}-gcm` as crypto.CipherGCMTypes;
  if (encrypts) {
    const stream = crypto.createCipheriv(type, key.object, iv, { authTagLength });
    if (additional !== undefined) stream.setAAD(bytesOf(additional));
    return Buffer.concat([stream.update(data), stream.final(), stream.getAuthTag()]);
  }
  if (data.length < authTagLength)
    throw new SubtleFailure("OperationError", "The provided data is too small");
  const stream = crypto.createDecipheriv(type, key.object, iv, { authTagLength });
  if (additional !== undefined) stream.setAAD(bytesOf(additional));
  stream.setAuthTag(data.subarray(data.length - authTagLength));
  return Buffer.concat([stream.update(data.subarray(0, data.length - authTagLength)), stream.final()]);
}

function derivedLength(algorithm: Algorithm): number | null {
  if (algorithm.name === "HMAC") {
    const blockBits = hashes[hashName(algorithm["hash"])]!.blockBytes * 8;
    return algorithm["length"] === undefined ? blockBits : Number(algorithm["length"]);
  }
  if (algorithm.name.startsWith("AES-")) return Number(algorithm["length"]);
  return null;
}

function deriveBits(algorithm: Algorithm, key: HostKey, lengthBits: number | null): Uint8Array {
  checkName(algorithm, key);
  if (key.name === "ECDH" || key.name === "X25519") {
    const other = keyOf(algorithm["public"], null);
    const secret = crypto.diffieHellman({ privateKey: key.object, publicKey: other.object });
    return lengthBits === null ? secret : secret.subarray(0, Math.ceil(lengthBits / 8));
  }
  if (lengthBits === null || lengthBits % 8 !== 0) {
    throw new SubtleFailure("OperationError", "length must be a multiple of 8");
  }
  const hash = nodeHash(hashName(algorithm["hash"]));
  const salt = bytesOf(algorithm["salt"]);
  const lengthBytes = lengthBits / 8;
  if (key.name === "PBKDF2") {
    return crypto.pbkdf2Sync(key.object.export(), salt, Number(algorithm["iterations"]), lengthBytes, hash);
  }
  if (key.name === "HKDF") {
    return new Uint8Array(crypto.hkdfSync(hash, key.object, salt, bytesOf(algorithm["info"]), lengthBytes));
  }
  throw new SubtleFailure("NotSupportedError", "Unrecognized algorithm name");
}
