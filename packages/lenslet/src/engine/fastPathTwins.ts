import { TestDatabase } from "../transaction/testDatabase.ts";
import { bundleApp } from "../deploy/testing/testBundle.ts";
import { LogBuffer } from "../runner/logLines.ts";
import { Runner } from "../runner/runner.ts";
import type { CodeVersion } from "../runner/types.ts";
import { stringifyValue } from "../values/json.ts";
import type { Value } from "../values/value.ts";
import { AuditLog } from "./auditLog.ts";
import type { CallContext } from "./callContext.ts";
import type { ComponentCode, FunctionInfo, LoadedDeployment } from "./deployment.ts";
import { runFunction } from "./execution.ts";
import { Heartbeat } from "./heartbeat.ts";
import { MemoryWatch } from "./memoryWatch.ts";
import { TestClock } from "./testEngine.ts";

/** Everything that a run leaves behind or tells. */
export interface RunTrace {
  readonly outcome: unknown;
  readonly logs: unknown;
  readonly reads: unknown;
  readonly writes: unknown;
  readonly usage: unknown;
  readonly observed: unknown;
}

/** For tests: runs functions by the fast path and by the syscalls of the `convex` package, on the same database. */
export class FastPathTwins {
  readonly database = new TestDatabase();
  readonly clock = new TestClock();
  readonly #code: CodeVersion;
  readonly #runners: { readonly fast: Runner; readonly stock: Runner };

  private constructor(code: CodeVersion) {
    this.#code = code;
    this.#runners = {
      fast: new Runner({ clock: this.clock }),
      stock: new Runner({ clock: this.clock, fastPath: false }),
    };
  }

  static async create(files: Readonly<Record<string, string>>): Promise<FastPathTwins> {
    const { modules } = await bundleApp(files);
    return new FastPathTwins({
      id: "1",
      modules: new Map(
        modules.map(({ path, source, sourceMap, environment }) => [
          path,
          { path, source, sourceMap: sourceMap ?? null, environment },
        ]),
      ),
      env: {},
      importSeed: new Uint8Array(32),
      importTimestampMs: 1_600_000_000_000,
    });
  }

  run(runner: "fast" | "stock", kind: "query" | "mutation", path: string, args: Value): RunTrace {
    const [module = "", name = ""] = path.split(":");
    let ids = 0;
    const tx = this.database.begin({
      readOnly: kind === "query",
      newInternalId: () => `new-${String(++ids).padStart(12, "0")}`,
    });
    const functions = new Map<string, FunctionInfo>();
    const component: ComponentCode = {
      componentPath: "",
      namespace: "",
      code: this.#code,
      functions,
      definitionPath: "",
      mounted: true,
      children: new Map(),
      args: {},
      modulePaths: new Set(this.#code.modules.keys()),
    };
    const info = (udfType: "Query" | "Mutation", exportName: string): FunctionInfo => ({
      path: { module: `${module}.js`, name: exportName },
      udfType,
      visibility: "public",
      args: null,
      returns: null,
      returnsJson: null,
      environment: "isolate",
    });
    for (const [udfType, names] of [
      ["Query", ["nestedQuery"]],
      ["Mutation", ["nestedMutation"]],
    ] as const)
      for (const nested of names) functions.set(`${module}.js:${nested}`, info(udfType, nested));
    const context: CallContext = {
      tx,
      deployment: { components: new Map([["", component]]) } as unknown as LoadedDeployment,
      runner: this.#runners[runner],
      heartbeat: new Heartbeat(),
      memory: new MemoryWatch(null, this.clock),
      clock: this.clock,
      cursorSecret: new Uint8Array(32),
      uploadSecret: new Uint8Array(32),
      jwtSecret: new Uint8Array(32),
      instanceName: "twins",
      userIdentity: { tokenIdentifier: "issuer|me", name: "Me" },
      requestId: "1",
      job: null,
      client: { ip: null, userAgent: null },
      nowMs: 1_700_000_000_000,
      readContents: null,
      files: null,
      nextSeed: () => new Uint8Array(32).fill(3),
      identity: { kind: "user", attributes: { tokenIdentifier: "issuer|me" }, expiresAtMs: null },
      logs: new LogBuffer(),
      audit: new AuditLog(),
      observed: { identity: false, clock: false, progress: false },
      spent: { systemMs: 0, argumentBytes: 0 },
      staleSnapshot: () => this.database.begin({ readOnly: true }),
    };
    const outcome = runFunction(context, {
      component,
      info: info(kind === "query" ? "Query" : "Mutation", name),
      kind,
      inMutation: kind === "mutation",
      argsJson: `[${stringifyValue(args)}]`,
      journal: null,
      depth: 0,
    });
    return {
      outcome,
      logs: context.logs.lines.map(({ level, messages }) => [level, messages]),
      reads: [...tx.reads.intervals()],
      writes: tx
        .finish(this.database.ts + 1n)
        .map(({ idText, before, after }) => [idText, before?.json ?? null, after?.json ?? null]),
      usage: tx.metrics(),
      observed: context.observed,
    };
  }
}
