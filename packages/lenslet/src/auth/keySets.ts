import { createLocalJWKSet, type JSONWebKeySet, type LocalJWKSet } from "jose";
import type { Clock } from "../base/clock.ts";
import { LensletError } from "../base/errors.ts";

const cachedMsMax = 10 * 60_000;
/** A provider that cannot be reached does not log everybody out at once: its last answer serves this long. */
const staleMsMax = 60 * 60_000;
/** Tokens with unknown key ids make us ask a provider at most this often. */
const refreshCooldownMs = 10_000;
/** A failed download is not repeated for every token of a reconnect storm. */
const failureMsMax = 1_000;
const fetchMsMax = 10_000;
const bodyBytesMax = 1024 * 1024;
const entriesMax = 200;

/** What is known of one URL. All times are of the monotonic clock. */
interface Entry {
  /** When it was asked for, last. */
  readonly askedMs: number;
  value: Promise<unknown>;
  /** What `value` came to; null while it is under way, and when it failed. */
  answer: unknown;
  validUntilMs: number;
  /** The newest answer that was one: what an outage falls back on. */
  good: { readonly answer: unknown; readonly askedMs: number } | null;
}

export interface KeySet {
  readonly keys: JSONWebKeySet["keys"];
  readonly find: LocalJWKSet;
}

/** Downloads and remembers discovery documents and key sets; concurrent askers share one request. */
export class ProviderDocuments {
  readonly #clock: Clock;
  readonly #fetch: typeof fetch;
  readonly #entries = new Map<string, Entry>();

  constructor(clock: Clock, fetcher: typeof fetch) {
    this.#clock = clock;
    this.#fetch = fetcher;
  }

  /** The `jwks_uri` of an OIDC issuer. Throws `AuthProviderDiscoveryFailed`. */
  async jwksUrlOf(issuer: string): Promise<string> {
    const url = `${issuer.replace(/\/+$/, "")}/.well-known/openid-configuration`;
    return this.#cached(url, async () => {
      const answer = await this.#download(url).catch((error: unknown) => {
        throw unreachableProvider(discoveryText(issuer, null), error);
      });
      if (!answer.ok) throw discoveryFailed(answer.status, discoveryText(issuer, answer));
      const document: unknown = parseJson(answer.body);
      const jwksUrl = (document as { jwks_uri?: unknown } | null)?.jwks_uri;
      if (typeof jwksUrl !== "string") throw discoveryFailed(400, discoveryText(issuer, answer));
      return jwksUrl;
    });
  }

  /** `checkContentType`: the rule for custom JWT providers. Throws Unauthenticated, or Overloaded if the provider is down. */
  keySet(url: string, checkContentType: boolean): Promise<KeySet> {
    return this.#cached(url, () => this.#loadKeySet(url, checkContentType));
  }

  /** Asks again, for a key that `old` does not have; answers `old` itself during the cool-down. */
  async newerKeySet(url: string, checkContentType: boolean, old: KeySet): Promise<KeySet> {
    const current = await this.keySet(url, checkContentType);
    const entry = this.#entries.get(url);
    if (current !== old || entry === undefined) return current;
    // Otherwise another token has made us ask meanwhile, and that answer is waited for.
    if (entry.answer === old) {
      if (this.#clock.monotonicMs() - entry.askedMs < refreshCooldownMs) return old;
      entry.validUntilMs = 0;
    }
    return this.keySet(url, checkContentType);
  }

  async #loadKeySet(url: string, checkContentType: boolean): Promise<KeySet> {
    const answer = url.startsWith("data:")
      ? dataUrlContent(url)
      : await this.#download(url).catch((error: unknown) => {
          throw unreachableProvider(`Could not fetch JWKS from URL '${url}'`, error);
        });
    if (!answer.ok) {
      const text = `Could not fetch JWKS from URL '${url}': HTTP ${answer.status} ${answer.statusText}. Check that the URL is correct and accessible.`;
      throw isTransient(answer.status)
        ? new LensletError("Overloaded", "JwksUnavailable", text)
        : invalidHeader(text);
    }
    const contentType = (answer.contentType.split(";")[0] ?? "").trim().toLowerCase();
    if (
      checkContentType &&
      contentType !== "application/json" &&
      contentType !== "application/jwk-set+json"
    ) {
      throw invalidHeader(
        `Invalid Content-Type '${answer.contentType}' when fetching JWKS from '${url}'. Expected 'application/json' or 'application/jwk-set+json'.`,
      );
    }
    const json = parseJson(answer.body) as JSONWebKeySet | null;
    try {
      if (json === null) throw new Error("not JSON");
      return { keys: json.keys, find: createLocalJWKSet(json) };
    } catch {
      throw invalidHeader(`Could not parse the JWKS of '${url}': it must be {"keys": [...]}.`);
    }
  }

  async #download(url: string): Promise<Answer> {
    const signal = AbortSignal.timeout(fetchMsMax);
    const response = await this.#fetch(url, { headers: { accept: "application/json" }, signal });
    return {
      ok: response.ok,
      status: response.status,
      statusText: response.statusText,
      contentType: response.headers.get("content-type") ?? "",
      body: await readLimited(response),
    };
  }

  async #cached<T>(url: string, load: () => Promise<T>): Promise<T> {
    const nowMs = this.#clock.monotonicMs();
    const known = this.#entries.get(url);
    if (known && nowMs < known.validUntilMs) return known.value as Promise<T>;
    const entry: Entry = {
      askedMs: nowMs,
      value: Promise.resolve(),
      answer: null,
      validUntilMs: nowMs + cachedMsMax,
      good: known?.good ?? null,
    };
    const value = complete(entry, load);
    entry.value = value;
    if (this.#entries.size >= entriesMax) this.#entries.clear();
    this.#entries.set(url, entry);
    return value;
  }
}

