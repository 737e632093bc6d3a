import { mkdir, writeFile } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { scriptScheme } from "../codeModules.ts";
import { linkExternalPackages } from "../externalPackages.ts";
import { hostFailure, uncaughtText } from "../failure.ts";
import { installConsole } from "../realm/consoleApi.ts";
import type { RealmControls, RealmHost } from "../realm/realmTypes.ts";
import { formatFrames, type FrameModules } from "../stackFrames.ts";
import { ThrownErrors } from "../thrownErrors.ts";
import type { CodeVersion, RunFailure } from "../types.ts";
import { makeLogLine } from "../logLines.ts";
import { syncSyscallText } from "./actionRealm.ts";
import { beat } from "./heartbeat.ts";
import {
  actionNotFoundText,
  leftoverText,
  nodeDatabaseText,
  noRequestText,
  notAnActionText,
  outstandingText,
} from "./limits.ts";
import { type Owner, owners } from "./owner.ts";
import { storageCall } from "./storageCalls.ts";
import type { RunningAction } from "./runningAction.ts";

/**
 * "use node" actions of one code version. They run in the realm of this process as real ES modules: globals and
 * modules live as long as the process, which serves one code version only because modules cannot be unloaded.
 */
export class NodeModules {
  readonly #code: CodeVersion;
  readonly #folder: string;
  readonly #externalPackagesFolder: string | null;
  readonly #frameModules: FrameModules;
  readonly #thrown = new ThrownErrors();
  readonly #written: Promise<void>;

  constructor(code: CodeVersion, folder: string, externalPackagesFolder: string | null) {
    this.#code = code;
    this.#externalPackagesFolder = externalPackagesFolder;
    this.#folder = folder;
    this.#frameModules = { code, positions: () => null };
    // What the process was started with (a path, a temporary directory) stays unless the deployment says otherwise.
    Object.assign(process.env, code.env);
    this.#written = this.#write();
    // Awaited by the first action; without this line its failure would be unhandled until then.
    this.#written.catch(() => undefined);
  }

  /** Runs the action; it ends through `action`. */
  async start(action: RunningAction): Promise<void> {
    const owner = new NodeOwner(action, this);
    action.danglingWarnings = () => [...new Set(action.pendingOps())].map(outstandingText);
    const { modulePath, exportName, requestId, argsJson } = action.run;
    const invoke = async (): Promise<unknown> => {
      const namespace = await this.#import(modulePath);
      // Several actions may have waited for this import: each goes on in a turn of its own, so that a loop that is
      // broken off does not take the continuations of the others with it.
      await new Promise(setImmediate);
      beat();
      if (!(exportName in namespace))
        return action.fail(hostFailure(actionNotFoundText(exportName, modulePath)));
      const target = namespace[exportName] as { invokeAction?: unknown } | null | undefined;
      if (typeof target?.invokeAction !== "function") {
        return action.fail(hostFailure(notAnActionText(exportName, modulePath)));
      }
      return Reflect.apply(target.invokeAction, target, [requestId, argsJson]) as unknown;
    };
    try {
      await this.#written;
      const value = await owners.run(owner, () => Promise.resolve().then(invoke));
      // Rejections of the same moment are reported first: they fail the action.
      setImmediate(() => action.succeed(String(value)));
    } catch (error) {
      action.fail(this.describe(error));
    }
  }

  /** What user code threw. */
  describe(thrown: unknown): RunFailure {
    return this.#thrown.describe(thrown);
  }

