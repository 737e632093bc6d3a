import { parentPort, workerData } from "node:worker_threads";
import { assert, unreachable } from "../../base/assert.ts";
import { nodeFileSystem } from "./fileSystem.ts";
import { toPlainError } from "./logErrors.ts";
import { LogServer } from "./logServer.ts";
import type { OwnerMessage, ThreadSettings, WorkerMessage } from "./messages.ts";
import { SegmentedLog } from "./segmentedLog.ts";

/** Entry of the log thread; see logThread.ts for its owner's side. */
function runLogThread(settings: ThreadSettings): void {
  const owner = parentPort;
  assert(owner !== null, "the log thread is a worker");
  const tell = (message: WorkerMessage): void => owner.postMessage(message);

  let log: SegmentedLog;
  try {
    log = SegmentedLog.open({
      fs: nodeFileSystem,
      folder: settings.folder,
      segmentBytesMax: settings.segmentBytesMax,
      verify: settings.verify,
    });
  } catch (error) {
    tell({ type: "refused", error: toPlainError(error) });
    return;
  }

  const server = new LogServer(log, { shared: settings.shared, groupSizeMax: settings.groupSizeMax });
  owner.on("message", (message: OwnerMessage) => {
    switch (message.type) {
      case "connect":
        server.attach(message.port, message.own);
        return;
      case "close":
        try {
          server.close();
          tell({ type: "closed", error: null });
        } catch (error) {
          tell({ type: "closed", error: toPlainError(error) });
        }
        owner.close();
        return;
      default:
        unreachable(message);
    }
  });
  tell({ type: "started", cutBytes: log.cutBytes });
}

runLogThread(workerData as ThreadSettings);
