import v8 from "node:v8";
import { Worker } from "node:worker_threads";
import { assert, unreachable } from "../../base/assert.ts";
import { CodeModules, SourceCache } from "../codeModules.ts";
import { hostFailure } from "../failure.ts";
import { outOfMemoryText } from "../limits.ts";
import type { CodeVersion } from "../types.ts";
import { ActionRealm } from "./actionRealm.ts";
import { beat, watchCells } from "./heartbeat.ts";
import { nodeOutOfMemoryText, unresponsiveText } from "./limits.ts";
import type { ActionRun, HostCode, HostMessage, HostSettings, ServerMessage } from "./messages.ts";
import { installNodeGlobals, NodeModules } from "./nodeModules.ts";
import { owners } from "./owner.ts";
import { installRealmAwareBodies, limitMultipartBodies, realmOfCaller } from "./platform.ts";
import { RunningAction } from "./runningAction.ts";
import { type BrokenOff, runningActionGlobal, watchCell, type WatchSettings } from "./watch.ts";

/** How often the watch is told that the event loop turns, and how full the heap is; the server with every fourth beat. */
const beatIntervalMs = 25;
const beatsPerAlive = 4;
/** Share of the heap above which it may be exhausted within one look of the watch. */
const heapHighShare = 0.5;
/** Idle contexts kept, about 300 KB each. */
const idleRealmsMax = 32;

/** Modules that bundles for the default runtime may import by name; what they export is a global there. */
const asyncHooksSource = `const { AsyncLocalStorage, AsyncResource } = globalThis;
export { AsyncLocalStorage, AsyncResource };
export default { AsyncLocalStorage, AsyncResource };`;
const platformModules = new Map([
  ["node:async_hooks", asyncHooksSource],
  ["async_hooks", asyncHooksSource],
]);

/** One action host process: runs many actions at once on one event loop. */
export class ActionHost {
  readonly #settings: HostSettings;
  readonly #sendNow: (messages: readonly HostMessage[]) => void;
  readonly #running = new Map<number, RunningAction>();
  readonly #sources = new SourceCache();
  readonly #isolateCode = new Map<string, CodeModules>();
  readonly #nodeCode = new Map<string, NodeModules>();
  /** The one used last is the last. */
  readonly #idleRealms: { readonly key: string; readonly realm: ActionRealm }[] = [];
  #incoming: ServerMessage[] = [];
  #outgoing: HostMessage[] = [];
  #alive: NodeJS.Timeout | null = null;

  constructor(settings: HostSettings, send: (messages: readonly HostMessage[]) => void) {
    this.#settings = settings;
    this.#sendNow = send;
    this.#installGlobals();
    this.#startWatch();
    this.#send({ type: "ready" });
  }

