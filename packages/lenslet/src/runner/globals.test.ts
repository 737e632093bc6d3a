import { createHmac, generateKeyPairSync, webcrypto } from "node:crypto";
import { describe, expect, it } from "vitest";
import { formatFailure } from "./failure.ts";
import { LogBuffer, makeLogLine } from "./logLines.ts";
import { Runner } from "./runner.ts";
import { codeOf, request, testClock } from "./testBundle.ts";

/** Evaluates the body of an async function in a query's context. */
function inQuery(body: string, args: unknown = null): unknown {
  const source = `export const f = { invokeQuery: async (argsJson) => { const [args] = JSON.parse(argsJson); const result = await (async () => { ${body} })(); return JSON.stringify(result ?? null); } };`;
  const code = codeOf({ "m.js": source });
  const outcome = new Runner({ clock: testClock() }).run(
    request(code, "m:f", { argsJson: JSON.stringify([args]) }),
  );
  if (!outcome.ok) throw new Error(formatFailure(outcome.failure));
  return JSON.parse(outcome.resultJson);
}

const present =
  "console process self URL URLSearchParams crypto DOMException Event EventTarget structuredClone setTimeout setInterval " +
  "clearTimeout clearInterval AbortController AbortSignal AsyncLocalStorage AsyncResource ReadableStream " +
  "ReadableStreamDefaultReader ReadableStreamBYOBReader WritableStream WritableStreamDefaultWriter TransformStream " +
  "TextEncoderStream TextDecoderStream TextEncoder TextDecoder atob btoa Blob File Headers FormData Request Response " +
  "fetch performance WebAssembly Convex WeakRef FinalizationRegistry";
const absent =
  "require Buffer window document XMLHttpRequest WebSocket CustomEvent queueMicrotask CompressionStream MessageChannel global";

