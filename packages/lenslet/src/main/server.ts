import { randomBytes } from "node:crypto";
import http from "node:http";
import type { AddressInfo, Socket } from "node:net";
import path from "node:path";
import { readFileSync } from "node:fs";
import { adminKeyOf } from "../auth/adminKey.ts";
import { nodeAddress } from "../cluster/leaderLink.ts";
import { leaderRoutes } from "../cluster/leaderRoutes.ts";
import { nodeKey } from "../cluster/wire.ts";
import { createAuthenticator } from "../auth/authenticator.ts";
import { LensletError } from "../base/errors.ts";
import type { EngineMeasures, ExecutionLogEntry } from "../engine/api.ts";
import { AppMetrics } from "../http/appMetrics.ts";
import { fetchContents } from "../files/fetchContents.ts";
import { FileService } from "../files/fileService.ts";
import type { FileStore } from "../files/fileStore.ts";
import { type S3Credentials, S3FileStore, type S3Location } from "../files/s3FileStore.ts";
import { LocalFileStore } from "../files/localFileStore.ts";
import { FileSweeper } from "../files/sweeper.ts";
import { jwksJson } from "../engine/jwtSigning.ts";
import { LogRetention } from "../engine/logRetention.ts";
import { LogStream } from "../http/functionLogs.ts";
import { createHttpHandlers, httpServerOptions } from "../http/handler.ts";
import type { ClientMetadataOf } from "../protocol/clientMetadata.ts";
import { openLocalLog } from "../log/local/localLog.ts";
import { LocalLogThread } from "../log/local/logThread.ts";
import type { LogConnection } from "../log/local/messages.ts";
import { PostgresLogThread } from "../log/postgres/postgresLogThread.ts";
import { startScheduler } from "../scheduler/scheduler.ts";
import { type EgressMap, installEgressForFetch } from "../runner/actionHost/egress.ts";
import { createSyncServer } from "../sync/server.ts";
import { BackupLeases } from "../transfer/backupLeases.ts";
import { DataSync } from "../transfer/dataSync.ts";
import { StreamingExport } from "../transfer/streamingExport.ts";
import { Exporter } from "../transfer/exporter.ts";
import { Importer } from "../transfer/importer.ts";
import { createActionRunner } from "./actions.ts";
import { type Instance, instanceKeys, openDataFolder } from "./dataFolder.ts";
import { devIssuerVariables, openDevIssuer } from "./devIssuer.ts";
import { devIssuerRoutes } from "./devIssuerRoutes.ts";
import { EngineSupervisor } from "./engineSupervisor.ts";
import { updateEnvironment } from "./environmentUpdates.ts";
import { startFollower } from "./follower.ts";
import { ExternalPackages } from "./externalPackages.ts";
import { announceServer, lockDataFolder } from "./folderLock.ts";
import { finishRestore } from "./restoreCommand.ts";
import { createPushService } from "./pushService.ts";
import { openPostgresLog, type PostgresConfig, untilLeader } from "./postgresLog.ts";
import { createTestQueries } from "./testQueries.ts";
import { createRealRandom, realClock, realTimers } from "./realOs.ts";

export interface ServerConfig {
  readonly dataFolder: string;
  readonly host: string;
  /** 0: any free port. */
  readonly port: number;
  readonly sitePort: number;
  /** Origins as clients see them; null: from host and port. */
  readonly cloudUrl: string | null;
  readonly siteUrl: string | null;
  readonly redactErrors: boolean;
  readonly clientMetadataOf: ClientMetadataOf;
  /** Where files are kept; null: in the data folder. */
  readonly files: { readonly location: S3Location; readonly credentials: S3Credentials } | null;
  readonly heapMaxMib: number;
  readonly logRetentionMs: number;
  /** Where the log is kept, if not in the data folder. */
  readonly postgres?: PostgresConfig;
  readonly devIssuer?: boolean;
  /** Requests of functions to these origins go elsewhere; see runner/actionHost/egress.ts. */
  readonly egress?: EgressMap;
  readonly report: (level: "info" | "warn" | "error", message: string) => void;
}

