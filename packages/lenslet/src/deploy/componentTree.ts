import { assert } from "../base/assert.ts";
import { checkValue, isSubset, parseValidator } from "../values/validator.ts";
import type { Analysis, DefinitionAnalysis, EnvBinding } from "./analysisTypes.ts";
import type { DeclaredVariable } from "./environmentVariables.ts";
import { pushError } from "./pushRequest.ts";

/** Instances of a push, the app included. The platform has no such limit; this one keeps a push finite. */
export const componentInstancesMax = 1000;
/** Nesting of components. Calls may be nested eight deep at most, so nothing deeper could be called from the app. */
export const componentDepthMax = 32;

/** One component as it is mounted; the app is the root of the tree. */
export interface ComponentInstance {
  /** "" for the app, else names from the app down, joined by "/". */
  readonly path: string;
  readonly name: string;
  readonly definitionPath: string;
  /** JSON texts, by name. */
  readonly args: Readonly<Record<string, string>>;
  readonly env: Readonly<Record<string, EnvBinding>>;
  /** Where its parent serves its HTTP routes, e.g. "/auth/"; null: nowhere. Of the app: its own prefix. */
  readonly httpPrefix: string | null;
  readonly children: readonly ComponentInstance[];
}

/**
 * Mounts the definitions of a push and checks that they fit together. Throws TypecheckError (functions.md §12).
 */
export function componentTree(analysis: Analysis, checks: TreeChecks): ComponentInstance {
  return new Instantiation(analysis, checks).app();
}

export interface TreeChecks {
  /** False: a missing variable is nobody's fault, as when code is generated for one component alone. */
  readonly checkRequired: boolean;
  /** False: the analysis has no functions, so nobody knows who has routes. */
  readonly checkRoutes?: boolean;
}

/** Parents before their children. */
export function instancesOf(instance: ComponentInstance): readonly ComponentInstance[] {
  return [instance, ...instance.children.flatMap(instancesOf)];
}

export function definitionOf(analysis: Analysis, definitionPath: string): DefinitionAnalysis {
  const found = definitionPath === "" ? analysis : analysis.components[definitionPath];
  assert(found !== undefined, "an instance has a definition");
  return found;
}

export function childPath(componentPath: string, name: string): string {
  return componentPath === "" ? name : `${componentPath}/${name}`;
}

class Instantiation {
  readonly #analysis: Analysis;
  readonly #checkRequired: boolean;
  readonly #checkRoutes: boolean;
  #instances = 0;

  constructor(analysis: Analysis, { checkRequired, checkRoutes = true }: TreeChecks) {
    this.#analysis = analysis;
    this.#checkRequired = checkRequired;
    this.#checkRoutes = checkRoutes;
  }

