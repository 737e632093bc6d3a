import http from "node:http";
import https from "node:https";
import { syncBuiltinESMExports } from "node:module";

/** Where requests for an origin really go, e.g. "https://api.resend.com" to "http://127.0.0.1:4010". */
export type EgressMap = Readonly<Record<string, string>>;

interface DispatchOptions {
  readonly origin?: string | URL;
  readonly headers?: unknown;
}
interface Dispatcher {
  dispatch(options: DispatchOptions, handler: unknown): boolean;
}
/** What `fetch` and everything else of undici, bundled with Node or from npm, sends its requests through. */
const dispatcherKey = Symbol.for("undici.globalDispatcher.1");

/**
 * Sends the requests that `fetch` makes in this process to other addresses. URLs and the Host header stay as they were:
 * only the connection goes elsewhere. Redirects are looked up like requests.
 */
export function installEgressForFetch(map: EgressMap): void {
  if (Object.keys(map).length === 0) return;
  // Undici sets its dispatcher when it is first used.
  void new Request("http://localhost");
  const globals = globalThis as unknown as Record<symbol, Dispatcher>;
  const inner = globals[dispatcherKey];
  if (inner === undefined) throw new Error("fetch of this Node version has no global dispatcher");
  globals[dispatcherKey] = new Proxy(inner, {
    get(target, name) {
      if (name !== "dispatch") {
        const value = Reflect.get(target, name, target) as unknown;
        return typeof value === "function" ? (value.bind(target) as unknown) : value;
      }
      return (options: DispatchOptions, handler: unknown): boolean =>
        target.dispatch(redirected(options, map), handler);
    },
  });
}

function redirected(options: DispatchOptions, map: EgressMap): DispatchOptions {
  const origin = options.origin === undefined ? null : new URL(String(options.origin));
  const to = origin === null ? undefined : map[origin.origin];
  if (origin === null || to === undefined) return options;
  return { ...options, origin: to, headers: withHost(options.headers, origin.host) };
}

/** Undici takes headers as an object, as a flat list, or as an iterable of pairs. */
function withHost(headers: unknown, host: string): unknown {
  if (Array.isArray(headers)) {
    const hasHost = headers.some((name, i) => i % 2 === 0 && String(name).toLowerCase() === "host");
    return hasHost ? (headers as unknown) : [...(headers as unknown[]), "host", host];
  }
  const pairs =
    typeof headers === "object" && headers !== null && Symbol.iterator in headers
      ? [...(headers as Iterable<[string, unknown]>)]
      : Object.entries(headers ?? {});
  if (pairs.some(([name]) => name.toLowerCase() === "host")) return Object.fromEntries(pairs);
  return { ...Object.fromEntries(pairs), host };
}

type Scheme = "http" | "https";
type Callback = (response: http.IncomingMessage) => void;

/** As installEgressForFetch, for the modules node:http and node:https, which most npm packages use. */
export function installEgressForNode(map: EgressMap): void {
  if (Object.keys(map).length === 0) return;
  const originals = {
    http: { request: http.request, get: http.get },
    https: { request: https.request, get: https.get },
  };
  for (const scheme of ["http", "https"] as const) {
    const module = scheme === "http" ? http : https;
    const request = (...args: unknown[]): http.ClientRequest => {
      const mapped = mapRequest(scheme, args, map);
      if (mapped === null)
        return Reflect.apply(originals[scheme].request, module, args) as http.ClientRequest;
      const send = originals[mapped.scheme].request;
      const sent = send(mapped.options, mapped.callback);
      // What user code can ask the request about.
      Object.assign(sent, { host: mapped.host, protocol: `${scheme}:` });
      return sent;
    };
    const get = (...args: unknown[]): http.ClientRequest => {
      const sent = request(...args);
      sent.end();
      return sent;
    };
    Object.assign(module, { request, get });
  }
  // Also for those who import { request } by name.
  syncBuiltinESMExports();
}

interface MappedRequest {
  readonly scheme: Scheme;
  readonly options: https.RequestOptions;
  readonly callback?: Callback;
  /** As user code knows it. */
  readonly host: string;
}

/** `args` of `request(url?, options?, callback?)`; null when they are to go where they say. */
function mapRequest(scheme: Scheme, args: readonly unknown[], map: EgressMap): MappedRequest | null {
  const rest = [...args];
  const first = rest[0];
  const url = typeof first === "string" || first instanceof URL ? URL.parse(String(rest.shift())) : null;
  const given = typeof rest[0] === "object" && rest[0] !== null ? (rest.shift() as https.RequestOptions) : {};
  const callback = typeof rest[0] === "function" ? (rest[0] as Callback) : undefined;
  const fromUrl: https.RequestOptions =
    url === null
      ? {}
      : {
          protocol: url.protocol,
          hostname: url.hostname,
          port: url.port,
          path: url.pathname + url.search,
          ...(url.username === "" ? {} : { auth: decodeURIComponent(`${url.username}:${url.password}`) }),
        };
  const options = { ...fromUrl, ...given };
  if (options.socketPath !== undefined) return null;
  const wanted = options.protocol === "https:" ? "https" : options.protocol === "http:" ? "http" : scheme;
  const name = String(options.hostname ?? options.host ?? "localhost");
  const port =
    options.port === undefined || options.port === null || options.port === "" ? "" : `:${options.port}`;
  const origin = URL.parse(`${wanted}://${name}${port}`);
  const to = origin === null ? undefined : map[origin.origin];
  if (origin === null || to === undefined) return null;

  const target = new URL(to);
  const targetScheme: Scheme = target.protocol === "https:" ? "https" : "http";
  const { agent, host: _host, servername: _servername, ...kept } = options;
  return {
    scheme: targetScheme,
    host: name,
    ...(callback === undefined ? {} : { callback }),
    options: {
      ...kept,
      // An agent connects for one scheme only.
      ...(targetScheme === wanted && agent !== undefined ? { agent } : {}),
      protocol: target.protocol,
      hostname: target.hostname.replace(/^\[|\]$/g, ""),
      port: target.port === "" ? (targetScheme === "https" ? 443 : 80) : Number(target.port),
      headers: nodeHeaders(options.headers, origin.host),
    },
  };
}

function nodeHeaders(given: unknown, host: string): http.OutgoingHttpHeaders | string[] {
  if (Array.isArray(given)) return withHost(given, host) as string[];
  const headers = (given ?? {}) as http.OutgoingHttpHeaders;
  const hasHost = Object.keys(headers).some((name) => name.toLowerCase() === "host");
  return hasHost ? headers : { ...headers, host };
}