/** Only an outage makes us fall back on an older answer: a provider that says no is believed. */
async function complete<T>(entry: Entry, load: () => Promise<T>): Promise<T> {
  const { askedMs, good } = entry;
  try {
    const answer = await load();
    entry.answer = answer;
    entry.good = { answer, askedMs };
    return answer;
  } catch (error) {
    const isOutage = error instanceof LensletError && error.category === "Overloaded";
    if (good === null || !isOutage || askedMs - good.askedMs >= staleMsMax) {
      entry.validUntilMs = askedMs + failureMsMax;
      throw error;
    }
    entry.answer = good.answer;
    entry.validUntilMs = askedMs + refreshCooldownMs;
    return good.answer as T;
  }
}

interface Answer {
  readonly ok: boolean;
  readonly status: number;
  readonly statusText: string;
  readonly contentType: string;
  readonly body: string;
}

/** `data:application/json;base64,…` or percent-encoded. */
function dataUrlContent(url: string): Answer {
  const comma = url.indexOf(",");
  if (comma < 0) throw invalidHeader("Could not parse the JWKS data: URI.");
  const type = url.slice("data:".length, comma);
  const data = url.slice(comma + 1);
  const body = /;\s*base64\s*$/i.test(type)
    ? Buffer.from(data, "base64").toString("utf8")
    : percentDecode(data);
  return { ok: true, status: 200, statusText: "OK", contentType: type.split(";")[0] ?? "", body };
}

function percentDecode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

async function readLimited(response: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body ?? []) {
    size += chunk.length;
    if (size > bodyBytesMax) throw new Error(`the answer is larger than ${bodyBytesMax} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

function isTransient(status: number): boolean {
  return status >= 500 || status === 429;
}

/** A client keeps its token and tries again later when the provider is down; it drops it when the provider says no. */
function discoveryFailed(status: number, text: string): LensletError {
  return new LensletError(
    isTransient(status) ? "Overloaded" : "BadRequest",
    "AuthProviderDiscoveryFailed",
    text,
  );
}

function discoveryText(issuer: string, answer: Answer | null): string {
  const detail = answer === null ? "" : `: ${answer.status} ${answer.body.slice(0, 1000)}`;
  return `Auth provider discovery of ${issuer} failed${detail}`;
}

function unreachableProvider(text: string, error: unknown): LensletError {
  if (error instanceof LensletError) return error;
  const reason =
    error instanceof Error
      ? String((error.cause as Error | undefined)?.message ?? error.message)
      : String(error);
  return new LensletError("Overloaded", "AuthProviderDiscoveryFailed", `${text}: ${reason}`);
}

export function invalidHeader(message: string): LensletError {
  return new LensletError("Unauthenticated", "InvalidAuthHeader", message);
}
