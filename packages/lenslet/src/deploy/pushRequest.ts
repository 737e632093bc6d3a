import { createHash } from "node:crypto";
import { z } from "zod";
import { badRequest } from "../base/errors.ts";
import type { ModuleSource } from "../runner/types.ts";
import { formatBinarySize } from "../values/size.ts";
import type { ComponentSources } from "./analysisTypes.ts";

/** Function files, chunks under `_deps/` not counted (reference limits.md #86). */
export const functionFilesMax = 4096;
/** All sources and source maps of a push (reference limits.md #87). */
export const pushBytesMax = 230_000_000;

export interface ModuleHash {
  readonly path: string;
  readonly environment: "isolate" | "node";
  /** Lower-case hex of `hashModule`. */
  readonly sha256: string;
}

/** Directory of a component relative to the app's (reference limits.md #88). */
export const definitionPathCharsMax = 2048;

/** A start_push, evaluate_push or evaluate_schema request after parsing (reference http-api.md §6.2). */
export interface PushRequest {
  readonly dryRun: boolean;
  readonly forCodegen: boolean;
  /** The functions directory as configured, e.g. "convex/". */
  readonly functions: string;
  readonly definition: ModuleSource | null;
  readonly schema: ModuleSource | null;
  readonly changedModules: readonly ModuleSource[];
  readonly unchangedModules: readonly ModuleHash[];
  readonly components: readonly ComponentSources[];
  readonly udfServerVersion: string;
  readonly nodeDependencies: readonly { readonly name: string; readonly version: string }[];
  readonly nodeVersion: string | null;
}

const environmentShape = z.enum(["isolate", "node"]);
const moduleShape = z
  .object({
    path: z.string(),
    source: z.string(),
    sourceMap: z.string().nullish(),
    environment: environmentShape.optional(),
  })
  .transform((module): ModuleSource => ({
    path: module.path,
    source: module.source,
    sourceMap: module.sourceMap ?? null,
    environment: module.environment ?? "isolate",
  }));
const hashShape = z.object({ path: z.string(), environment: environmentShape, sha256: z.string() });
const requestShape = z.object({
  dryRun: z.boolean().optional(),
  forCodegen: z.boolean().optional(),
  functions: z.string(),
  appDefinition: z.object({
    definition: moduleShape.nullish(),
    schema: moduleShape.nullish(),
    changedModules: z.array(moduleShape).optional(),
    // What CLIs up to 1.31.5 send instead: all modules.
    functions: z.array(moduleShape).optional(),
    unchangedModuleHashes: z.array(hashShape).optional(),
    udfServerVersion: z.string(),
  }),
  componentDefinitions: z.array(
    z.object({
      definitionPath: z.string().min(1).max(definitionPathCharsMax),
      definition: moduleShape,
      dependencies: z.array(z.string()),
      schema: moduleShape.nullish(),
      functions: z.array(moduleShape),
      udfServerVersion: z.string(),
    }),
  ),
  nodeDependencies: z.array(z.object({ name: z.string(), version: z.string() })).optional(),
  nodeVersion: z.string().nullish(),
});

/** What the reference puts in front of every refusal of a push. */
export function pushError(code: string, message: string): ReturnType<typeof badRequest> {
  return badRequest(code, `Hit an error while pushing:\n${message}`);
}

/** Parses the body of a push; the caller has checked the admin key. Throws BadRequest. */
export function parsePushRequest(json: unknown): PushRequest {
  const parsed = requestShape.safeParse(json);
  if (!parsed.success)
    throw pushError("InvalidConfig", `The push is not valid: ${z.prettifyError(parsed.error)}`);
  const { data } = parsed;
  const app = data.appDefinition;
  const request: PushRequest = {
    dryRun: data.dryRun ?? false,
    forCodegen: data.forCodegen ?? false,
    functions: data.functions,
    definition: app.definition ?? null,
    schema: app.schema ?? null,
    changedModules: app.changedModules ?? app.functions ?? [],
    unchangedModules: app.unchangedModuleHashes ?? [],
    components: data.componentDefinitions.map((component) => ({
      definitionPath: component.definitionPath,
      definition: component.definition,
      dependencies: component.dependencies,
      schema: component.schema ?? null,
      modules: component.functions,
      serverVersion: component.udfServerVersion,
      known: null,
    })),
    udfServerVersion: app.udfServerVersion,
    nodeDependencies: data.nodeDependencies ?? [],
    nodeVersion: data.nodeVersion ?? null,
  };
  checkLimits(request);
  return request;
}

