import { httpActionGeneric as httpAction, httpRouter } from "convex/server";
import { harm, stay } from "./lib/neighbours.ts";

const http = httpRouter();
http.route({
  path: "/stays",
  method: "GET",
  handler: httpAction(async (ctx, request) => {
    const { searchParams: asked } = new URL(request.url);
    return new Response(await stay(ctx, asked.get("name")!, asked.get("round")!));
  }),
});
http.route({
  path: "/harms",
  method: "GET",
  handler: httpAction(async (ctx, request) => {
    const { searchParams: asked } = new URL(request.url);
    await harm(ctx, asked.get("how")!, asked.get("round")!);
    return new Response("unharmed");
  }),
});
export default http;