  app(): ComponentInstance {
    const { httpPrefix } = this.#analysis.definition;
    const app = { path: "", name: "", definitionPath: "", args: {}, env: {}, httpPrefix };
    return { ...app, children: this.#children("", "", []) };
  }

  #children(
    parentPath: string,
    parentDefinition: string,
    ancestors: readonly string[],
  ): readonly ComponentInstance[] {
    const parent = definitionOf(this.#analysis, parentDefinition);
    const names = new Set<string>();
    const children = parent.definition.childComponents.map((child): ComponentInstance => {
      const path = childPath(parentPath, child.name);
      if (names.has(child.name)) {
        throw typecheckError(
          `${label(parentPath)} has multiple child components with the same name: ${child.name}`,
        );
      }
      names.add(child.name);
      this.#checkMountable(path, child.path, ancestors);
      const { definition } = definitionOf(this.#analysis, child.path);
      const env = Object.fromEntries(child.env ?? []);
      this.#checkEnv(path, env, definition.envVars ?? [], parent.definition.envVars ?? []);
      return {
        path,
        name: child.name,
        definitionPath: child.path,
        args: Object.fromEntries(child.args.map(([name, { value }]) => [name, value])),
        env,
        httpPrefix: prefixOf(parent, child.name),
        children: this.#children(path, child.path, [...ancestors, child.path]),
      };
    });
    this.#checkMounts(parent, children);
    return children;
  }

  #checkMountable(path: string, definitionPath: string, ancestors: readonly string[]): void {
    if (this.#analysis.components[definitionPath] === undefined) {
      throw typecheckError(`${label(path)} has a definition that is not part of the push: ${definitionPath}`);
    }
    if (ancestors.includes(definitionPath)) {
      throw typecheckError(
        `${label(path)} uses its own definition: ${[...ancestors, definitionPath].join(" -> ")}`,
      );
    }
    this.#instances += 1;
    if (this.#instances > componentInstancesMax)
      throw typecheckError(`${label(path)} is one too many: an app may have ${componentInstancesMax}.`);
    if (ancestors.length >= componentDepthMax)
      throw typecheckError(`${label(path)} is nested too deeply (maximum ${componentDepthMax}).`);
  }

  #checkEnv(
    path: string,
    env: Readonly<Record<string, EnvBinding>>,
    declared: readonly DeclaredVariable[],
    parentDeclared: readonly DeclaredVariable[],
  ): void {
    const own = new Map(declared);
    const inherited = new Map(parentDeclared);
    for (const [name, binding] of Object.entries(env)) {
      const declaration = own.get(name);
      if (declaration === undefined) throw typecheckError(`${label(path)} has no env var named ${name}`);
      const validator = parseValidator(JSON.parse(declaration.value));
      if (binding.type === "value") {
        const error = checkValue(validator, binding.value, noIds);
        if (error !== null)
          throw typecheckError(`${label(path)} has an invalid value for env var ${name}: ${error}`);
        continue;
      }
      const parent = inherited.get(binding.name);
      const problem = (text: string) => typecheckError(`${label(path)} env var ${name} ${text}`);
      if (parent === undefined) throw problem(`references undeclared parent env var ${binding.name}`);
      if (declaration.optional !== true && parent.optional === true)
        throw problem(`is required, but parent env var ${binding.name} is optional`);
      if (!isSubset(parseValidator(JSON.parse(parent.value)), validator))
        throw problem(`validator is not satisfied by parent env var ${binding.name} validator`);
    }
    if (!this.#checkRequired) return;
    for (const [name, declaration] of declared) {
      if (declaration.optional !== true && !Object.hasOwn(env, name))
        throw typecheckError(`${label(path)} is missing required env var ${name}`);
    }
  }

  #checkMounts(parent: DefinitionAnalysis, children: readonly ComponentInstance[]): void {
    for (const [prefix, reference] of Object.entries(parent.definition.httpMounts)) {
      const name = childOfReference(reference);
      const child = children.find((candidate) => candidate.name === name);
      const problem = (text: string) => typecheckError(`HTTP mount ${prefix} is invalid: ${text}`);
      if (child === undefined) throw problem(`Child component ${JSON.stringify(name)} not found.`);
      if (!this.#checkRoutes) continue;
      const { definition, modules } = definitionOf(this.#analysis, child.definitionPath);
      const hasRoutes = (modules["http.js"]?.httpRoutes ?? null) !== null;
      if (!hasRoutes && Object.keys(definition.httpMounts).length === 0)
        throw problem(`${label(child.path)} doesn't have any HTTP routes.`);
    }
  }
}

const noIds = { tableNameOf: () => null };

function label(componentPath: string): string {
  return `Component ${componentPath === "" ? "(app)" : componentPath}`;
}

function typecheckError(message: string): ReturnType<typeof pushError> {
  return pushError("TypecheckError", message);
}

/** "_reference/childComponent/auth" to "auth". */
export function childOfReference(reference: string): string {
  return reference.replace(/^_reference\/childComponent\//, "");
}

/** The first of several wins, as for a child that is mounted twice. */
function prefixOf(parent: DefinitionAnalysis, childName: string): string | null {
  for (const [prefix, reference] of Object.entries(parent.definition.httpMounts))
    if (childOfReference(reference) === childName) return prefix;
  return null;
}

/** The tree as a start_push answer shows it (reference http-api.md §6.2). */
export function checkedComponent(instance: ComponentInstance, analysis: Analysis): unknown {
  const { definition, modules } = definitionOf(analysis, instance.definitionPath);
  const routes = modules["http.js"]?.httpRoutes ?? null;
  const values = Object.entries(instance.args).map(([name, value]) => [name, { type: "value", value }]);
  return {
    definitionPath: instance.definitionPath,
    componentPath: instance.path,
    httpPrefix: instance.httpPrefix,
    args: Object.fromEntries(values),
    env: instance.env,
    childComponents: Object.fromEntries(
      instance.children.map((child) => [child.name, checkedComponent(child, analysis)]),
    ),
    httpRoutes: {
      httpModuleRoutes:
        routes === null ? null : routes.map(({ route }) => ({ method: route.method, path: route.path })),
      mounts: Object.keys(definition.httpMounts),
    },
    exports: checkedExports(instance.path, definition.exports.branch),
  };
}

type Branch = DefinitionAnalysis["definition"]["exports"]["branch"];

function checkedExports(component: string, branch: Branch): unknown {
  const entries = branch.map(([name, node]): [string, unknown] => {
    if (node.type === "branch")
      return [name, { type: "branch", children: checkedExports(component, node.branch) }];
    const path = node.leaf.replace(/^_reference\/function\//, "").replace(/:([^:]*)$/, ".js:$1");
    return [name, { type: "leaf", resource: { type: "function", path: { component, udfPath: path } } }];
  });
  return Object.fromEntries(entries);
}
