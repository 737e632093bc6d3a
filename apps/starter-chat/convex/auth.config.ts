import type { AuthConfig } from "convex/server";

/**
 * Who may sign in: holders of a token of the development issuer, whose three variables `lenslet dev` sets in the
 * deployment. It signs a token for any name, so it exists only in development.
 */
export default {
  providers: [
    {
      type: "customJwt",
      issuer: process.env.LENSLET_DEV_ISSUER!,
      jwks: process.env.LENSLET_DEV_JWKS!,
      applicationID: process.env.LENSLET_DEV_AUDIENCE!,
      algorithm: "ES256",
    },
  ],
} satisfies AuthConfig;