  formatStack(error: unknown, sites: readonly NodeJS.CallSite[]): string {
    const inModules = () => sites.map((site) => this.#inModules(site));
    return this.#thrown.formatStack(error, () => formatFrames(inModules(), this.#frameModules));
  }

  async #write(): Promise<void> {
    // `.js` files are ES modules because the nearest package.json says so.
    await writeFile(path.join(this.#folder, "package.json"), '{"type":"module"}');
    linkExternalPackages(this.#folder, this.#code.modules.values(), this.#externalPackagesFolder);
    for (const module of this.#code.modules.values()) {
      const file = this.#fileOf(module.path);
      await mkdir(path.dirname(file), { recursive: true });
      await writeFile(file, module.source);
    }
  }

  async #import(modulePath: string): Promise<Record<string, unknown>> {
    return (await import(pathToFileURL(this.#fileOf(modulePath)).href)) as Record<string, unknown>;
  }

  #fileOf(modulePath: string): string {
    return path.join(this.#folder, ...modulePath.split("/"));
  }

  /** The call site with its file as a path of the uploaded modules; files outside of them are nobody's business. */
  #inModules(site: NodeJS.CallSite): NodeJS.CallSite {
    const file = site.getFileName();
    const isOurs = file?.startsWith("file:") === true;
    const relative = isOurs ? path.relative(this.#folder, fileURLToPath(file)) : "";
    const modulePath = relative.split(path.sep).join("/");
    return new Proxy(site, {
      get(target, name) {
        if (name === "getFileName") {
          if (!file) return () => file;
          return () => (isOurs && !modulePath.startsWith("../") ? scriptScheme + modulePath : file);
        }
        const value = Reflect.get(target, name) as unknown;
        return typeof value === "function" ? (value.bind(target) as unknown) : value;
      },
    });
  }
}

/** What fails behind the back of a Node action carries the name of how it failed (functions.md §18). */
export class NodeOwner implements Owner {
  readonly action: RunningAction;
  readonly #modules: NodeModules;

  constructor(action: RunningAction, modules: NodeModules) {
    this.action = action;
    this.#modules = modules;
  }

  actionId(): number {
    return this.action.ended ? 0 : this.action.run.id;
  }

  strayFailure(origin: "uncaughtException" | "unhandledRejection", thrown: unknown): void {
    const { message, frames } = this.#modules.describe(thrown);
    const text = thrown instanceof Error ? thrown.message : message.replace(/^Uncaught /, "");
    this.action.fail({ ...hostFailure(uncaughtText(origin, text)), frames });
  }
}

function callingAction(): RunningAction | null {
  const owner = owners.getStore();
  return owner instanceof NodeOwner ? owner.action : null;
}

const databaseOps =
  /^1\.0\/(get|queryStream|queryStreamNext|queryCleanup|queryPage|count|insert|shallowMerge|replace|remove|db\/.*)$/;

/** The `ctx` of an earlier action, kept in a module, names that action: it must not act for the present caller. */
function isFromOtherRun(argsJson: string, requestId: string): boolean {
  return argsJson.includes('"requestId":"') && !argsJson.includes(`"requestId":"${requestId}"`);
}

/** The globals of the npm package's runtime and the console, once for the process. */
export function installNodeGlobals(reportExit: (action: RunningAction | null, text: string) => void): void {
  const convex = {
    syscall(op: unknown): string {
      const text = String(op);
      throw new Error(databaseOps.test(text) ? nodeDatabaseText : syncSyscallText(text));
    },
    asyncSyscall(op: unknown, args: unknown): Promise<string> {
      return new Promise((resolve, reject) => {
        const action = callingAction();
        if (action === null) return reject(new Error(noRequestText));
        if (action.ended) return reject(new Error(leftoverText));
        if (databaseOps.test(String(op))) return reject(new Error(nodeDatabaseText));
        const argsJson = String(args);
        if (isFromOtherRun(argsJson, action.run.requestId)) return reject(new Error(leftoverText));
        action.operation(String(op), argsJson, (outcome) => {
          if (outcome.ok) return resolve(outcome.resultJson);
          const error = new Error(outcome.message) as Error & { data?: unknown };
          if (outcome.dataJson !== undefined) error.data = JSON.parse(outcome.dataJson) as unknown;
          reject(error);
        });
      });
    },
    async jsSyscall(op: unknown, args: unknown): Promise<unknown> {
      const action = callingAction();
      if (action === null) throw new Error(noRequestText);
      if (action.ended) throw new Error(leftoverText);
      return await storageCall(action, String(op), args);
    },
  };
  Object.defineProperty(globalThis, "Convex", { value: Object.freeze(convex), enumerable: false });
  installNodeConsole();

  process.exit = (code?: number | string | null): never => {
    const action = callingAction();
    const how = code === undefined || code === null ? "no exit code" : `exit code ${code}`;
    reportExit(action, `process.exit() called with ${how}`);
    // Ends what runs now; the others in this process go on.
    throw new Error("process.exit() called");
  };
}

function installNodeConsole(): void {
  const host = {
    monotonicMs: () => performance.now(),
    log: (level, parts) => callingAction()?.logLine(makeLogLine(level, parts, Date.now())),
  } as Pick<RealmHost, "monotonicMs" | "log">;
  const controls = {
    define: (_name: string, value: unknown) => {
      const all = value as Record<string, unknown>;
      Object.assign(globalThis.console, all);
      for (const name of ["dir", "dirxml", "table", "group", "groupCollapsed"]) {
        Object.assign(globalThis.console, { [name]: all["log"] });
      }
    },
  } as unknown as RealmControls;
  installConsole(host as RealmHost, controls);
}