export interface RunningServer {
  readonly cloudUrl: string;
  readonly siteUrl: string;
  readonly adminKey: string;
  readonly instanceName: string;
  /** Answers what has been asked, persists, and ends all threads. */
  close(): Promise<void>;
}

/** Composition root of the process: opens the data folder and starts log thread, engine thread, sync and HTTP. */
export async function startServer(config: ServerConfig): Promise<RunningServer> {
  const closers: (() => Promise<unknown> | void)[] = [];
  const closeAll = async () => {
    // In reverse order of opening; one that fails must not keep the others open.
    for (const closer of closers.splice(0).reverse()) {
      try {
        await closer();
      } catch (error) {
        config.report("error", `while closing: ${(error as Error).message}`);
      }
    }
  };
  let closed: Promise<void> | null = null;
  // Whoever asks again waits for the same end: a signal may meet the end of `lenslet dev`.
  const close = () => (closed ??= closeAll());
  try {
    return await open(config, closers, close);
  } catch (error) {
    await close();
    throw error;
  }
}

async function open(
  config: ServerConfig,
  closers: (() => Promise<unknown> | void)[],
  close: () => Promise<void>,
): Promise<RunningServer> {
  // Functions see UTC. Only the main thread can set the zone, and only for threads that start afterwards.
  process.env["TZ"] = "UTC";
  const ownInstance = openDataFolder(config.dataFolder, "lenslet");
  closers.push(lockDataFolder(config.dataFolder));

  // Ports first: a port in use is the most likely failure, and the URLs need the numbers.
  const api = await listen(config.host, config.port, "--port");
  closers.push(() => closeHttp(api));
  const site = await listen(config.host, config.sitePort, "--site-port");
  closers.push(() => closeHttp(site));
  const cloudUrl = config.cloudUrl ?? originOf(config.host, api);
  const siteUrl = config.siteUrl ?? originOf(config.host, site);

  const ports: Ports = { api, site, cloudUrl, siteUrl, apiOrigin: originOf(config.host, api) };
  const egress = config.egress ?? {};
  for (const [from, to] of Object.entries(egress)) {
    config.report("info", `egress: requests to ${from} go to ${to}`);
  }
  // Of this process: the authenticator asks identity providers.
  installEgressForFetch(egress);
  const { logThread, instance } = await openLog(config, ownInstance, ports, closers);
  if (logThread instanceof PostgresLogThread && !logThread.leadership.isLeader) {
    await followThenLead(config, logThread, instance, ports, closers);
  } else await lead(config, logThread, instance, ports, closers);
  return {
    cloudUrl,
    siteUrl,
    adminKey: adminKeyOf(instance.name, instance.secret),
    instanceName: instance.name,
    close,
  };
}

interface Ports {
  readonly api: http.Server;
  readonly site: http.Server;
  /** As clients see them. */
  readonly cloudUrl: string;
  readonly siteUrl: string;
  /** As this machine sees it. */
  readonly apiOrigin: string;
}

/** Serves as a follower; when it gets the lease, closes that and serves as the leader, on the same ports. */
async function followThenLead(
  config: ServerConfig,
  logThread: PostgresLogThread,
  instance: Instance,
  ports: Ports,
  closers: (() => Promise<unknown> | void)[],
): Promise<void> {
  const { report } = config;
  const follower = await startFollower({ ...config, logThread, instance, ...ports, fatal: fatalOf(config) });
  let isClosing = false;
  closers.push(
    () => follower.close(),
    () => {
      isClosing = true;
    },
  );
  for (const server of [ports.api, ports.site]) server.off("connection", refuse);
  const takeOver = async () => {
    await untilLeader(logThread);
    if (isClosing) return;
    for (const server of [ports.api, ports.site]) server.on("connection", refuse);
    await follower.close();
    await lead(config, logThread, instance, ports, closers);
    report("info", "this node leads now");
  };
  takeOver().catch((error: Error) => {
    // It may be closed while it takes over; then nothing that it still wants to open matters.
    if (!isClosing) fatalOf(config)(error);
  });
}

