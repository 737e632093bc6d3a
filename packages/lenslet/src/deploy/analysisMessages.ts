import type { AnalysisRequest } from "./analysisTypes.ts";

/** What an analysis process is asked to do. */
export interface AnalysisTask {
  readonly request: AnalysisRequest;
  /** `auth`: only auth.config.js, see `analyzeAuthConfig`. */
  readonly only: "everything" | "auth";
  /** User time of one module. */
  readonly moduleUserTimeMsMax: number;
  /** JavaScript heap of the whole analysis. */
  readonly heapMegabytesMax: number;
  /** Where npm packages for "use node" modules are installed, see runner/externalPackages.ts. */
  readonly externalPackagesFolder: string | null;
}

/**
 * From the thread that runs user code to its watch, and from there to the server. Each module is announced before it
 * runs, so that everyone knows which one hangs or kills; results travel as JSON text, since nothing of another realm
 * may be cloned.
 */
export type AnalysisMessage =
  | { readonly type: "module"; readonly path: string }
  | { readonly type: "result"; readonly json: string }
  /** The module that ran was ended, or ended itself. */
  | { readonly type: "ended"; readonly text: string }
  /** A defect of the analysis itself. */
  | { readonly type: "defect"; readonly text: string };

export function outOfMemoryText(megabytes: number): string {
  return `JavaScript execution ran out of memory (maximum memory usage: ${megabytes} MB)`;
}
