import { anyApi, type ApiFromModules } from "convex/server";
import type * as messages from "./app/convex/messages.ts";
import type * as viewer from "./app/convex/viewer.ts";

/** What the CLI writes to `_generated/api`, without running it. */
export const api = anyApi as unknown as ApiFromModules<{
  readonly messages: typeof messages;
  readonly viewer: typeof viewer;
}>;
