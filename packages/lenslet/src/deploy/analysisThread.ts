import { parentPort, workerData } from "node:worker_threads";
import { assert } from "../base/assert.ts";
import type { AnalysisMessage, AnalysisTask } from "./analysisMessages.ts";
import { analyze, analyzeAuthConfig, type AnalysisEnvironment } from "./analyze.ts";

// The thread of an analysis process that runs user code; analysisProcess.ts starts and watches it.
const port = parentPort;
assert(port !== null, "this file is the entry point of a worker thread");
const send = (message: AnalysisMessage) => {
  port.postMessage(message);
};
const { request, only, externalPackagesFolder } = workerData as AnalysisTask;
const environment: AnalysisEnvironment = {
  // The process is its own composition root; log lines are the only thing that shows this clock.
  clock: { nowMs: () => Date.now(), monotonicMs: () => performance.now() },
  onModule: (path) => {
    send({ type: "module", path });
  },
  externalPackagesFolder,
};
const result =
  only === "auth" ? analyzeAuthConfig(request, environment) : await analyze(request, environment);
send({ type: "result", json: JSON.stringify(result) });
