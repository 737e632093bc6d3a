import { build, type BuildOptions } from "esbuild";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";

/** A module as the CLI uploads it. */
export interface BundledModule {
  readonly path: string;
  readonly source: string;
  readonly sourceMap?: string;
  readonly environment: "isolate" | "node";
}

export interface BundledApp {
  readonly definition: BundledModule;
  readonly schema: BundledModule | null;
  /** auth.config.js included. */
  readonly modules: readonly BundledModule[];
}

const nodePaths = [fileURLToPath(new URL("../../../../../node_modules", import.meta.url))];
const generatedServer = `
import { queryGeneric, mutationGeneric, actionGeneric, internalQueryGeneric, internalMutationGeneric, internalActionGeneric, httpActionGeneric } from "convex/server";
export const query = queryGeneric, mutation = mutationGeneric, action = actionGeneric;
export const internalQuery = internalQueryGeneric, internalMutation = internalMutationGeneric, internalAction = internalActionGeneric;
export const httpAction = httpActionGeneric;`;
const generatedApi = `
import { anyApi } from "convex/server";
export const api = anyApi, internal = anyApi;`;
const emptyDefinition = `import { defineApp } from "convex/server"; const app = defineApp(); export default app;`;

/**
 * For tests: bundles a functions directory with the options of the official CLI (reference cli-flows.md §4).
 * `files`: path below convex/ → source; `_generated/` is added.
 */
export async function bundleApp(files: Readonly<Record<string, string>>): Promise<BundledApp> {
  const root = mkdtempSync(join(tmpdir(), "lenslet-bundle-"));
  const convex = join(root, "convex");
  try {
    const all = {
      "_generated/server.js": generatedServer,
      "_generated/api.js": generatedApi,
      "convex.config.ts": emptyDefinition,
      ...files,
    };
    for (const [path, source] of Object.entries(all)) {
      mkdirSync(dirname(join(convex, path)), { recursive: true });
      writeFileSync(join(convex, path), source);
    }
    const entries = Object.keys(files).filter((path) => !/^schema\.|\.config\.|^_generated\//.test(path));
    const isNode = (path: string) => /^\s*["']use node["']/.test(files[path] ?? "");
    const bundle = (paths: readonly string[], environment: "isolate" | "node", options: BuildOptions = {}) =>
      runEsbuild(convex, paths, environment, options);
    const [isolate, node, schema, auth, definition] = await Promise.all([
      bundle(
        entries.filter((path) => !isNode(path)),
        "isolate",
      ),
      bundle(entries.filter(isNode), "node"),
      bundle("schema.ts" in files ? ["schema.ts"] : [], "isolate"),
      bundle("auth.config.ts" in files ? ["auth.config.ts"] : [], "isolate", { splitting: false }),
      bundle(["convex.config.ts"], "isolate", { minify: true, splitting: false }),
    ]);
    const [config] = definition;
    if (config === undefined) throw new Error("esbuild made no convex.config.js");
    return { definition: config, schema: schema[0] ?? null, modules: [...isolate, ...node, ...auth] };
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}

async function runEsbuild(
  convex: string,
  paths: readonly string[],
  environment: "isolate" | "node",
  options: BuildOptions,
): Promise<BundledModule[]> {
  if (paths.length === 0) return [];
  const { outputFiles } = await build({
    entryPoints: paths.map((path) => join(convex, path)),
    bundle: true,
    platform: environment === "node" ? "node" : "browser",
    format: "esm",
    target: "esnext",
    outdir: "out",
    outbase: convex,
    conditions: ["convex", "module"],
    sourcemap: true,
    sourcesContent: false,
    splitting: true,
    chunkNames: environment === "node" ? "_deps/node/[hash]" : "_deps/[hash]",
    treeShaking: true,
    minifySyntax: true,
    minifyIdentifiers: true,
    keepNames: true,
    define: { "process.env.NODE_ENV": '"production"' },
    nodePaths,
    ...options,
    write: false,
    logLevel: "silent",
  });
  const texts = new Map(
    outputFiles.map((file) => [relative("out", relative(process.cwd(), file.path)), file.text]),
  );
  const modules: BundledModule[] = [];
  for (const [path, source] of texts) {
    const sourceMap = texts.get(`${path}.map`);
    if (path.endsWith(".map")) continue;
    modules.push({ path, source, environment, ...(sourceMap === undefined ? {} : { sourceMap }) });
  }
  return modules;
}

/** A start_push body. `deployed`: hashes by path of modules the CLI would leave out. */
export function pushBody(
  app: BundledApp,
  options: Readonly<Record<string, unknown>> = {},
): Record<string, unknown> {
  return {
    adminKey: "key",
    dryRun: false,
    functions: "convex/",
    appDefinition: {
      definition: app.definition,
      dependencies: [],
      schema: app.schema,
      changedModules: app.modules,
      unchangedModuleHashes: [],
      udfServerVersion: "1.48.0",
    },
    componentDefinitions: [],
    nodeDependencies: [],
    ...options,
  };
}