function fatalOf(config: ServerConfig): (error: Error) => void {
  return (error) => {
    config.report("error", error.message);
    process.exit(1);
  };
}

/** Everything of a server that writes. */
async function lead(
  config: ServerConfig,
  logThread: { connect(): LogConnection },
  instance: Instance,
  { api, site, cloudUrl, siteUrl, apiOrigin }: Ports,
  closers: (() => Promise<unknown> | void)[],
): Promise<void> {
  const keys = instanceKeys(instance);
  const fileStore = await openFileStore(config);
  const supervisor = await EngineSupervisor.start({
    logThread,
    ...(config.files === null
      ? {}
      : { fetchContents: (key, size) => fetchContents(fileStore, realTimers, key, size) }),
    dataFolder: config.dataFolder,
    instanceName: instance.name,
    ...keys,
    cloudUrl,
    siteUrl,
    boot: randomBytes(8).toString("hex"),
    heapMaxMib: config.heapMaxMib,
    report: config.report,
    fatal: fatalOf(config),
  });
  closers.push(() => supervisor.close());
  const engine = supervisor.client;

  await finishRestore(engine, config.dataFolder);

  const egress = config.egress ?? {};
  const authenticator = createAuthenticator({
    instanceName: instance.name,
    instanceSecret: instance.secret,
    deployment: () => engine.deployment(),
    clock: realClock,
    fetch,
    redact: config.redactErrors,
  });
  const logStream = new LogStream({ clock: realClock, timers: realTimers });
  const metrics = new AppMetrics(realClock);
  const executed = (entries: readonly ExecutionLogEntry[]) => {
    logStream.append(entries);
    metrics.record(entries);
  };
  const measured = (measures: EngineMeasures) => metrics.measured(measures);
  closers.push(engine.subscribe({ published: () => {}, deploymentChanged: () => {}, executed, measured }));
  const random = createRealRandom();
  const externalPackages = new ExternalPackages(
    path.join(config.dataFolder, "external-packages"),
    (message) => config.report("info", message),
  );
  const actions = createActionRunner({
    engine,
    clock: realClock,
    timers: realTimers,
    random,
    localOrigin: apiOrigin,
    instanceName: instance.name,
    executed,
    egress,
    externalPackages,
    report: config.report,
  });
  closers.push(() => actions.close());
  const scheduler = startScheduler({
    engine,
    runAction: (call) => actions.run(call),
    clock: realClock,
    timers: realTimers,
    random,
    report: config.report,
  });
  closers.push(() => scheduler.close());
  const files = new FileService({
    engine,
    random,
    store: fileStore,
  });
  const sweeper = new FileSweeper({ engine, files, timers: realTimers, report: config.report });
  await sweeper.start();
  closers.push(() => sweeper.close());
  const exporter = new Exporter({
    engine,
    contents: files,
    holdRemovals: () => sweeper.hold(),
    folder: path.join(config.dataFolder, "exports"),
    clock: realClock,
    instanceName: instance.name,
    report: config.report,
  });
  await exporter.start();
  closers.push(() => exporter.close());
  const importer = new Importer({
    engine,
    files,
    folder: path.join(config.dataFolder, "imports"),
    random,
    report: config.report,
  });
  await importer.start();
  closers.push(() => importer.close());
  const log = openLocalLog(logThread.connect(), { clock: realClock });
  closers.push(() => log.close());
  const retention = new LogRetention({
    engine,
    log,
    clock: realClock,
    timers: realTimers,
    retentionMs: config.logRetentionMs,
    report: config.report,
  });
  // In PostgreSQL it stays whole: that is what a node with an empty data folder is built from.
  if (config.postgres === undefined) retention.start();
  closers.push(() => retention.close());
  const backups = new BackupLeases({
    engine,
    holdFiles: () => sweeper.hold(),
    holdLog: () => retention.hold(),
    hasLocalFiles: config.files === null,
    timers: realTimers,
    random,
  });
  closers.push(() => backups.close());
  const streamingExport = new StreamingExport({ engine, log });
  const dataSync = new DataSync({ engine, log, random });
  const syncServer = createSyncServer({
    engine,
    clientMetadataOf: config.clientMetadataOf,
    authenticator,
    runAction: (call) => actions.run(call),
    clock: realClock,
    timers: realTimers,
    random,
    redactErrors: config.redactErrors,
    log: (message, error) =>
      config.report("error", `${message}: ${(error as Error)?.stack ?? String(error)}`),
  });
  closers.push(() => syncServer.close());
  const handlers = createHttpHandlers({
    engine,
    clientMetadataOf: config.clientMetadataOf,
    authenticator,
    push: createPushService(engine, realTimers, externalPackages),
    testQueries: createTestQueries(engine),
    logStream,
    metrics,
    scheduledLagMs: (startMs, endMs) => scheduler.worstLagMs(startMs, endMs),
    updateEnvironment: (argsJson) => updateEnvironment(engine, realTimers, argsJson),
    runAction: (call) => actions.run(call),
    runHttpAction: (call, connection) => actions.runHttp(call, connection),
    // Versions before this one signed tokens, and upload URLs, with the key of the cursors: what they have given out
    // stays good.
    jwksJson: jwksJson([keys.jwtSecret, keys.cursorSecret]),
    files,
    transfers: {
      openExport: (reference) => exporter.open(reference),
      startUpload: () => importer.startUpload(),
      savePart: (token, part, source) => importer.savePart(token, part, source),
      finishUpload: (token, parts, wanted) => importer.finishUpload(token, parts, wanted),
      importAtOnce: (source, wanted) => importer.importAtOnce(source, wanted),
    },
    streams: {
      listSnapshot: (request, selection, format) => streamingExport.listSnapshot(request, selection, format),
      documentDeltas: (cursor, selection, format) =>
        streamingExport.documentDeltas(cursor, selection, format),
      columns: () => streamingExport.columns(),
      dataSync: (cursor, selection) => dataSync.sync(cursor, selection),
    },
    backups,
    tokenSecrets: [keys.uploadSecret, keys.cursorSecret],
    clock: realClock,
    instanceName: instance.name,
    version: packageVersion(),
    redact: config.redactErrors,
    timers: realTimers,
    random,
    onUnexpectedError: (error, where) =>
      config.report("error", `${where}: ${(error as Error)?.stack ?? String(error)}`),
  });

  let route = handlers.cloud;
  if (config.postgres !== undefined) {
    route = leaderRoutes(
      {
        engine,
        runAction: (call) => actions.run(call),
        key: nodeKey(instance.secret),
        onUnexpectedError: (error) => config.report("error", `for a follower: ${String(error)}`),
      },
      route,
    );
  }
  if (config.devIssuer === true) {
    const issuer = await openDevIssuer(config.dataFolder, cloudUrl);
    const changes = Object.entries(devIssuerVariables(issuer)).map(([name, value]) => ({ name, value }));
    await updateEnvironment(engine, realTimers, JSON.stringify({ changes }));
    route = devIssuerRoutes(issuer, route);
  }
  api.off("connection", refuse);
  site.off("connection", refuse);
  api.on("request", route);
  api.on("upgrade", (request, socket, head) => syncServer.handleUpgrade(request, socket, head));
  site.on("request", handlers.site);
  closers.push(() => syncServer.drain());
  closers.push(announceServer(config.dataFolder, apiOrigin));
}

