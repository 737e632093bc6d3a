import {
  loadDeployment as loadPushed,
  type PushedComponent,
  type PushedModule,
  type PushedModules,
} from "../deploy/loadDeployment.ts";
import { deploymentValue } from "../deploy/systemRows.ts";
import { assert } from "../base/assert.ts";
import type { DocumentWrite } from "../store/store.ts";
import {
  indexesTable,
  schemasTable,
  stagedValidatorsTable,
  systemTables,
  tablesTable,
} from "../store/systemTables.ts";
import type { Transaction } from "../transaction/transaction.ts";
import { parseArgsValidator, parseReturnsValidator } from "../values/validator.ts";
import type { ComponentCode, FunctionInfo, LoadedDeployment } from "./deployment.ts";
import { canonicalPath } from "./functionPath.ts";
import type { HttpRouteTree } from "./httpRouting.ts";

/** Keys of `_deployment` documents. */
export const pausedKey = "paused";
export const canonicalUrlKeys = { convexCloud: "canonicalCloudUrl", convexSite: "canonicalSiteUrl" } as const;

/** System tables whose change means new code or configuration; the others are data about data. */
const deploymentTablets: ReadonlySet<number> = new Set(
  systemTables
    .filter(({ name }) =>
      [
        "_modules",
        "_environment_variables",
        "_auth",
        "_components",
        "_component_definitions",
        "_udf_config",
        "_deployment",
        "_schemas",
      ].includes(name),
    )
    .map(({ tablet }) => tablet),
);
const backfillTablets: ReadonlySet<number> = new Set([
  indexesTable.tablet,
  schemasTable.tablet,
  stagedValidatorsTable.tablet,
]);

export function touchesDeployment(writes: readonly DocumentWrite[]): boolean {
  return writes.some(({ tablet }) => deploymentTablets.has(tablet));
}

/** True when there may be new work for the backfiller. */
export function touchesBackfills(writes: readonly DocumentWrite[]): boolean {
  return writes.some(({ tablet }) => backfillTablets.has(tablet));
}

/**
 * Read sets hold intervals of indexes, not the definitions of these: a query whose index changed or whose table was
 * dropped has to run again whatever it read. New tables are recorded as read by those who missed them.
 */
export function dropsOrChangesIndexes(writes: readonly DocumentWrite[]): boolean {
  return writes.some(
    ({ tablet, before }) =>
      before !== null && (tablet === indexesTable.tablet || tablet === tablesTable.tablet),
  );
}

export interface DeploymentLoadOptions {
  readonly version: number;
  /** As configured; a canonical URL set through the API replaces them. */
  readonly cloudUrl: string;
  readonly siteUrl: string;
}

export function canonicalUrls(
  tx: Transaction,
  options: { readonly cloudUrl: string; readonly siteUrl: string },
): { readonly convexCloudUrl: string; readonly convexSiteUrl: string } {
  return {
    convexCloudUrl: deploymentValue(tx, canonicalUrlKeys.convexCloud) || options.cloudUrl,
    convexSiteUrl: deploymentValue(tx, canonicalUrlKeys.convexSite) || options.siteUrl,
  };
}

/** Reads code and configuration from the system tables. */
export function loadDeployment(tx: Transaction, options: DeploymentLoadOptions): LoadedDeployment {
  const urls = canonicalUrls(tx, options);
  const pushed = loadPushed(tx, {
    CONVEX_CLOUD_URL: urls.convexCloudUrl,
    CONVEX_SITE_URL: urls.convexSiteUrl,
  });
  const components = componentsOf(pushed.components);
  return {
    version: options.version,
    components,
    httpRoutes: routesOf(pushed.components),
    authProviders: pushed.authProviders,
    environmentVariables: pushed.environmentVariables,
    unmounted: new Set(
      [...components.values()].filter(({ mounted }) => !mounted).map(({ namespace }) => namespace),
    ),
    paused: deploymentValue(tx, pausedKey) === "true",
    canonicalUrls: urls,
  };
}

function componentsOf(pushed: readonly PushedComponent[]): ReadonlyMap<string, ComponentCode> {
  const children = new Map(pushed.map(({ componentPath }) => [componentPath, new Map<string, string>()]));
  for (const { componentPath, mounted } of pushed) {
    if (componentPath === "" || !mounted) continue;
    const slash = componentPath.lastIndexOf("/");
    const parent = children.get(componentPath.slice(0, Math.max(0, slash)));
    parent?.set(componentPath.slice(slash + 1), componentPath);
  }
  const functions = new Map<PushedModules, ReadonlyMap<string, FunctionInfo>>();
  return new Map(
    pushed.map((component): [string, ComponentCode] => {
      const { componentPath, modules } = component;
      const known = functions.get(modules) ?? allFunctions(modules);
      functions.set(modules, known);
      const { namespace, definitionPath, mounted, args, code } = component;
      return [
        componentPath,
        {
          componentPath,
          namespace,
          definitionPath,
          mounted,
          children: children.get(componentPath) ?? new Map(),
          args,
          code,
          functions: known,
          modulePaths: new Set(modules.keys()),
        },
      ];
    }),
  );
}

/** The HTTP routes of the app, with those of what is mounted in it. */
function routesOf(pushed: readonly PushedComponent[]): HttpRouteTree {
  const components = new Map(pushed.map((component) => [component.componentPath, component]));
  const treeOf = (component: PushedComponent): HttpRouteTree => {
    const mounts = component.mounts.flatMap(({ prefix, componentPath }): [string, HttpRouteTree][] => {
      const child = components.get(componentPath);
      return child === undefined || !child.mounted ? [] : [[prefix, treeOf(child)]];
    });
    const { componentPath, modules, httpPrefix } = component;
    const routes = modules.get("http.js")?.analysis.httpRoutes?.map(({ route }) => route) ?? null;
    return { componentPath, routes, httpPrefix, mounts: new Map(mounts) };
  };
  const [app] = pushed;
  assert(app !== undefined, "the app is the first component");
  return treeOf(app);
}

function allFunctions(modules: PushedModules): ReadonlyMap<string, FunctionInfo> {
  const functions = new Map<string, FunctionInfo>();
  for (const [path, module] of modules)
    for (const info of functionsOf(path, module)) functions.set(canonicalPath(info.path), info);
  return functions;
}

function functionsOf(path: string, module: PushedModule): FunctionInfo[] {
  return module.analysis.functions.map((analyzed): FunctionInfo => {
    assert(path.endsWith(".js"), "module paths are canonical");
    return {
      path: { module: path, name: analyzed.name },
      udfType: analyzed.udfType,
      // Neither public nor internal: reachable by nobody but the server.
      visibility: analyzed.visibility?.kind ?? "internal",
      args: parseArgsValidator(analyzed.args),
      returns: parseReturnsValidator(analyzed.returns),
      returnsJson: analyzed.returns,
      environment: module.source.environment,
    };
  });
}
