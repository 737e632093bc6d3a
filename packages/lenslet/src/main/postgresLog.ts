import { randomBytes, randomUUID } from "node:crypto";
import fs from "node:fs";
import path from "node:path";
import { LensletError } from "../base/errors.ts";
import { PostgresLogThread } from "../log/postgres/postgresLogThread.ts";
import { adoptIdentity, type Instance } from "./dataFolder.ts";

/** How long a leader may be silent before another node takes its place. */
export const leaseMsDefault = 5000;

export interface PostgresConfig {
  readonly url: string;
  /** Where other nodes reach this one; null: the address of its API. */
  readonly nodeUrl: string | null;
}

export interface PostgresLogOptions {
  readonly url: string;
  readonly dataFolder: string;
  /** What the data folder says. */
  readonly instance: Instance;
  /** `nodeAddress` of this node. */
  readonly address: string;
  readonly report: (level: "info" | "warn" | "error", message: string) => void;
}

/**
 * The log of a node whose log is in PostgreSQL. The deployment's name and secret are there too, so that keys and tokens
 * of one node are good on all of them; the data folder gets a copy, for `lenslet admin-key`.
 */
export async function openPostgresLog(
  options: PostgresLogOptions,
): Promise<{ logThread: PostgresLogThread; instance: Instance }> {
  const { dataFolder, instance, report } = options;
  if (fs.existsSync(path.join(dataFolder, "log"))) {
    throw new LensletError(
      "Conflict",
      "DataFolderHasLog",
      `${dataFolder} holds the log of a server that ran without --postgres. Choose a new folder with --data; to move the data, export it from that server (npx convex export) and import it here (npx convex import).`,
    );
  }
  const logThread = await PostgresLogThread.start({
    url: options.url,
    // The folder of a node belongs to the database it came from: another one gets a secret of its own.
    proposed: {
      name: instance.name,
      secret: Buffer.from(instance.isReplica === true ? randomBytes(32) : instance.secret).toString("hex"),
    },
    owner: randomUUID(),
    address: options.address,
    leaseMs: leaseMsOf(process.env["LENSLET_LEASE_MS"]),
    report: (message) => report("warn", message),
  });
  try {
    const { name, secret } = logThread.identity;
    const shared = { name, secret: Buffer.from(secret, "hex") };
    adoptIdentity(dataFolder, instance, shared);
    return { logThread, instance: shared };
  } catch (error) {
    await logThread.close();
    throw error;
  }
}

/** Resolves when this node has the lease. */
export function untilLeader(logThread: PostgresLogThread): Promise<void> {
  return new Promise((resolve) => {
    const stop = logThread.onLeadership(({ isLeader }) => {
      if (isLeader) {
        stop();
        resolve();
      }
    });
    if (logThread.leadership.isLeader) resolve();
  });
}

/** Tests do not want to wait for so long. */
function leaseMsOf(text: string | undefined): number {
  const ms = Number(text ?? "");
  return ms > 0 ? ms : leaseMsDefault;
}
