import { spawnSync } from "node:child_process";
import fs from "node:fs";
import net from "node:net";
import os from "node:os";
import path from "node:path";

/** The cores of the machine as the bench divides them. Null: not pinned. */
export interface Cores {
  readonly server: number | null;
  readonly load: number | null;
  /** For the header of the tables. */
  readonly description: string;
}

/** Systems under test get the first core this process may use, load generators the second: the same for all. */
export function divideCores(): Cores {
  const status = fs.existsSync("/proc/self/status") ? fs.readFileSync("/proc/self/status", "utf8") : "";
  const allowed = parseCoreList(/Cpus_allowed_list:\s*(\S+)/.exec(status)?.[1] ?? "");
  const [server, load] = allowed;
  if (server === undefined || load === undefined) {
    return {
      server: null,
      load: null,
      description: "NOT PINNED (fewer than two cores): server and load compete",
    };
  }
  if (spawnSync("taskset", ["--version"]).status !== 0) {
    return { server: null, load: null, description: "NOT PINNED (no taskset): server and load may compete" };
  }
  return { server, load, description: `system under test on core ${server}, load generator on core ${load}` };
}

function parseCoreList(list: string): number[] {
  return list
    .split(",")
    .filter((part) => part !== "")
    .flatMap((part) => {
      const [first = 0, last = first] = part.split("-").map(Number);
      return Array.from({ length: last - first + 1 }, (_, offset) => first + offset);
    });
}

/** Files a Node process has open besides its sockets. */
export const otherFilesMax = 200;

/** The most files (sockets) one process may have open. */
export function openFilesMax(): number {
  const report = process.report.getReport() as unknown as {
    userLimits?: { open_files?: { soft?: number | "unlimited" } };
  };
  const soft = report.userLimits?.open_files?.soft;
  return typeof soft === "number" ? soft : Number.POSITIVE_INFINITY;
}

const tmpfsMagic = 0x01021994;

/** A new temporary folder that other users may enter, because PostgreSQL does not run as root. */
export function createScratchFolder(parent: string | null): string {
  const folder = fs.mkdtempSync(path.join(parent ?? os.tmpdir(), "lenslet-bench-"));
  fs.chmodSync(folder, 0o755);
  return folder;
}

/** Lines that say where and on what the figures were taken. */
export function describeMachine(scratchFolder: string, cores: Cores): string[] {
  const inMemory = fs.statfsSync(scratchFolder).type === tmpfsMagic;
  const load = os
    .loadavg()
    .map((average) => average.toFixed(1))
    .join(" ");
  return [
    `${os.cpus().length} x ${os.cpus()[0]?.model.trim() ?? "unknown CPU"}, ${Math.round(os.totalmem() / 2 ** 30)} GiB, ${os.type()} ${os.release()}, Node ${process.versions.node}`,
    `${cores.description}; load average at start ${load}`,
    ...(inMemory
      ? [
          "WARNING: the data folder is in memory (tmpfs): nothing here is durable. Use --dir with a folder on a disk.",
        ]
      : []),
  ];
}

/** A port nobody listens on. Another process may take it before it is used; then starting the server fails. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = net.createServer();
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() => {
        if (address === null || typeof address === "string") reject(new Error("no port was assigned"));
        else resolve(address.port);
      });
    });
  });
}
