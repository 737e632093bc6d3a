import { AsyncLocalStorage } from "node:async_hooks";
import type { RealmHost } from "./realmTypes.ts";

/** The part of a realm's host that is the same for every kind of function. */
export const hostBasics: Pick<
  RealmHost,
  "url" | "searchParams" | "encodeUtf8" | "textDecoder" | "atob" | "btoa" | "asyncStorage" | "snapshot"
> = {
  url: (text, base) => URL.parse(text, base),
  searchParams: (text) => new URLSearchParams(text),
  encodeUtf8: (text) => Buffer.from(text, "utf8"),
  textDecoder(label, options) {
    try {
      const decoder = new TextDecoder(label, options);
      return {
        encoding: decoder.encoding,
        decode: (bytes, stream) => attempt(() => decoder.decode(bytes ?? undefined, { stream })),
      };
    } catch {
      return null;
    }
  },
  atob: (text) => attempt(() => atob(text)),
  btoa: (text) => attempt(() => btoa(text)),
  asyncStorage: () => new AsyncLocalStorage(),
  snapshot: () => AsyncLocalStorage.snapshot(),
};

function attempt(compute: () => string): string | null {
  try {
    return compute();
  } catch {
    return null;
  }
}
