import { getAuthConfigProvider } from "@convex-dev/better-auth/auth-config";
import type { AuthConfig } from "convex/server";

/** Who may sign in: holders of a token that this deployment's own Better Auth has signed. */
export default { providers: [getAuthConfigProvider()] } satisfies AuthConfig;
