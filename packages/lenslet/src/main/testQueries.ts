import fs from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { parse } from "acorn";
import { badRequest } from "../base/errors.ts";
import type { EngineApi } from "../engine/api.ts";
import type { TestQueryService } from "../http/services.ts";
import type { ModuleSource } from "../runner/types.ts";

/** What a test query imports: `query` and `internalQuery`. */
const wrappersPath = "convex:/_system/repl/wrappers.js";
const runtimeFolder = "convex:/_system/repl/convex/dist/esm/";
const wrappersSource = `import { queryGeneric, internalQueryGeneric } from "./convex/dist/esm/server/index.js";
export { queryGeneric as query, internalQueryGeneric as internalQuery };
`;

/** One-off queries of the dashboard, `convex run --inline-query` and the MCP server (http-api.md §9). Nothing is pushed. */
export function createTestQueries(engine: EngineApi): TestQueryService {
  let runtime: readonly ModuleSource[] | null = null;
  return {
    runTestQuery: async ({ bundle, argsJson, componentId, identity, requestId }) => {
      const componentPath =
        componentId === null || componentId === "" ? "" : await pathOfComponent(engine, componentId);
      const unknown = testImports(bundle.source).find((specifier) => specifier !== wrappersPath);
      if (unknown !== undefined) {
        throw badRequest(
          "InvalidModules",
          `Could not analyze the given module:\nIt imports "${unknown}"; only "${wrappersPath}" can be imported.`,
        );
      }
      runtime ??= readRuntime();
      const modulePath = bundle.path.endsWith(".js") ? bundle.path : `${bundle.path}.js`;
      const { source, sourceMap } = bundle;
      return engine.query({
        target: { kind: "path", path: `${modulePath}:default`, componentPath },
        inlineModules: [...runtime, { path: modulePath, source, sourceMap, environment: "isolate" }],
        argsJson,
        identity,
        caller: "Tester",
        requestId,
      });
    },
  };
}

/** Throws ComponentNotFound. */
async function pathOfComponent(engine: EngineApi, componentId: string): Promise<string> {
  return JSON.parse(await engine.system("admin.componentPath", JSON.stringify({ componentId }))) as string;
}

function testImports(source: string): string[] {
  try {
    return importsOf(source);
  } catch (error) {
    throw badRequest(
      "InvalidModules",
      `Could not analyze the given module:\nUncaught SyntaxError: ${(error as Error).message}`,
    );
  }
}

/** The server half of the installed `convex` package, as modules that nothing but test queries sees. */
function readRuntime(): readonly ModuleSource[] {
  const root = convexFolder();
  const modules = new Map<string, ModuleSource>();
  const add = (relative: string): void => {
    const name = runtimeFolder + relative;
    if (modules.has(name)) return;
    const source = fs.readFileSync(path.join(root, relative), "utf8");
    modules.set(name, { path: name, source, sourceMap: null, environment: "isolate" });
    for (const specifier of importsOf(source)) {
      if (specifier.startsWith(".")) add(path.posix.join(path.posix.dirname(relative), specifier));
    }
  };
  add("server/index.js");
  return [
    ...modules.values(),
    { path: wrappersPath, source: wrappersSource, sourceMap: null, environment: "isolate" },
  ];
}

/** Beside this package, or in the project that the server was started in. */
function convexFolder(): string {
  for (const from of [import.meta.url, path.join(process.cwd(), "package.json")]) {
    try {
      const manifest = createRequire(from).resolve("convex/package.json");
      return path.join(path.dirname(manifest), "dist/esm");
    } catch {
      // Not here.
    }
  }
  throw badRequest(
    "ConvexPackageMissing",
    "One-off queries need the convex package where the server runs. Install it there (npm install convex), or put the query into your convex/ folder.",
  );
}

/** Throws a SyntaxError. */
function importsOf(source: string): string[] {
  const { body } = parse(source, { ecmaVersion: "latest", sourceType: "module" });
  return body.flatMap((statement) =>
    "source" in statement && statement.source ? [String(statement.source.value)] : [],
  );
}
