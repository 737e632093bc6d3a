import type { PaginationOptions } from "convex/server";
import { limits } from "./limits.ts";

/** The page asked for, with no more items than this app hands out at once. */
export function boundedPage(options: PaginationOptions): PaginationOptions {
  return { ...options, numItems: Math.min(options.numItems, limits.pageItemsMax) };
}
