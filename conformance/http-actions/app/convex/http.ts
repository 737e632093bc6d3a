import { anyApi, httpRouter } from "convex/server";
import { ConvexError } from "convex/values";
import { httpAction } from "./server.ts";

const http = httpRouter();
const text = (value: string) => httpAction(async () => new Response(value));
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

http.route({ path: "/hello", method: "GET", handler: text("hello") });
http.route({ path: "/hello", method: "POST", handler: text("posted") });
http.route({ path: "/a%20b", method: "GET", handler: text("encoded") });
http.route({ pathPrefix: "/files/", method: "GET", handler: text("files") });
http.route({ pathPrefix: "/files/deep/", method: "GET", handler: text("deep") });
http.route({ path: "/files/deep/exact", method: "GET", handler: text("exact") });
http.route({
  path: "/hello",
  method: "OPTIONS",
  handler: httpAction(
    async () =>
      new Response(null, { status: 204, headers: { "access-control-allow-origin": "https://a.example" } }),
  ),
});

/** What the request looks like from inside. */
const describeRequest = httpAction(async (ctx, request) => {
  const body = request.body === null ? null : await request.text();
  return Response.json({
    url: request.url,
    method: request.method,
    headers: Object.fromEntries(request.headers),
    body,
    meta: await ctx.meta.getFunctionMetadata(),
    caller: await ctx.meta.getRequestMetadata(),
  });
});
for (const method of ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"] as const) {
  http.route({ path: "/describe", method, handler: describeRequest });
}

http.route({
  path: "/notes",
  method: "POST",
  handler: httpAction(async (ctx, request) => {
    const { text: note } = (await request.json()) as { text: string };
    console.log("adding", note);
    await ctx.runMutation(anyApi["notes"]!["add"]!, { text: note });
    return Response.json((await ctx.runQuery(anyApi["notes"]!["list"]!, {})) as string[], { status: 201 });
  }),
});

http.route({
  path: "/me",
  method: "GET",
  handler: httpAction(async (ctx) => {
    const nested: unknown = await ctx.runQuery(anyApi["notes"]!["me"]!, {});
    return Response.json({ me: (await ctx.auth.getUserIdentity())?.tokenIdentifier ?? null, nested });
  }),
});

/** Counts bytes as they come and says so as they come. */
http.route({
  path: "/count",
  method: "POST",
  handler: httpAction(async (_ctx, request) => {
    let bytes = 0;
    for await (const chunk of request.body!) bytes += (chunk as Uint8Array).length;
    return Response.json({ bytes });
  }),
});
http.route({
  path: "/echo",
  method: "POST",
  handler: httpAction(
    async (_ctx, request) =>
      new Response(request.body, { headers: { "content-type": request.headers.get("content-type") ?? "" } }),
  ),
});
http.route({
  path: "/hash",
  method: "POST",
  handler: httpAction(async (_ctx, request) => {
    const bytes = await request.arrayBuffer();
    const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
    return Response.json({
      size: bytes.byteLength,
      isBuffer: bytes instanceof ArrayBuffer,
      sha256: Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join(""),
    });
  }),
});
http.route({
  path: "/form",
  method: "POST",
  handler: httpAction(async (_ctx, request) => {
    const form = await request.formData();
    const file = form.get("file") as unknown as File;
    const content = file.size < 1000 ? await file.text() : file.size;
    return Response.json({ name: form.get("name"), file: file.name, content });
  }),
});
/** Reads nothing of what is sent. */
http.route({
  path: "/ignore",
  method: "POST",
  handler: httpAction(async () => new Response("not read", { status: 403 })),
});