  /**
   * One message per turn of the event loop: when user code that one of them woke up is broken off, the continuations
   * that other messages woke up must not go with it.
   */
  receive(messages: readonly ServerMessage[]): void {
    const isIdle = this.#incoming.length === 0;
    this.#incoming.push(...messages);
    if (isIdle) setImmediate(() => this.#receiveNext());
  }

  #receiveNext(): void {
    const message = this.#incoming.shift();
    if (this.#incoming.length > 0) setImmediate(() => this.#receiveNext());
    if (message === undefined) return;
    switch (message.type) {
      case "code":
        this.#addCode(message.code);
        return;
      case "forget":
        this.#isolateCode.delete(message.codeId);
        for (let i = this.#idleRealms.length - 1; i >= 0; i--) {
          if (this.#idleRealms[i]!.key.startsWith(`${message.codeId}:`)) this.#idleRealms.splice(i, 1);
        }
        this.#sources.sweep([...this.#isolateCode.values()].map((modules) => modules.entries));
        return;
      case "run":
        this.#start(message.run);
        return;
      case "answer":
        this.#running.get(message.action)?.answer(message.operation, message.outcome);
        return;
      case "requestBody":
        this.#running.get(message.action)?.http?.requestBody(message.bytes);
        return;
      case "disconnected":
        this.#running.get(message.action)?.disconnected();
        return;
      case "responseCredit":
        this.#running.get(message.action)?.http?.responseCredit(message.bytes);
        return;
      default:
        unreachable(message);
    }
  }

  #addCode(code: HostCode): void {
    const version: CodeVersion = {
      id: code.id,
      modules: new Map(code.modules.map((module) => [module.path, module])),
      env: code.env,
      importSeed: Buffer.from(code.importSeed, "hex"),
      importTimestampMs: code.importTimestampMs,
    };
    if (this.#settings.kind === "node") {
      const { moduleFolder, externalPackagesFolder } = this.#settings;
      assert(moduleFolder !== null, "a Node host has a folder for its modules");
      this.#nodeCode.set(code.id, new NodeModules(version, moduleFolder, externalPackagesFolder));
    } else {
      this.#isolateCode.set(code.id, new CodeModules(version, this.#sources, { extra: platformModules }));
    }
  }

  #start(run: ActionRun): void {
    if (this.#settings.kind === "node") {
      const action = this.#newAction(run, () => undefined);
      const modules = this.#nodeCode.get(run.codeId);
      if (modules === undefined) action.fail(hostFailure(`Unknown code version ${run.codeId}`));
      else void modules.start(action);
      return;
    }
    const modules = this.#isolateCode.get(run.codeId);
    if (modules === undefined) {
      this.#newAction(run, () => undefined).fail(hostFailure(`Unknown code version ${run.codeId}`));
      return;
    }
    const key = `${run.codeId}:${run.modulePath}`;
    const realm = this.#takeRealm(key) ?? new ActionRealm(modules, run.modulePath);
    const action = this.#newAction(run, () => {
      // After the abort signal of the action, and what that wakes up.
      setImmediate(() => this.#keepRealm(key, realm));
    });
    // In a microtask, like all user code: when modules loop while they are evaluated, breaking them off takes nothing
    // of the host with it.
    void Promise.resolve().then(() => realm.start(action));
  }

  #newAction(run: ActionRun, ended: () => void): RunningAction {
    const action = new RunningAction({
      run,
      kind: this.#settings.kind,
      send: (message) => this.#send(message),
      ended: () => {
        this.#ended(run.id);
        ended();
      },
    });
    this.#running.set(run.id, action);
    Atomics.store(watchCells, watchCell.running, this.#running.size);
    this.#alive ??= setInterval(() => this.#beat(), beatIntervalMs);
    return action;
  }

  #takeRealm(key: string): ActionRealm | null {
    const index = this.#idleRealms.findLastIndex((idle) => idle.key === key);
    return index < 0 ? null : this.#idleRealms.splice(index, 1)[0]!.realm;
  }

  #keepRealm(key: string, realm: ActionRealm): void {
    if (!realm.reset()) return;
    this.#idleRealms.push({ key, realm });
    if (this.#idleRealms.length > idleRealmsMax) this.#idleRealms.shift();
  }

  #ended(id: number): void {
    this.#running.delete(id);
    Atomics.store(watchCells, watchCell.running, this.#running.size);
    if (this.#running.size > 0) return;
    if (this.#alive !== null) clearInterval(this.#alive);
    this.#alive = null;
    Atomics.store(watchCells, watchCell.heapHigh, 0);
  }

  #beat(): void {
    const count = beat();
    const { used_heap_size: used, heap_size_limit: limit } = v8.getHeapStatistics();
    Atomics.store(watchCells, watchCell.heapHigh, used > limit * heapHighShare ? 1 : 0);
    if (count % beatsPerAlive === 0) this.#send({ type: "alive" });
    // Also when the callback that should have done it went with something that was broken off.
    this.#flush();
  }

  #send(message: HostMessage): void {
    this.#outgoing.push(message);
    if (this.#outgoing.length === 1) setImmediate(() => this.#flush());
  }

  #flush(): void {
    if (this.#outgoing.length === 0) return;
    const messages = this.#outgoing;
    this.#outgoing = [];
    this.#sendNow(messages);
  }

  #installGlobals(): void {
    Object.defineProperty(globalThis, runningActionGlobal, {
      value: () => owners.getStore()?.actionId() ?? -1,
    });
    // Errors that the platform creates on behalf of user code.
    Error.stackTraceLimit = 200;
    const formatDefault = (error: Error, sites: readonly NodeJS.CallSite[]): string =>
      [String(error), ...sites.map((site) => `    at ${site.getFileName()}:${site.getLineNumber()}`)].join(
        "\n",
      );
    Error.prepareStackTrace = (error, sites) => {
      const realm = realmOfCaller();
      if (realm !== null) return realm.formatStack(error, sites);
      const [nodeModules] = this.#nodeCode.values();
      return nodeModules === undefined ? formatDefault(error, sites) : nodeModules.formatStack(error, sites);
    };
    process.on("uncaughtException", (error, origin) => {
      if (origin === "uncaughtException") this.#stray("uncaughtException", error);
    });
    process.on("unhandledRejection", (error) => this.#stray("unhandledRejection", error));
    if (this.#settings.kind === "isolate") {
      installRealmAwareBodies();
      limitMultipartBodies();
      return;
    }
    installNodeGlobals((action, text) => {
      action?.fail(hostFailure(`Uncaught process.exit: ${text}`));
      this.#send({ type: "tainted", reason: text });
    });
  }

  #stray(origin: "uncaughtException" | "unhandledRejection", thrown: unknown): void {
    const owner = owners.getStore();
    if (owner !== undefined) owner.strayFailure(origin, thrown);
    else this.#send({ type: "stray", text: (thrown as Error | null)?.stack ?? String(thrown) });
    if (this.#settings.kind === "node") this.#send({ type: "tainted", reason: origin });
  }

  #startWatch(): void {
    const { unresponsiveMsMax, residentMebibytesMax, moduleFolder } = this.#settings;
    const settings: WatchSettings = {
      moduleFolder,
      cells: watchCells.buffer,
      unresponsiveMsMax,
      residentMebibytesMax,
      serverPid: process.ppid,
    };
    const extension = import.meta.url.endsWith(".ts") ? "ts" : "js";
    const watch = new Worker(new URL(`./watchThread.${extension}`, import.meta.url), {
      workerData: settings,
      name: "lenslet-watch",
      env: {},
      execArgv: ["--disable-warning=ExperimentalWarning"],
    });
    watch.unref();
    watch.on("message", (event: BrokenOff) => this.#brokenOff(event));
    watch.on("error", (error) => this.#send({ type: "stray", text: `the watch failed: ${error.stack}` }));
  }

  #brokenOff({ action, reason }: BrokenOff): void {
    const { kind, heapMebibytesMax } = this.#settings;
    const memoryText = kind === "node" ? nodeOutOfMemoryText(heapMebibytesMax) : outOfMemoryText;
    const [only] = this.#running.size === 1 ? this.#running.values() : [];
    const running = this.#running.get(action) ?? (reason === "memory" ? only : undefined);
    if (running !== undefined) this.#send({ type: "ranAway", action: running.run.id });
    running?.fail(hostFailure(reason === "memory" ? memoryText : unresponsiveText));
    const who =
      running === undefined
        ? "code of no running action"
        : `${running.run.modulePath}:${running.run.exportName}`;
    this.#send({ type: "tainted", reason: `${who} was broken off (${reason})` });
  }
}
