import { anyApi, type ApiFromModules } from "convex/server";
import type * as jobs from "./app/convex/jobs.ts";

/** What the CLI writes to `_generated/api`, without running it. */
export const api = anyApi as unknown as ApiFromModules<{ readonly jobs: typeof jobs }>;
