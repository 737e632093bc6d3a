import { connect } from "node:net";
import { createHash } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { uploadToken, uploadTokenAgeMaxMs } from "../protocol/uploadToken.ts";
import { oldTokenSecret, TestServer, tokenSecret } from "./testSupport.ts";

const fileId = "0f8fad5b-d9cb-469f-a165-70867728950e";
const text = "0123456789";
const digest = createHash("sha256").update(text).digest("base64");
const etag = `"${createHash("sha256").update(text).digest("hex")}"`;

let server: TestServer;
beforeAll(async () => {
  server = await new TestServer().open();
  server.files.put(fileId, text, "text/x-digits");
});
afterAll(() => server.close());

const url = `/api/storage/${fileId}`;
const token = (component = "", issuedMs = server.time.nowMs()) =>
  uploadToken(tokenSecret, { component, issuedMs });
const upload = (query: string, body: string, headers: Record<string, string> = {}) =>
  server.send(`/api/storage/upload${query}`, { method: "POST", body, headers });

describe("GET /api/storage/{uuid}", () => {
  it("sends the whole file with what there is to know about it", async () => {
    const answer = await server.send(url);
    expect([answer.status, answer.text]).toEqual([200, text]);
    expect(answer.headers).toMatchObject({
      "content-type": "text/x-digits",
      "content-length": "10",
      "cache-control": "private, max-age=2592000",
      "accept-ranges": "bytes",
      digest: `sha-256=${digest}`,
      etag,
    });
  });

  it.each([
    ["bytes=0-3", "0123", "bytes 0-3/10"],
    ["bytes=8-", "89", "bytes 8-9/10"],
    ["bytes=-1", "9", "bytes 9-9/10"],
    ["bytes=0-99", text, "bytes 0-9/10"],
  ])("sends %s alone", async (range, part, contentRange) => {
    const answer = await server.send(url, { headers: { range } });
    expect([answer.status, answer.text]).toEqual([206, part]);
    expect(answer.headers).toMatchObject({
      "content-range": contentRange,
      "content-length": String(part.length),
    });
    expect(answer.headers).not.toHaveProperty("digest");
  });

  it.each(["bytes=10-", "bytes=-0", "bytes=0-1,4-5"])("refuses %s", async (range) => {
    const answer = await server.send(url, { headers: { range } });
    expect([answer.status, answer.headers["content-range"]]).toEqual([416, "bytes */10"]);
  });

  it("heeds If-Range and If-None-Match", async () => {
    const range = "bytes=0-3";
    expect((await server.send(url, { headers: { range, "if-range": etag } })).status).toBe(206);
    expect((await server.send(url, { headers: { range, "if-range": '"other"' } })).status).toBe(200);
    const unchanged = await server.send(url, { headers: { "if-none-match": `"other", W/${etag}` } });
    expect([unchanged.status, unchanged.text]).toEqual([304, ""]);
    expect((await server.send(url, { headers: { "if-none-match": '"other"' } })).status).toBe(200);
  });

  it("answers HEAD as it would answer GET, without the body", async () => {
    const whole = await server.send(url, { method: "HEAD" });
    expect([whole.status, whole.text]).toEqual([200, ""]);
    expect(whole.headers).toMatchObject({ "content-length": "10", digest: `sha-256=${digest}` });
    const part = await server.send(url, { method: "HEAD", headers: { range: "bytes=2-4" } });
    expect(part.status).toBe(206);
    expect(part.headers).toMatchObject({ "content-length": "3", "content-range": "bytes 2-4/10" });
  });

  it("leaves out a type that is no header value, whoever stored it", async () => {
    const odd = "1f8fad5b-d9cb-469f-a165-70867728950e";
    for (const type of ["text/plain\r\nset-cookie: a=1", "text/\u4e2d", "a\0b"]) {
      server.files.put(odd, text, type);
      for (const headers of [{}, { range: "bytes=2-3" }] as Record<string, string>[]) {
        const answer = await server.send(`/api/storage/${odd}`, { headers });
        expect([answer.status, answer.text]).toEqual("range" in headers ? [206, "23"] : [200, text]);
        expect(answer.headers).not.toHaveProperty("content-type");
        expect(answer.headers).not.toHaveProperty("set-cookie");
      }
    }
    expect(server.unexpected).toEqual([]);
  });

  it("says what is wrong with an address", async () => {
    const bad = await server.send("/api/storage/nonsense%20here");
    expect([bad.status, bad.json()]).toEqual([
      400,
      {
        code: "InvalidStoragePath",
        message:
          'Invalid storage path: "nonsense here". Please use `storage.getUrl(storageId: Id<"_storage">)` to generate a valid URL to retrieve files. See https://docs.convex.dev/file-storage/serve-files for more details',
      },
    ]);
    const gone = await server.send(url.replace(/e$/, "f"));
    expect([gone.status, gone.json()["code"]]).toEqual([404, "FileNotFound"]);
    const foreign = await server.send(`${url}?component=other`);
    expect([foreign.status, foreign.json()["code"]]).toEqual([404, "FileNotFound"]);
    const method = await server.send(url, { method: "DELETE" });
    expect([method.status, method.headers.allow]).toEqual([405, "GET, HEAD"]);
  });
});

