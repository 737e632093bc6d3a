import type { AuthConfig } from "convex/server";

export default {
  providers: [
    {
      type: "customJwt",
      issuer: process.env["AUTH_ISSUER"] as string,
      jwks: process.env["AUTH_JWKS"] as string,
      applicationID: "official-clients",
      algorithm: "ES256",
    },
  ],
} satisfies AuthConfig;
