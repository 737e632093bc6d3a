import { anyApi, type ApiFromModules } from "convex/server";
import type * as data from "./app/convex/data.ts";
import type * as files from "./app/convex/files.ts";
import type * as nodeFiles from "./app/convex/nodeFiles.ts";
import type * as readers from "./app/convex/readers.ts";

/** What the CLI writes to `_generated/api`, without running it. */
export const api = anyApi as unknown as ApiFromModules<{
  readonly data: typeof data;
  readonly files: typeof files;
  readonly nodeFiles: typeof nodeFiles;
  readonly readers: typeof readers;
}>;