/** The log, and the deployment it is of. */
async function openLog(
  config: ServerConfig,
  ownInstance: Instance,
  { apiOrigin, site }: Ports,
  closers: (() => Promise<unknown> | void)[],
): Promise<{ logThread: LocalLogThread | PostgresLogThread; instance: Instance }> {
  const { dataFolder, postgres, report } = config;
  if (postgres === undefined) {
    if (ownInstance.isReplica === true) throw logIsElsewhere(dataFolder);
    const logThread = await LocalLogThread.start({
      folder: path.join(dataFolder, "log"),
      verify: "tail",
      ...segmentBytes(process.env["LENSLET_LOG_SEGMENT_BYTES"]),
    });
    closers.push(() => logThread.close());
    return { logThread, instance: ownInstance };
  }
  if (config.files === null) {
    report(
      "warn",
      "stored files are in the data folder of this node alone; use --files-s3 when another node is to take its place",
    );
  }
  const own = postgres.nodeUrl ?? apiOrigin;
  const siteOrigin = new URL(own);
  siteOrigin.port = String((site.address() as AddressInfo).port);
  const opened = await openPostgresLog({
    url: postgres.url,
    dataFolder,
    instance: ownInstance,
    address: nodeAddress(own, siteOrigin.origin),
    report,
  });
  closers.push(() => opened.logThread.close());
  return opened;
}

