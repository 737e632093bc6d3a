import { randomBytes } from "node:crypto";
import type http from "node:http";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import { createAuthenticator } from "../auth/authenticator.ts";
import { followerEngine } from "../cluster/followerEngine.ts";
import { LeaderLink } from "../cluster/leaderLink.ts";
import { nodeKey } from "../cluster/wire.ts";
import type { EngineApi } from "../engine/api.ts";
import type { CommitTs } from "../log/log.ts";
import type { PostgresLogThread } from "../log/postgres/postgresLogThread.ts";
import type { ClientMetadataOf } from "../protocol/clientMetadata.ts";
import { createSyncServer } from "../sync/server.ts";
import { type Instance, instanceKeys } from "./dataFolder.ts";
import { EngineSupervisor } from "./engineSupervisor.ts";
import { createRealRandom, realClock, realTimers } from "./realOs.ts";

export interface FollowerOptions {
  readonly logThread: PostgresLogThread;
  readonly instance: Instance;
  readonly dataFolder: string;
  readonly api: http.Server;
  readonly site: http.Server;
  readonly cloudUrl: string;
  readonly siteUrl: string;
  readonly redactErrors: boolean;
  readonly clientMetadataOf: ClientMetadataOf;
  readonly heapMaxMib: number;
  readonly report: (level: "info" | "warn" | "error", message: string) => void;
  readonly fatal: (error: Error) => void;
}

export interface Follower {
  /** Breaks off its connections, which come back to whoever serves then, and persists its replica. */
  close(): Promise<void>;
}

/**
 * A node that follows: its engine applies the log and runs the queries of its sync sessions; their mutations and actions
 * go to the leader, and so does every HTTP request.
 */
export async function startFollower(options: FollowerOptions): Promise<Follower> {
  const { logThread, instance, api, site, report } = options;
  const link: LeaderLink = new LeaderLink({
    address: () => logThread.leadership.leaderAddress,
    key: nodeKey(instance.secret),
    timers: realTimers,
    caughtUp: async () => untilShown(supervisor.client, await logThread.refresh()),
    // Later than whoever waits for the answer.
    answered: () => setImmediate(() => supervisor.client.showHeld()),
  });
  const supervisor: EngineSupervisor = await EngineSupervisor.start({
    logThread,
    dataFolder: options.dataFolder,
    instanceName: instance.name,
    ...instanceKeys(instance),
    cloudUrl: options.cloudUrl,
    siteUrl: options.siteUrl,
    boot: randomBytes(8).toString("hex"),
    heapMaxMib: options.heapMaxMib,
    isFollower: true,
    mayShow: (answered) => link.areAnswered(answered),
    report,
    fatal: options.fatal,
  });
  const engine = supervisor.client;
  const syncServer = createSyncServer({
    engine: followerEngine(engine, link),
    authenticator: createAuthenticator({
      instanceName: instance.name,
      instanceSecret: instance.secret,
      deployment: () => engine.deployment(),
      clock: realClock,
      fetch,
      redact: options.redactErrors,
    }),
    clientMetadataOf: options.clientMetadataOf,
    runAction: (call) => link.action(call),
    clock: realClock,
    timers: realTimers,
    random: createRealRandom(),
    redactErrors: options.redactErrors,
    log: (message, error) => report("error", `${message}: ${(error as Error)?.stack ?? String(error)}`),
  });
  const onApi = (request: IncomingMessage, response: ServerResponse) =>
    link.forward(request, response, "api");
  const onSite = (request: IncomingMessage, response: ServerResponse) =>
    link.forward(request, response, "site");
  const onUpgrade = (request: IncomingMessage, socket: Duplex, head: Buffer) =>
    syncServer.handleUpgrade(request, socket, head);
  api.on("request", onApi);
  api.on("upgrade", onUpgrade);
  site.on("request", onSite);
  const close = async () => {
    api.off("request", onApi);
    api.off("upgrade", onUpgrade);
    site.off("request", onSite);
    syncServer.close();
    link.close();
    // Nobody would answer what comes on them from here on.
    for (const server of [api, site]) server.closeAllConnections();
    await supervisor.close();
  };
  let closed: Promise<void> | null = null;
  report("info", `this node follows the one at ${leaderName(logThread)}, and takes its place when that ends`);
  return { close: () => (closed ??= close()) };
}

function leaderName(logThread: PostgresLogThread): string {
  return logThread.leadership.leaderAddress?.split(" ")[0] ?? "an address that is not known yet";
}

/** Resolves when live queries show everything up to a timestamp. */
function untilShown(engine: EngineApi, ts: CommitTs): Promise<void> {
  return new Promise((resolve) => {
    if (engine.latestTs() >= ts) {
      resolve();
      return;
    }
    const stop = engine.subscribe({
      published: (publishedTs) => {
        if (publishedTs < ts) return;
        stop();
        resolve();
      },
      deploymentChanged: () => {},
      executed: () => {},
    });
  });
}
