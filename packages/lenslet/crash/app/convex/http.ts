import { anyApi, httpActionGeneric as httpAction, httpRouter } from "convex/server";

/** HTTP actions for servers that are killed and for strangers who send whatever they like. */
const http = httpRouter();
const ledger = anyApi["ledger"]!;

http.route({
  path: "/add",
  method: "POST",
  handler: httpAction(async (ctx, request) => {
    const args = (await request.json()) as { key: string; account: string; amount: number };
    return Response.json((await ctx.runMutation(ledger["add"]!, args)) as unknown);
  }),
});

/** Stores the body, and answers with its id when it is stored. */
http.route({
  path: "/store",
  method: "POST",
  handler: httpAction(async (ctx, request) => {
    const storageId = await ctx.storage.store(await request.blob());
    return Response.json({ storageId });
  }),
});

http.route({
  path: "/count",
  method: "POST",
  handler: httpAction(async (_ctx, request) => {
    let bytes = 0;
    for await (const chunk of request.body!) bytes += (chunk as Uint8Array).length;
    return Response.json({ bytes });
  }),
});

/** `?bytes=`: as fast as they are read. */
http.route({
  path: "/zeros",
  method: "GET",
  handler: httpAction(async (_ctx, request) => {
    let left = Number(new URL(request.url).searchParams.get("bytes"));
    const body = new ReadableStream<Uint8Array>(
      {
        pull(controller) {
          const size = Math.min(64 * 1024, left);
          if (size > 0) controller.enqueue(new Uint8Array(size));
          left -= size;
          if (left <= 0) controller.close();
        },
      },
      { highWaterMark: 0 },
    );
    return new Response(body);
  }),
});

http.route({
  pathPrefix: "/anything/",
  method: "GET",
  handler: httpAction(async (_ctx, request) => new Response(new URL(request.url).pathname)),
});
http.route({
  path: "/hoard",
  method: "GET",
  handler: httpAction(async () => {
    const hoarded: string[] = [];
    for (let i = 0; ; i++) hoarded.push(`${i}`.repeat(100_000).toUpperCase());
  }),
});
http.route({
  path: "/throws",
  method: "GET",
  handler: httpAction(async () => {
    // What is thrown is no error.
    throw { reason: "none" } as unknown as Error;
  }),
});

export default http;