function checkLimits(request: PushRequest): void {
  const { changedModules, unchangedModules, components, nodeVersion } = request;
  if (nodeVersion === "18") {
    throw pushError(
      "NodeVersionNotSupported",
      "Node.js 18 is not supported. Set node.nodeVersion in convex.json to 20 or newer.",
    );
  }
  checkModulePaths([...changedModules, ...unchangedModules], "");
  const definitionPaths = new Set<string>();
  for (const { definitionPath, modules } of components) {
    if (definitionPaths.has(definitionPath))
      throw pushError("InvalidConfig", `The component ${definitionPath} is in the push twice.`);
    definitionPaths.add(definitionPath);
    checkModulePaths(modules, ` of the component ${definitionPath}`);
    const node = modules.find(({ environment }) => environment === "node");
    if (node !== undefined) {
      throw pushError(
        "NodeActionsNotSupported",
        `"use node" directive is not supported in components. Remove it from ${node.path} of the component ${definitionPath}.`,
      );
    }
  }
  const files = [...changedModules, ...unchangedModules].filter(
    ({ path }) => !path.startsWith("_deps/"),
  ).length;
  if (files > functionFilesMax) {
    throw pushError(
      "InvalidModules",
      `Too many function files (${files} > maximum ${functionFilesMax}) in "${request.functions}". See our docs (https://docs.convex.dev/using/writing-convex-functions#using-libraries) for more details.`,
    );
  }
  let bytes = 0;
  for (const module of [...changedModules, ...components.flatMap(({ modules }) => modules)])
    bytes += module.source.length + (module.sourceMap?.length ?? 0);
  if (bytes >= pushBytesMax) {
    throw pushError(
      "ModulesTooLarge",
      `Total module size exceeded the unzipped maximum (${formatBinarySize(bytes)} > maximum size ${formatBinarySize(pushBytesMax)})`,
    );
  }
}

function checkModulePaths(modules: readonly { readonly path: string }[], where: string): void {
  const paths = new Set<string>();
  for (const { path } of modules) {
    checkModulePath(path);
    if (paths.has(path))
      throw pushError("InvalidModules", `The module ${path}${where} is in the push twice.`);
    paths.add(path);
  }
}

const segmentPattern = /^[A-Za-z0-9_.]{1,64}$/;

/** The rule of reference functions.md §3 for canonical module paths. */
function checkModulePath(path: string): void {
  const bad = (reason: string) =>
    pushError("BadConvexModuleIdentifier", `${path} is not a valid path to a Convex module. ${reason}`);
  if (!path.endsWith(".js")) throw bad("Module paths end in .js.");
  for (const segment of path.slice(0, -3).split("/")) {
    if (segment === "") throw bad("It has an empty path component.");
    if (!segmentPattern.test(segment)) {
      throw bad(
        `Path component ${segment} can only contain alphanumeric characters, underscores, or periods, and at most 64 of them.`,
      );
    }
    if (!/[A-Za-z0-9]/.test(segment))
      throw bad(`Path component ${segment} must have at least one alphanumeric character.`);
  }
  if (path.startsWith("_system/")) throw bad("Paths starting with _system/ are reserved.");
}

/** The hash the CLI compares to leave out unchanged modules: over the source, then the source map. */
export function hashModule(module: { readonly source: string; readonly sourceMap: string | null }): string {
  return createHash("sha256")
    .update(module.source)
    .update(module.sourceMap ?? "")
    .digest("hex");
}
