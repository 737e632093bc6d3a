import { badRequest } from "../base/errors.ts";
import type { Namespace } from "../store/store.ts";
import type { Validator } from "../values/validator.ts";
import type { CodeVersion } from "../runner/types.ts";
import type { UdfType } from "./api.ts";
import { canonicalPath, type FunctionPath } from "./functionPath.ts";
import type { HttpRouteTree } from "./httpRouting.ts";

/** One registered function of the pushed code. */
export interface FunctionInfo {
  readonly path: FunctionPath;
  readonly udfType: UdfType;
  readonly visibility: "public" | "internal";
  /** Null: no validator was declared, anything is accepted. */
  readonly args: Validator | null;
  readonly returns: Validator | null;
  readonly returnsJson: string | null;
  readonly environment: "isolate" | "node";
}

/** One component instance's code; the app is the instance at "". */
export interface ComponentCode {
  readonly componentPath: string;
  readonly namespace: Namespace;
  readonly definitionPath: string;
  /** False: it was unmounted. Its functions can still be run by admins and jobs, but write nothing. */
  readonly mounted: boolean;
  /** Component paths of what is mounted in it, by name. */
  readonly children: ReadonlyMap<string, string>;
  /** What it was given before components had `env`: JSON texts, by name. */
  readonly args: Readonly<Record<string, string>>;
  readonly code: CodeVersion;
  /** By canonical path. */
  readonly functions: ReadonlyMap<string, FunctionInfo>;
  readonly modulePaths: ReadonlySet<string>;
}

/** Everything of the pushed code and configuration that a call needs; replaced as a whole by a push or env change. */
export interface LoadedDeployment {
  readonly version: number;
  readonly components: ReadonlyMap<string, ComponentCode>;
  readonly authProviders: readonly unknown[];
  readonly environmentVariables: Readonly<Record<string, string>>;
  /** Of the app, with what is mounted in it. */
  readonly httpRoutes: HttpRouteTree;
  /** Of components that are not mounted any more. */
  readonly unmounted: ReadonlySet<Namespace>;
  readonly paused: boolean;
  readonly canonicalUrls: { readonly convexCloudUrl: string; readonly convexSiteUrl: string };
}

export const pausedMessage =
  "Cannot run functions while this deployment is paused. Resume the deployment in the dashboard settings to allow functions to run.";

export function functionOf(component: ComponentCode, path: FunctionPath): FunctionInfo | null {
  return component.functions.get(canonicalPath(path)) ?? null;
}

/** Throws ComponentPathNotFound. */
export function componentOf(deployment: LoadedDeployment, componentPath: string): ComponentCode {
  const component = deployment.components.get(componentPath);
  if (component === undefined) {
    throw badRequest("ComponentPathNotFound", `Component ${componentPath} not found`);
  }
  return component;
}