describe("POST /api/storage/upload", () => {
  it("stores what it is sent, for the component of the token", async () => {
    const first = await upload(`?token=${token()}`, "abc", { "content-type": "text/plain; x=1" });
    expect([first.status, first.json()]).toEqual([200, { storageId: "stored1" }]);
    await upload(`?token=${token("component1")}`, "");
    expect(server.files.stored).toEqual([
      { component: "", contentType: "text/plain; x=1", bytes: Buffer.from("abc") },
      { component: "component1", contentType: null, bytes: Buffer.from("") },
    ]);
  });

  it("takes upload URLs that were signed with the key before, and no other", async () => {
    const grant = { component: "", issuedMs: server.time.nowMs() };
    expect((await upload(`?token=${uploadToken(oldTokenSecret, grant)}`, "abc")).status).toBe(200);
    const foreign = uploadToken(new Uint8Array(32).fill(9), grant);
    expect((await upload(`?token=${foreign}`, "abc")).status).toBe(401);
  });

  it.each(["nonsense", "a.b", ".", ""])("refuses the token '%s'", async (bad) => {
    const answer = await upload(`?token=${bad}`, "abc");
    expect([answer.status, answer.json()]).toEqual([
      401,
      { code: "StorageTokenInvalid", message: "Couldn't decode the StoreFileAuthorization token" },
    ]);
  });

  it("refuses a token that was changed, and one that is older than an hour", async () => {
    const [payload = "", signature = ""] = token().split(".");
    const other = Buffer.from(JSON.stringify(["component1", server.time.nowMs()])).toString("base64url");
    expect((await upload(`?token=${other}.${signature}`, "abc")).status).toBe(401);
    expect((await upload(`?token=${payload}.${signature.slice(1)}`, "abc")).status).toBe(401);
    const oldest = server.time.nowMs() - uploadTokenAgeMaxMs;
    expect((await upload(`?token=${token("", oldest)}`, "abc")).status).toBe(200);
    const expired = await upload(`?token=${token("", oldest - 1)}`, "abc");
    expect([expired.status, expired.json()]).toEqual([
      401,
      { code: "StorageTokenExpired", message: "Store File Authorization expired" },
    ]);
  });

  it("refuses a malformed digest, and wants a token", async () => {
    const bad = await upload(`?token=${token()}`, "abc", { digest: "sha-256=short" });
    expect([bad.status, bad.json()["code"]]).toEqual([400, "InvalidDigest"]);
    const none = await upload("", "abc");
    expect([none.status, none.json()["code"]]).toEqual([400, "BadQueryArgs"]);
  });

  it("stores nothing of a body that is cut off", async () => {
    const before = server.files.stored.length;
    const socket = connect(server.port, "127.0.0.1");
    socket.write(
      `POST /api/storage/upload?token=${token()} HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\nabc`,
    );
    await new Promise((resolve) => setTimeout(resolve, 50));
    socket.destroy();
    // A later upload is through, so the earlier one is over.
    await upload(`?token=${token()}`, "later");
    expect(server.files.stored.slice(before).map(({ bytes }) => bytes.toString())).toEqual(["later"]);
    expect(server.unexpected).toEqual([]);
  });

  it("gives a body that does not go on a certain time", async () => {
    const before = server.time.pendingTimers;
    const socket = connect(server.port, "127.0.0.1");
    const answer = new Promise<string>((resolve) => {
      let received = "";
      socket.on("data", (chunk) => (received += chunk.toString()));
      socket.on("close", () => resolve(received));
    });
    socket.write(
      `POST /api/storage/upload?token=${token()} HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\nabc`,
    );
    await expect.poll(() => server.time.pendingTimers).toBeGreaterThan(before);
    server.time.advance(120_001);
    expect(await answer).toMatch(/^HTTP\/1.1 408 /);
  });
});
