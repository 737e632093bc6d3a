/* oxlint-disable typescript/no-unnecessary-template-expression, typescript/unbound-method, unicorn/no-instanceof-builtins
   -- arguments come from untyped user code, and everything here is of one realm */
import type { RealmControls, RealmHost } from "./realmTypes.ts";

/** `crypto`: chance from the run's seed, `subtle` computed by the host at once. See realmTypes.ts. */
export function installCrypto(host: RealmHost, realm: RealmControls): void {
  const forbidInAuthConfig = (): void => {
    if (host.state.kind === "authConfig")
      throw new Error("crypto unsupported when evaluating auth config file");
  };
  const handles = new WeakMap<object, object>();
  interface KeyParts {
    readonly type: string;
    readonly algorithm: object;
    readonly extractable: boolean;
    readonly usages: readonly string[];
  }
  const token = Symbol("constructing a CryptoKey");
  class CryptoKey {
    readonly type: string;
    readonly algorithm: object;
    readonly extractable: boolean;
    readonly usages: readonly string[];
    constructor(check: symbol, parts: KeyParts, handle: object) {
      if (check !== token) throw new TypeError("Illegal constructor");
      this.type = parts.type;
      this.algorithm = parts.algorithm;
      this.extractable = parts.extractable;
      this.usages = parts.usages;
      handles.set(this, handle);
    }
    get [Symbol.toStringTag](): string {
      return "CryptoKey";
    }
  }

  /** Arguments for the host: keys become handles (also inside algorithms), buffers views, names stay. */
  const outward = (value: unknown): unknown => {
    if (typeof value !== "object" || value === null) return value;
    const handle = handles.get(value);
    if (handle) return handle;
    if (value instanceof ArrayBuffer) return new Uint8Array(value);
    if (ArrayBuffer.isView(value)) return new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
    if (Array.isArray(value)) return value.map(outward);
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, outward(item)]));
  };
  /** Results from the host: `{bytes}`, `{key, parts JSON}`, `{json}`, or a boolean. */
  const inward = (value: unknown): unknown => {
    if (typeof value === "boolean") return value;
    const result = value as { bytes?: Uint8Array; key?: object; parts?: string; json?: string };
    if (result.bytes) return new Uint8Array(result.bytes).buffer;
    if (result.key) return new CryptoKey(token, JSON.parse(result.parts!) as KeyParts, result.key);
    return JSON.parse(result.json!) as unknown;
  };
  const operation =
    (name: string) =>
    async (...args: unknown[]): Promise<unknown> => {
      forbidInAuthConfig();
      const outcome = host.subtle(name, args.map(outward));
      if ("failure" in outcome) throw realm.makeError(outcome.failure);
      return inward(outcome.ok);
    };

  class SubtleCrypto {
    async generateKey(): Promise<never> {
      throw new Error(
        "Can't use cryptographic randomness in queries and mutations. Please consider using an action. " +
          "See https://docs.convex.dev/functions/actions for more details.",
      );
    }
    async wrapKey(): Promise<never> {
      return realm.notImplemented("wrapKey", "SubtleCrypto");
    }
    async unwrapKey(): Promise<never> {
      return realm.notImplemented("unwrapKey", "SubtleCrypto");
    }
    get [Symbol.toStringTag](): string {
      return "SubtleCrypto";
    }
  }
  const names = [
    "digest",
    "sign",
    "verify",
    "encrypt",
    "decrypt",
    "importKey",
    "exportKey",
    "deriveBits",
    "deriveKey",
  ];
  for (const name of names) {
    const value = operation(name);
    Object.defineProperty(value, "name", { value: name });
    Object.defineProperty(SubtleCrypto.prototype, name, { value, writable: true, configurable: true });
  }

  class Crypto {
    readonly subtle = new SubtleCrypto();
    getRandomValues<T extends ArrayBufferView>(target: T): T {
      forbidInAuthConfig();
      if (!ArrayBuffer.isView(target) || target instanceof DataView) {
        throw new realm.DOMException(
          "The data argument must be an integer-type TypedArray",
          "TypeMismatchError",
        );
      }
      if (target.byteLength > 65_536) {
        const text = `The requested length exceeds 65,536 bytes`;
        throw new realm.DOMException(text, "QuotaExceededError");
      }
      host.fillRandom(new Uint8Array(target.buffer, target.byteOffset, target.byteLength));
      return target;
    }
    randomUUID(): string {
      forbidInAuthConfig();
      const bytes = new Uint8Array(16);
      host.fillRandom(bytes);
      bytes[6] = (bytes[6]! & 0x0f) | 0x40;
      bytes[8] = (bytes[8]! & 0x3f) | 0x80;
      let text = "";
      for (let i = 0; i < 16; i++) {
        if (i === 4 || i === 6 || i === 8 || i === 10) text += "-";
        text += bytes[i]!.toString(16).padStart(2, "0");
      }
      return text;
    }
    get [Symbol.toStringTag](): string {
      return "Crypto";
    }
  }
  realm.define("Crypto", Crypto);
  realm.define("SubtleCrypto", SubtleCrypto);
  realm.define("CryptoKey", CryptoKey);
  realm.define("crypto", new Crypto());
}
