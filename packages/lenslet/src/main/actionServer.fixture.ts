import { ActionEngine } from "./testActionEngine.ts";
import { createActionRunner } from "./actions.ts";
import { createRealRandom, realClock, realTimers } from "./realOs.ts";

/**
 * A server without its engine, for actionProcesses.test.ts to kill: runs one action that waits and, in another process,
 * one that loops, and says so with their names on standard output.
 */
const source = (body: string): string =>
  `export const act = Object.assign(() => {}, { invokeAction: async () => { console.log("running"); ${body} } });`;
const engine = new ActionEngine();
engine.deploy([
  { path: "waits.js", source: source("await new Promise(() => {})"), sourceMap: null, environment: "node" },
  {
    path: "loops.js",
    // After a moment, so that its log line gets out.
    source: source("await new Promise((resolve) => setTimeout(resolve, 50)); for (;;);"),
    sourceMap: null,
    environment: "isolate",
  },
]);
const runner = createActionRunner({
  engine: engine.api,
  clock: realClock,
  timers: realTimers,
  random: createRealRandom(),
  localOrigin: "http://127.0.0.1:1",
  instanceName: "fixture",
  executed: (entries) => entries.forEach(({ identifier }) => process.stdout.write(`${String(identifier)}\n`)),
  report: (_level, message) => process.stderr.write(`${message}\n`),
});
for (const path of ["waits:act", "loops:act"]) {
  void runner.run({
    target: { kind: "path", path, componentPath: "" },
    argsJson: "[{}]",
    identity: { kind: "anonymous" },
    caller: "HttpApi",
    requestId: "00112233aabbccdd",
  });
}
