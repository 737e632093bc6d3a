import { parentPort, workerData } from "node:worker_threads";
import { assert } from "../base/assert.ts";
import type { AnalysisRequest } from "./analysisTypes.ts";
import { analyze, analyzeAuthConfig, type AnalysisEnvironment } from "./analyze.ts";

/**
 * The thread that `analyzePush` starts for one push. It announces each module before it runs it, so that whoever
 * watches knows which one hangs; results travel as JSON text, since nothing of another realm may be cloned.
 */
export type AnalysisMessage =
  { readonly type: "module"; readonly path: string } | { readonly type: "result"; readonly json: string };

/** `auth`: only auth.config.js, see `analyzeAuthConfig`. */
export interface AnalysisTask {
  readonly request: AnalysisRequest;
  readonly only: "everything" | "auth";
}

const port = parentPort;
assert(port !== null, "this file is the entry point of a worker thread");
const send = (message: AnalysisMessage) => {
  port.postMessage(message);
};
const { request, only } = workerData as AnalysisTask;
const environment: AnalysisEnvironment = {
  // The thread is its own composition root; log lines are the only thing that shows this clock.
  clock: { nowMs: () => Date.now(), monotonicMs: () => performance.now() },
  onModule: (path) => {
    send({ type: "module", path });
  },
};
const result =
  only === "auth" ? analyzeAuthConfig(request, environment) : await analyze(request, environment);
send({ type: "result", json: JSON.stringify(result) });
