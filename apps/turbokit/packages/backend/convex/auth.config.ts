import type { AuthConfig } from "convex/server";

/** Who may sign people in: Clerk, or any OIDC issuer whose tokens have the audience "convex". */
export default {
  providers: [{ domain: process.env["CLERK_JWT_ISSUER_DOMAIN"] ?? "", applicationID: "convex" }],
} satisfies AuthConfig;
