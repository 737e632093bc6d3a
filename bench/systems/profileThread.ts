import fs from "node:fs";
import inspector from "node:inspector/promises";
import path from "node:path";
import { isMainThread, threadId, threadName } from "node:worker_threads";

// Preloaded into every thread of a server under --profile: writes a CPU profile of the time during which the file
// LENSLET_BENCH_PROFILE names exists, beside that file. `node --cpu-prof` would lose the threads that are terminated.

const pollMs = 100;
const intervalUs = 500;
const switchFile = process.env["LENSLET_BENCH_PROFILE"];

if (switchFile !== undefined) {
  const name = isMainThread ? `main-${process.pid}` : `${threadName ?? "worker"}-${process.pid}-${threadId}`;
  let session: inspector.Session | null = null;
  const poll = async () => {
    const wanted = fs.existsSync(switchFile);
    if (wanted && session === null) {
      session = new inspector.Session();
      session.connect();
      await session.post("Profiler.enable");
      await session.post("Profiler.setSamplingInterval", { interval: intervalUs });
      await session.post("Profiler.start");
    } else if (!wanted && session !== null) {
      const { profile } = await session.post("Profiler.stop");
      session.disconnect();
      session = null;
      fs.writeFileSync(path.join(path.dirname(switchFile), `${name}.cpuprofile`), JSON.stringify(profile));
    }
    setTimeout(() => void poll(), pollMs).unref();
  };
  void poll();
}