describe("globals", () => {
  it("has what functions.md §5.1 lists and not what it excludes", () => {
    const names = JSON.stringify([...present.split(" "), ...absent.split(" ")]);
    const found = inQuery(`return ${names}.filter((name) => typeof globalThis[name] !== "undefined")`);
    expect(found).toEqual(present.split(" "));
    expect(inQuery("return Object.keys(process)")).toEqual(["env"]);
  });

  it("encodes text and base64 in the realm", () => {
    expect(
      inQuery(`
        const bytes = new TextEncoder().encode("aé€😀");
        return [bytes instanceof Uint8Array, [...bytes], new TextDecoder().decode(bytes), new TextDecoder("utf-16le").decode(new Uint8Array([104, 0])), btoa("hé"), atob("aOk=")];
      `),
    ).toEqual([true, [97, 195, 169, 226, 130, 172, 240, 159, 152, 128], "aé€😀", "h", "aOk=", "hé"]);
    expect(
      inQuery(
        `try { btoa("€") } catch (e) { return [e instanceof DOMException, e instanceof Error, e.name] }`,
      ),
    ).toEqual([true, true, "InvalidCharacterError"]);
    expect(
      inQuery(
        `try { new TextDecoder("utf-8", { fatal: true }).decode(new Uint8Array([255])) } catch (e) { return e instanceof TypeError }`,
      ),
    ).toBe(true);
  });

  it("parses URLs", () => {
    expect(
      inQuery(`
        const url = new URL("../b?x=1&y=%20#h", "https://u:p@example.com:8080/a/c");
        url.searchParams.append("z", "ä b"); url.pathname = "/new";
        const params = new URLSearchParams([["a", "1"], ["a", "2"]]); params.delete("a", "1");
        return [url.href, url.origin, url.searchParams.get("y"), [...url.searchParams.keys()], params.toString(), new URLSearchParams({ q: "x y" }).toString(), URL.canParse("no"), JSON.stringify({ url })];
      `),
    ).toEqual([
      "https://u:p@example.com:8080/new?x=1&y=+&z=%C3%A4+b#h",
      "https://example.com:8080",
      " ",
      ["x", "y", "z"],
      "a=2",
      "q=x+y",
      false,
      '{"url":"https://u:p@example.com:8080/new?x=1&y=+&z=%C3%A4+b#h"}',
    ]);
    expect(inQuery(`try { new URL("no") } catch (e) { return [e instanceof TypeError, e.code] }`)).toEqual([
      true,
      "ERR_INVALID_URL",
    ]);
  });

  it("clones, holds bodies, dispatches events and aborts", () => {
    expect(
      inQuery(`
        const value = { d: new Date(5), m: new Map([[1, new Set([2])]]), b: new Uint8Array([1, 2]).buffer, e: new RangeError("r") };
        value.self = value;
        const copy = structuredClone(value);
        let refused; try { structuredClone(() => 1) } catch (e) { refused = e.name }
        return [copy !== value, copy.self === copy, copy.d.getTime(), copy.m.get(1).has(2), copy.b.byteLength, copy.e instanceof RangeError, refused];
      `),
    ).toEqual([true, true, 5, true, 2, true, "DataCloneError"]);
    expect(
      inQuery(`
        const blob = new Blob(["ab", new Uint8Array([99])], { type: "Text/Plain" });
        const response = Response.json({ a: 1 }, { status: 201 });
        const request = new Request("http://x/y", { method: "post", body: "hi", headers: { "X-A": "1" } });
        const buffer = await blob.arrayBuffer();
        return [await blob.text(), blob.size, blob.type, buffer instanceof ArrayBuffer, await blob.slice(1).text(), response.status, response.headers.get("content-type"), await response.json(), request.method, await request.text(), [...request.headers]];
      `),
    ).toEqual([
      "abc",
      3,
      "text/plain",
      true,
      "bc",
      201,
      "application/json",
      { a: 1 },
      "POST",
      "hi",
      [
        ["content-type", "text/plain;charset=UTF-8"],
        ["x-a", "1"],
      ],
    ]);
    expect(
      inQuery(`
        const seen = [];
        const controller = new AbortController();
        controller.signal.addEventListener("abort", (e) => seen.push(e.type, e.target === controller.signal), { once: true });
        controller.abort(); controller.abort();
        try { controller.signal.throwIfAborted() } catch (e) { seen.push(e.name) }
        const weak = new WeakRef(seen);
        return [...weak.deref(), AbortSignal.any([controller.signal]).aborted];
      `),
    ).toEqual(["abort", true, "AbortError", true]);
  });

  it("runs WebAssembly without a thread", () => {
    expect(
      inQuery(`
        const bytes = new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0]);
        const { instance } = await WebAssembly.instantiate(bytes);
        return Object.keys(instance.exports);
      `),
    ).toEqual([]);
  });
});