function logIsElsewhere(dataFolder: string): LensletError {
  return new LensletError(
    "Conflict",
    "LogInPostgres",
    `${dataFolder} belongs to a node whose log is in PostgreSQL. Start it with --postgres (LENSLET_POSTGRES_URL), or choose another folder with --data.`,
  );
}

async function openFileStore(config: ServerConfig): Promise<FileStore> {
  const { files, dataFolder } = config;
  const store =
    files === null
      ? await LocalFileStore.open(path.join(dataFolder, "files"))
      : new S3FileStore(files.location, files.credentials);
  try {
    await store.removeUnfinished();
  } catch (error) {
    // A store that is not there now may be later; all but its files works meanwhile.
    if (files === null || !(error instanceof LensletError)) throw error;
    config.report("warn", error.message);
  }
  return store;
}

/** Smaller segments than the log's own choice: the crash tests want to see many of them begin. */
function segmentBytes(text: string | undefined): { segmentBytesMax?: number } {
  const bytes = Number(text ?? "");
  return bytes > 0 ? { segmentBytesMax: bytes } : {};
}

function listen(host: string, port: number, flag: string): Promise<http.Server> {
  const server = http.createServer(httpServerOptions);
  server.on("connection", refuse);
  return new Promise((resolve, reject) => {
    server.once("error", (error: NodeJS.ErrnoException) => reject(listenError(error, host, port, flag)));
    server.listen(port, host, () => resolve(server));
  });
}

/**
 * For connections that come before the engine is ready. They look like a server that is not there yet, which every
 * client retries; kept open they would wait for an answer for ever, because nobody listens to their request.
 */
function refuse(socket: Socket): void {
  socket.destroy();
}

function listenError(error: NodeJS.ErrnoException, host: string, port: number, flag: string): Error {
  switch (error.code) {
    case "EADDRINUSE":
      return new LensletError(
        "Conflict",
        "PortInUse",
        `Port ${port} on ${host} is in use. Stop the other process, or choose another port with ${flag} (0 takes any free one).`,
      );
    case "EACCES":
      return new LensletError(
        "Conflict",
        "PortForbidden",
        `This user may not listen on port ${port}. Choose one above 1023 with ${flag}.`,
      );
    case "EADDRNOTAVAIL":
    case "ENOTFOUND":
      return new LensletError(
        "Conflict",
        "HostNotAvailable",
        `${host} is not an address of this machine. Choose one with --host: 127.0.0.1 for this machine only, 0.0.0.0 for all networks.`,
      );
    default:
      return error;
  }
}

function originOf(host: string, server: http.Server): string {
  const { port } = server.address() as AddressInfo;
  const name = host === "0.0.0.0" || host === "::" ? "127.0.0.1" : host;
  return `http://${name.includes(":") ? `[${name}]` : name}:${port}`;
}

function closeHttp(server: http.Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeIdleConnections();
    // Long polls hold their connections for up to a minute: a drain does not wait for them.
    setTimeout(() => server.closeAllConnections(), 2000).unref();
  });
}

function packageVersion(): string {
  const manifest = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")) as {
    version: string;
  };
  return manifest.version;
}
