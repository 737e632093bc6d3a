import { badRequest } from "../../lenslet/src/base/errors.ts";
import { type ExportedSchema, normalizeSchema } from "../../lenslet/src/deploy/schemaJson.ts";
import type { SchemaJson } from "../../lenslet/src/deploy/schemaTypes.ts";
import { parseFunctionPath, strippedPath } from "../../lenslet/src/engine/functionPath.ts";
import type { Namespace } from "../../lenslet/src/store/store.ts";
import type { JsonObject } from "../../lenslet/src/transaction/syscallArguments.ts";
import { installEnvironments } from "./guards.ts";
import type { LoadedFunction, ModuleMap } from "./modules.ts";
import { cloudUrl, siteUrl } from "./platform.ts";
import type { ComponentMount } from "./types.ts";

/** One mounted component; the app itself has the path "". */
export interface Component {
  readonly path: string;
  readonly namespace: Namespace;
  readonly modules: ModuleMap;
  /** Where its HTTP routes are served by its parent, e.g. "/auth/"; null: nowhere. Of the app: its own prefix. */
  httpPrefix: string | null;
  /** All that `process.env` has within its functions; null: what the process has. */
  environment: Readonly<Record<string, string>> | null;
}

export interface Resolved {
  readonly component: Component;
  readonly fn: LoadedFunction;
}

/** A schema as its module exports it: `defineSchema(...)`. */
export interface ExportableSchema {
  export(): string;
}

const schemas = new WeakMap<object, SchemaJson>();

/** Worked out once for all tests of a file: they share the schema's object. */
export function schemaJsonOf(schema: object): SchemaJson {
  let json = schemas.get(schema);
  if (json === undefined) {
    json = normalizeSchema(JSON.parse((schema as ExportableSchema).export()) as ExportedSchema);
    schemas.set(schema, json);
  }
  return json;
}

/** The components of one test and how functions are addressed among them (reference functions.md §3). */
export class Deployment {
  readonly #components = new Map<string, Component>();

  add(component: Component): void {
    this.#components.set(component.path, component);
  }

  component(path: string): Component {
    const component = this.#components.get(path);
    if (component === undefined) throw unregistered(path);
    return component;
  }

  childrenOf({ path }: Component): readonly Component[] {
    const prefix = path === "" ? "" : `${path}/`;
    return this.components.filter(
      (other) =>
        other.path !== "" && other.path.startsWith(prefix) && !other.path.slice(prefix.length).includes("/"),
    );
  }

  /** What `convex.config.ts` says of a component, which only works in a bundle. */
  mount(path: string, { httpPrefix, env }: ComponentMount): void {
    const component = this.component(path);
    if (httpPrefix !== undefined)
      component.httpPrefix = httpPrefix.endsWith("/") ? httpPrefix : `${httpPrefix}/`;
    if (env === undefined) return;
    const siteUrlHere = `${siteUrl}${this.#prefixesOf(path)}`;
    component.environment = { ...env, CONVEX_CLOUD_URL: cloudUrl, CONVEX_SITE_URL: siteUrlHere };
    installEnvironments();
  }

  /** Under which path the routes of a component are served. */
  #prefixesOf(path: string): string {
    const names = path.split("/");
    const above = names.map((_, i) => this.component(names.slice(0, i + 1).join("/")).httpPrefix ?? "/");
    return above.map((prefix) => prefix.slice(0, -1)).join("");
  }

  get components(): readonly Component[] {
    return [...this.#components.values()];
  }

  /** Resolves `{name}`, `{reference}` or `{functionHandle}` as seen from a component; visibility is not checked. */
  async resolve(address: JsonObject, from: Component): Promise<Resolved> {
    const { name, reference, functionHandle } = address;
    if (typeof functionHandle === "string") return this.#resolveHandle(functionHandle);
    if (typeof reference === "string") return this.#resolveReference(reference, from);
    if (typeof name === "string") return this.#lookUp(name, from);
    throw badRequest("InvalidReference", "Missing required argument 'name'");
  }

  /**
   * `1.0/createFunctionHandle`: `function://<component path>;<function path>`. Whether there is such a function is found
   * out when it is called: tests make handles of functions that they never run.
   */
  handleOf(address: JsonObject, from: Component): string {
    const { name, reference, functionHandle } = address;
    if (typeof functionHandle === "string") return functionHandle;
    const { componentPath, functionPath } =
      typeof reference === "string"
        ? addressOf(reference, from)
        : { componentPath: from.path, functionPath: typeof name === "string" ? name : "" };
    return `function://${componentPath};${strippedPath(parseFunctionPath(functionPath))}`;
  }

  async #lookUp(text: string, component: Component): Promise<Resolved> {
    const lookup = await component.modules.find(parseFunctionPath(text));
    if (!lookup.found) throw badRequest("FunctionNotFound", lookup.message);
    return { component, fn: lookup.fn };
  }

  async #resolveReference(reference: string, from: Component): Promise<Resolved> {
    const { componentPath, functionPath } = addressOf(reference, from);
    return this.#lookUp(functionPath, this.component(componentPath));
  }

  #resolveHandle(handle: string): Promise<Resolved> {
    const [, componentPath, functionPath] = /^function:\/\/([^#;]*);(.+)$/.exec(handle) ?? [];
    if (componentPath === undefined || functionPath === undefined)
      throw badRequest("InvalidFunctionHandle", `Invalid function handle ${handle}`);
    return this.#lookUp(functionPath, this.component(componentPath));
  }
}

interface Address {
  readonly componentPath: string;
  readonly functionPath: string;
}

/** What `_reference/…` means to a function of the component `from`. */
function addressOf(reference: string, from: Component): Address {
  const own = /^_reference\/function\/(.+)$/.exec(reference);
  if (own?.[1] !== undefined) return { componentPath: from.path, functionPath: own[1] };
  const child = /^_reference\/childComponent\/([^/]+)\/(.+)\/([^/]+)$/.exec(reference);
  if (child === null) throw badRequest("InvalidReference", `Couldn't resolve ${reference}`);
  const [, childName = "", module = "", name = ""] = child;
  const componentPath = from.path === "" ? childName : `${from.path}/${childName}`;
  return { componentPath, functionPath: `${module}:${name}` };
}

function unregistered(path: string): Error {
  return badRequest(
    "ComponentNotFound",
    `Component "${path}" is not registered. Call t.registerComponent(${JSON.stringify(path)}, schema, modules) first; ` +
      'published components have a helper for it, `import component from "<package>/test"; component.register(t)`.',
  );
}
