import { actionGeneric, anyApi, mutationGeneric, queryGeneric } from "convex/server";

/** Takes claims that the types forbid, too. */
export const sign = mutationGeneric({
  handler: async (ctx, { claims, expiresInSeconds }: { claims?: object; expiresInSeconds: number }) =>
    await ctx.auth.signJwt({
      ...(claims === undefined ? {} : { claims: claims as never }),
      expiresInSeconds,
    }),
});

export const me = queryGeneric({
  handler: async (ctx) => (await ctx.auth.getUserIdentity())?.subject ?? null,
});

/** An action that asks its own deployment, while it runs, for its keys. */
export const ownKeys = actionGeneric({
  handler: async () => {
    const answer = await fetch(`${process.env["CONVEX_CLOUD_URL"]}/.well-known/jwks.json`);
    return (await answer.json()) as unknown;
  },
});

/** And one that comes back as a user of its own token. */
export const asOwnUser = actionGeneric({
  handler: async (ctx) => {
    const token: string = await ctx.runMutation(anyApi["tokens"]!["sign"]!, {
      claims: { sub: "robot", aud: "self" },
      expiresInSeconds: 60,
    });
    const answer = await fetch(`${process.env["CONVEX_CLOUD_URL"]}/api/query`, {
      method: "POST",
      headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
      body: JSON.stringify({ path: "tokens:me", args: {} }),
    });
    return (await answer.json()) as unknown;
  },
});
