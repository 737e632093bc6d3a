import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { badRequest } from "../base/errors.ts";
import type {
  EngineApi,
  FunctionCall,
  MutationCall,
  MutationResult,
  PreparedAction,
  QueryResult,
} from "../engine/api.ts";
import type { PreparedHttpAction } from "../engine/httpActions.ts";
import type { CodeVersionJson } from "../engine/systemOperations.ts";
import { bundleFolder } from "../runner/testBundle.ts";
import type { ModuleSource } from "../runner/types.ts";

/** Bundles files that start with "use node" for Node, the others for the default runtime, as the official CLI does. */
export async function bundleProject(files: Readonly<Record<string, string>>): Promise<ModuleSource[]> {
  const isNode = ([, text]: [string, string]): boolean => text.startsWith('"use node"');
  const entries = Object.entries(files);
  const isolate = await bundleFolder(Object.fromEntries(entries.filter((entry) => !isNode(entry))));
  return [...isolate.values(), ...(await bundleNode(Object.fromEntries(entries.filter(isNode))))];
}

async function bundleNode(files: Readonly<Record<string, string>>): Promise<ModuleSource[]> {
  if (Object.keys(files).length === 0) return [];
  const root = mkdtempSync(path.join(tmpdir(), "lenslet-bundle-"));
  try {
    mkdirSync(path.join(root, "convex"));
    for (const [name, text] of Object.entries(files)) writeFileSync(path.join(root, "convex", name), text);
    const result = await build({
      absWorkingDir: root,
      entryPoints: Object.keys(files).map((name) => path.join("convex", name)),
      nodePaths: [fileURLToPath(new URL("../../../../node_modules", import.meta.url))],
      outbase: "convex",
      outdir: "out",
      chunkNames: "_deps/node/[hash]",
      bundle: true,
      splitting: true,
      write: false,
      sourcemap: true,
      sourcesContent: false,
      format: "esm",
      target: "esnext",
      platform: "node",
      conditions: ["convex", "module"],
      minifySyntax: true,
      minifyIdentifiers: true,
      keepNames: true,
    });
    const texts = new Map(
      result.outputFiles.map((file) => [path.relative(path.join(root, "out"), file.path), file.text]),
    );
    return [...texts]
      .filter(([name]) => name.endsWith(".js"))
      .map(([name, source]) => ({
        path: name,
        source,
        sourceMap: texts.get(`${name}.map`) ?? null,
        environment: "node",
      }));
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}

export type Answer = { readonly value: unknown } | { readonly error: string; readonly data?: unknown };

/** An engine that knows code and gives prepared answers; what actions ask of it is recorded. */
export class ActionEngine {
  readonly calls: { readonly kind: "query" | "mutation"; readonly call: FunctionCall }[] = [];
  /** JSON texts of `returns` validators by canonical path. */
  readonly returns = new Map<string, string>();
  onQuery: (call: FunctionCall) => Promise<Answer> = () => Promise.resolve({ value: null });
  onMutation: (call: FunctionCall) => Promise<Answer> = () => Promise.resolve({ value: null });
  onSystem: (operation: string, args: Record<string, unknown>) => string = (operation) => {
    throw badRequest("UnknownOperation", `Unknown operation ${operation}`);
  };
  #code: CodeVersionJson = code([], {});

  deploy(modules: readonly ModuleSource[], env: Readonly<Record<string, string>> = {}): void {
    this.#code = code(modules, env);
  }

  readonly api = {
    query: (call: FunctionCall) => this.#answer("query", call, this.onQuery),
    mutation: (call: MutationCall) => this.#answer("mutation", call, this.onMutation),
    prepareAction: (call: FunctionCall) => Promise.resolve(this.#prepare(call)),
    system: (operation: string, argsJson: string) => {
      if (operation === "code.load") return Promise.resolve(JSON.stringify(this.#code));
      if (operation === "http.prepare") return Promise.resolve(JSON.stringify(this.#prepareHttp(argsJson)));
      try {
        return Promise.resolve(this.onSystem(operation, JSON.parse(argsJson) as Record<string, unknown>));
      } catch (error) {
        return Promise.reject(error);
      }
    },
  } as unknown as EngineApi;

  #prepare({ target }: FunctionCall): PreparedAction {
    const address = target.kind === "path" ? target.path : (target.name ?? "");
    const [module = "", name = "default"] = address.split(":");
    const modulePath = module.endsWith(".js") ? module : `${module}.js`;
    const source = this.#code.modules.find((candidate) => candidate.path === modulePath);
    if (source === undefined) {
      return { ok: false, error: { message: `Could not find public function for '${address}'.\n` } };
    }
    const functionPath = `${modulePath}:${name}`;
    return {
      ok: true,
      componentPath: "",
      functionPath,
      environment: source.environment,
      returnsJson: this.returns.get(functionPath) ?? null,
      codeId: this.#code.id,
    };
  }

  /** Every path is the app's router's. */
  #prepareHttp(argsJson: string): PreparedHttpAction {
    const { method, path: localPath } = JSON.parse(argsJson) as Record<"method" | "path", string>;
    return {
      kind: "run",
      componentPath: "",
      codeId: this.#code.id,
      localPath,
      identifier: `${method} ${localPath}`,
    };
  }

  async #answer(
    kind: "query" | "mutation",
    call: FunctionCall,
    answer: (call: FunctionCall) => Promise<Answer>,
  ): Promise<QueryResult & MutationResult> {
    this.calls.push({ kind, call });
    const given = await answer(call);
    if ("value" in given) {
      return {
        ok: true,
        valueJson: JSON.stringify(given.value),
        logLines: [],
        ts: 1n,
        journal: null,
      };
    }
    const { error: message, data } = given;
    const error = data === undefined ? { message } : { message, dataJson: JSON.stringify(data) };
    return { ok: false, error, logLines: [], ts: 1n, journal: null };
  }
}

function code(modules: readonly ModuleSource[], env: Readonly<Record<string, string>>): CodeVersionJson {
  const id = createHash("sha256")
    .update(JSON.stringify([modules.map(({ path: name, source }) => [name, source]), env]))
    .digest("hex");
  return { id, modules, env, importSeed: "07".repeat(32), importTimestampMs: 1_600_000_000_000 };
}
