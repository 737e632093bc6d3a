import type { StreamId } from "@convex-dev/persistent-text-streaming";
import { httpRouter } from "convex/server";
import { httpAction } from "./_generated/server";
import { streaming } from "./people";

const http = httpRouter();

http.route({
  path: "/stream",
  method: "POST",
  handler: httpAction(async (ctx, request) => {
    const { id } = (await request.json()) as { id: StreamId };
    return await streaming.stream(ctx, request, id, async (_ctx, _request, _id, append) => {
      for (const word of ["One. ", "Two. ", "Three."]) await append(word);
    });
  }),
});

export default http;