describe("crypto.subtle", () => {
  const hex =
    "const hex = (b) => [...new Uint8Array(b)].map((x) => x.toString(16).padStart(2, '0')).join('');";
  const utf8 = "const utf8 = (t) => new TextEncoder().encode(t);";

  it("digests, signs and verifies with HMAC", () => {
    const expected = createHmac("sha256", "key").update("data").digest("hex");
    expect(
      inQuery(`${hex}${utf8}
        const key = await crypto.subtle.importKey("raw", utf8("key"), { name: "HMAC", hash: "SHA-256" }, true, ["sign", "verify"]);
        const signature = await crypto.subtle.sign("HMAC", key, utf8("data"));
        const jwk = await crypto.subtle.exportKey("jwk", key);
        return [signature instanceof ArrayBuffer, hex(signature), await crypto.subtle.verify("HMAC", key, signature, utf8("data")), await crypto.subtle.verify("HMAC", key, signature, utf8("other")), hex(await crypto.subtle.digest("SHA-1", utf8(""))), key.algorithm.hash.name, jwk.alg, key instanceof CryptoKey];
      `),
    ).toEqual([
      true,
      expected,
      true,
      false,
      "da39a3ee5e6b4b0d3255bfef95601890afd80709",
      "SHA-256",
      "HS256",
      true,
    ]);
  });

  it("agrees with WebCrypto on ECDSA, RSA, Ed25519, AES and key derivation", async () => {
    const ec = generateKeyPairSync("ec", { namedCurve: "prime256v1" });
    const rsa = generateKeyPairSync("rsa", { modulusLength: 1024 });
    const ed = generateKeyPairSync("ed25519");
    const jwks = [ec, rsa, ed].map((pair) => pair.privateKey.export({ format: "jwk" }));
    const signed = inQuery(
      `${hex}${utf8}
        const algorithms = [{ name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" }, { name: "RSASSA-PKCS1-v1_5", hash: "SHA-256" }, { name: "Ed25519" }];
        const out = [];
        for (const [i, algorithm] of algorithms.entries()) {
          const key = await crypto.subtle.importKey("jwk", args[i], algorithm, false, ["sign"]);
          out.push(hex(await crypto.subtle.sign(algorithm, key, utf8("data"))));
        }
        return out;
      `,
      jwks,
    ) as string[];
    const algorithms = [
      { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" },
      { name: "RSASSA-PKCS1-v1_5", hash: "SHA-256" },
      { name: "Ed25519" },
    ];
    for (const [index, pair] of [ec, rsa, ed].entries()) {
      const jwk = pair.publicKey.export({ format: "jwk" });
      const key = await webcrypto.subtle.importKey("jwk", jwk, algorithms[index]!, true, ["verify"]);
      const signature = Buffer.from(signed[index]!, "hex");
      expect(await webcrypto.subtle.verify(algorithms[index]!, key, signature, Buffer.from("data"))).toBe(
        true,
      );
    }

    const iv = new Uint8Array(12).fill(1);
    const aes = await webcrypto.subtle.importKey("raw", new Uint8Array(16).fill(2), "AES-GCM", false, [
      "encrypt",
    ]);
    const sealed = Buffer.from(
      await webcrypto.subtle.encrypt({ name: "AES-GCM", iv }, aes, Buffer.from("secret")),
    );
    const base = await webcrypto.subtle.importKey("raw", Buffer.from("pw"), "PBKDF2", false, ["deriveBits"]);
    const parameters = { name: "PBKDF2", hash: "SHA-256", salt: new Uint8Array(8), iterations: 10 };
    const derived = Buffer.from(await webcrypto.subtle.deriveBits(parameters, base, 128)).toString("hex");
    expect(
      inQuery(`${hex}${utf8}
        const iv = new Uint8Array(12).fill(1);
        const key = await crypto.subtle.importKey("raw", new Uint8Array(16).fill(2), "AES-GCM", false, ["encrypt", "decrypt"]);
        const base = await crypto.subtle.importKey("raw", utf8("pw"), "PBKDF2", false, ["deriveBits"]);
        const bits = await crypto.subtle.deriveBits({ name: "PBKDF2", hash: "SHA-256", salt: new Uint8Array(8), iterations: 10 }, base, 128);
        const sealed = await crypto.subtle.encrypt({ name: "AES-GCM", iv }, key, utf8("secret"));
        const opened = await crypto.subtle.decrypt({ name: "AES-GCM", iv }, key, sealed);
        let failed; try { await crypto.subtle.decrypt({ name: "AES-GCM", iv: new Uint8Array(12) }, key, sealed) } catch (e) { failed = [e instanceof DOMException, e.name] }
        let denied; try { await crypto.subtle.exportKey("raw", key) } catch (e) { denied = e.name }
        return [hex(sealed), new TextDecoder().decode(opened), hex(bits), failed, denied];
      `),
    ).toEqual([sealed.toString("hex"), "secret", derived, [true, "OperationError"], "InvalidAccessError"]);
  });
});

describe("log lines", () => {
  it("stops at 256 lines and cuts at a character boundary", () => {
    const buffer = new LogBuffer();
    for (let i = 0; i < 300; i++) buffer.log(makeLogLine("LOG", [String(i)], 0));
    expect(buffer.lines).toHaveLength(256);
    expect(buffer.lines[254]?.messages).toEqual(["254"]);
    expect(buffer.lines[255]).toMatchObject({
      level: "ERROR",
      messages: ["Log overflow (maximum 256). Remaining log lines omitted."],
    });
    const line = makeLogLine("LOG", ["a", "€".repeat(11000)], 0);
    expect(line.isTruncated).toBe(true);
    expect(Buffer.byteLength(line.messages.join(" "))).toBe(32768 - ((32768 - 2) % 3));
  });
});