/** Three events, each when the client has noted that it has the one before. */
http.route({
  path: "/events",
  method: "GET",
  handler: httpAction(async (ctx, request) => {
    const client = new URL(request.url).searchParams.get("client");
    const encoder = new TextEncoder();
    const body = new ReadableStream<Uint8Array>({
      async start(controller) {
        for (let i = 0; i < 3; i++) {
          controller.enqueue(encoder.encode(`data: ${i}\n\n`));
          const noted = async () => (await ctx.runQuery(anyApi["notes"]!["list"]!, {})) as string[];
          while (!(await noted()).includes(`${client} has ${i}`)) await pause(20);
        }
        controller.close();
      },
    });
    return new Response(body, { headers: { "content-type": "text/event-stream" } });
  }),
});
/** `?bytes=`: as fast as it is read, and what has been produced by then is in the log. */
http.route({
  path: "/zeros",
  method: "GET",
  handler: httpAction(async (_ctx, request) => {
    const wanted = Number(new URL(request.url).searchParams.get("bytes"));
    let produced = 0;
    const body = new ReadableStream<Uint8Array>(
      {
        pull(controller) {
          const size = Math.min(64 * 1024, wanted - produced);
          if (size > 0) controller.enqueue(new Uint8Array(size));
          produced += size;
          if (produced >= wanted) controller.close();
        },
      },
      { highWaterMark: 0 },
    );
    request.signal.addEventListener("abort", () => console.log("gone after", produced));
    return new Response(body);
  }),
});
http.route({
  path: "/large",
  method: "GET",
  handler: httpAction(async () => new Response("x".repeat(20 * 1024 * 1024 + 1))),
});
/** Goes on without its client, and says when it has noticed. */
http.route({
  path: "/patient",
  method: "GET",
  handler: httpAction(async (ctx, request) => {
    console.log("waiting");
    await new Promise((resolve) => request.signal.addEventListener("abort", resolve));
    await ctx.runMutation(anyApi["notes"]!["add"]!, { text: "noticed" });
    return new Response("too late");
  }),
});

http.route({
  path: "/throws",
  method: "GET",
  handler: httpAction(async () => {
    throw new Error("boom");
  }),
});
http.route({
  path: "/convexError",
  method: "GET",
  handler: httpAction(async () => {
    throw new ConvexError({ code: 7n });
  }),
});
http.route({
  path: "/text",
  method: "GET",
  handler: httpAction(async () => "no response" as unknown as Response),
});
http.route({
  path: "/breaks",
  method: "GET",
  handler: httpAction(async () => {
    const body = new ReadableStream<Uint8Array>({
      async start(controller) {
        controller.enqueue(new TextEncoder().encode("part"));
        await pause(30);
        controller.error(new Error("in the middle"));
      },
    });
    return new Response(body);
  }),
});
http.route({
  path: "/cookies",
  method: "GET",
  handler: httpAction(async () => {
    const headers = new Headers({ "content-length": "999", connection: "close", "x-own": "1" });
    headers.append("set-cookie", "a=1");
    headers.append("set-cookie", "b=2; Path=/");
    return new Response("four", { status: 299, headers });
  }),
});
/** Responses that are unusual, and some that are none. */
const unusual: Record<string, () => Promise<Response> | Response> = {
  redirect: () => Response.redirect("https://elsewhere.example/there", 307),
  notModified: () => new Response(null, { status: 304, headers: { etag: '"1"' } }),
  noContent: () => new Response(null, { status: 204 }),
  empty: () => new Response(""),
  networkError: () => Response.error(),
  stringChunks: () =>
    new Response(
      new ReadableStream({
        start(controller) {
          controller.enqueue("no bytes");
          controller.close();
        },
      }),
    ),
  read: async () => {
    const response = new Response("read before");
    await response.text();
    return response;
  },
  nearlyTooLarge: () => new Response(new Uint8Array(17 * 1024 * 1024)),
  silent: () => new Response(new ReadableStream({ cancel: () => console.log("canceled") })),
};
http.route({
  pathPrefix: "/unusual/",
  method: "GET",
  handler: httpAction(async (_ctx, request) => await unusual[request.url.split("/").at(-1)!]!()),
});
/** Forwards what another server says, as proxies do. */
http.route({
  path: "/forward",
  method: "GET",
  handler: httpAction(async (_ctx, request) => await fetch(new URL(request.url).searchParams.get("to")!)),
});

export default http;
