import { actionGeneric } from "convex/server";

export const fetched = actionGeneric({
  handler: async (_ctx, { url }: { url: string }) => {
    const response = await fetch(url, { method: "POST", body: "sent", headers: { "x-own": "1" } });
    return {
      url: response.url,
      redirected: response.redirected,
      status: response.status,
      body: await response.text(),
    };
  },
});
