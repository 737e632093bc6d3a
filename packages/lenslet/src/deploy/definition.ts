import { z } from "zod";
import { badRequest } from "../base/errors.ts";
import { parseValidator } from "../values/validator.ts";
import { checkIdentifier } from "../values/names.ts";
import type { AnalyzedModule, DefinitionMetadata, ExportBranch, ExportNode } from "./analysisTypes.ts";
import {
  builtInVariableNames,
  isStringLike,
  variableNameIsLegal,
  type DeclaredVariable,
} from "./environmentVariables.ts";

const bindingShape = z.discriminatedUnion("type", [
  z.object({ type: z.literal("value"), value: z.string() }),
  z.object({ type: z.literal("envVar"), name: z.string() }),
]);
const definitionShape = z.object({
  definitionType: z.object({ type: z.string(), name: z.string().optional() }),
  httpPrefix: z.string().nullish(),
  childComponents: z
    .array(
      z.object({
        name: z.string(),
        path: z.string(),
        args: z
          .array(z.tuple([z.string(), z.object({ type: z.literal("value"), value: z.string() })]))
          .nullish(),
        env: z.array(z.tuple([z.string(), bindingShape])).nullish(),
      }),
    )
    .optional(),
  httpMounts: z.record(z.string(), z.string()).optional(),
  envVars: z
    .array(
      z.tuple([
        z.string(),
        z.object({ type: z.literal("value"), value: z.string(), optional: z.boolean().optional() }),
      ]),
    )
    .nullish(),
});
type ExportedDefinition = z.infer<typeof definitionShape>;

/** The definition of an app that has no convex.config.ts. */
export const plainAppDefinition: DefinitionMetadata = {
  path: "",
  definitionType: { type: "app" },
  childComponents: [],
  httpMounts: {},
  httpPrefix: null,
  exports: { type: "branch", branch: [] },
  envVars: null,
};

const noExports: ExportBranch = { type: "branch", branch: [] };

/**
 * Parses what `export()` of the app's convex.config.js returned. Throws BadRequest.
 * Source: reference functions.md §12, http-api.md §6.2.
 */
export function parseAppDefinition(exported: unknown): DefinitionMetadata {
  const definition = parseExported(exported, "");
  if (definition.definitionType.type !== "app") {
    throw badRequest(
      "InvalidConvexConfig",
      "convex.config.ts of the app must export an app: use `defineApp()`, not `defineComponent()`.",
    );
  }
  return { ...commonParts(definition, ""), definitionType: { type: "app" }, exports: noExports };
}

/** The same for a component's convex.config.js. `exports` is still empty: see `exportsOf`. */
export function parseComponentDefinition(exported: unknown, definitionPath: string): DefinitionMetadata {
  const definition = parseExported(exported, definitionPath);
  const { type, name } = definition.definitionType;
  if (type !== "childComponent" || name === undefined) {
    throw badRequest(
      "InvalidConvexConfig",
      `convex.config.ts of the component ${definitionPath} must export a component: use \`defineComponent("name")\`.`,
    );
  }
  const badName = checkIdentifier(name);
  if (badName !== null)
    throw badRequest("InvalidConvexConfig", `The component ${definitionPath} has a bad name: ${badName}`);
  const definitionType = { type: "childComponent" as const, name, args: [] as const };
  return { ...commonParts(definition, definitionPath), definitionType, exports: noExports };
}

function parseExported(exported: unknown, definitionPath: string): ExportedDefinition {
  const parsed = definitionShape.safeParse(exported);
  if (parsed.success) return parsed.data;
  throw badRequest(
    "InvalidConvexConfig",
    `convex.config.ts${definitionPath === "" ? "" : ` of ${definitionPath}`} is invalid: ${z.prettifyError(parsed.error)}`,
  );
}

function commonParts(
  { httpPrefix, childComponents, httpMounts, envVars }: ExportedDefinition,
  path: string,
): Omit<DefinitionMetadata, "definitionType" | "exports"> {
  return {
    path,
    childComponents: (childComponents ?? []).map((child) => {
      const badName = checkIdentifier(child.name);
      if (badName !== null) throw badRequest("InvalidConvexConfig", `Invalid component name: ${badName}`);
      return { name: child.name, path: child.path, args: child.args ?? [], env: child.env ?? null };
    }),
    httpMounts: httpMounts ?? {},
    httpPrefix: httpPrefix ?? null,
    envVars: envVars?.map(parseDeclaration) ?? null,
  };
}

/**
 * What a component offers its parent: its public functions, one branch for each segment of the module's path. A module
 * whose path cannot be written as `components.name.dir.file` is left out.
 */
export function exportsOf(modules: Readonly<Record<string, AnalyzedModule>>): ExportBranch {
  const root: ExportTree = new Map();
  for (const [path, { functions }] of Object.entries(modules)) {
    const module = path.slice(0, -".js".length);
    const segments = module.split("/");
    const names = functions.filter(({ visibility }) => visibility?.kind === "public").map(({ name }) => name);
    if (names.length === 0 || segments.some((segment) => checkIdentifier(segment) !== null)) continue;
    let branch: ExportTree | null = root;
    for (const segment of segments) branch = branch === null ? null : branchAt(branch, segment);
    for (const name of names) {
      if (branch !== null && !branch.has(name)) branch.set(name, `_reference/function/${module}:${name}`);
    }
  }
  return branchOf(root);
}

type ExportTree = Map<string, ExportTree | string>;

/** Null when a function already has the name. */
function branchAt(tree: ExportTree, segment: string): ExportTree | null {
  const known = tree.get(segment);
  if (known !== undefined) return typeof known === "string" ? null : known;
  const branch: ExportTree = new Map();
  tree.set(segment, branch);
  return branch;
}

function branchOf(tree: ExportTree): ExportBranch {
  const branch = [...tree].map(([name, node]): readonly [string, ExportNode] => [
    name,
    typeof node === "string" ? { type: "leaf", leaf: node } : branchOf(node),
  ]);
  return { type: "branch", branch };
}

function parseDeclaration([name, declaration]: readonly [
  string,
  { readonly value: string; readonly optional?: boolean | undefined },
]): DeclaredVariable {
  if (!variableNameIsLegal(name)) {
    const reason = builtInVariableNames.includes(name)
      ? "it is set by the server"
      : "it is not a legal variable name";
    throw badRequest(
      "InvalidEnvVarDeclaration",
      `convex.config.ts can't declare the environment variable "${name}": ${reason}.`,
    );
  }
  if (!isStringLike(parseValidator(JSON.parse(declaration.value)))) {
    throw badRequest(
      "InvalidEnvVarDeclaration",
      `The environment variable "${name}" must be declared as a string, a string literal or a union of these (optional or not), since variables hold text.`,
    );
  }
  return [
    name,
    {
      type: "value",
      value: declaration.value,
      ...(declaration.optional === true ? { optional: true as const } : {}),
    },
  ];
}
