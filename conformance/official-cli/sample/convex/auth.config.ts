import type { AuthConfig } from "convex/server";

export default {
  providers: [{ domain: "https://sign-in.example.com", applicationID: "sample" }],
} satisfies AuthConfig;
