import { z } from "zod";
import { badRequest } from "../base/errors.ts";
import { parseValidator } from "../values/validator.ts";
import type { DefinitionMetadata } from "./analysisTypes.ts";
import {
  builtInVariableNames,
  isStringLike,
  variableNameIsLegal,
  type DeclaredVariable,
} from "./environmentVariables.ts";

const definitionShape = z.object({
  definitionType: z.object({ type: z.string() }),
  httpPrefix: z.string().nullish(),
  childComponents: z.array(z.object({ name: z.string() })).optional(),
  envVars: z
    .array(
      z.tuple([
        z.string(),
        z.object({ type: z.literal("value"), value: z.string(), optional: z.boolean().optional() }),
      ]),
    )
    .nullish(),
});

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

/**
 * Parses what `export()` of the app's convex.config.js returned. Throws BadRequest.
 * Source: reference functions.md §12, http-api.md §6.2.
 */
export function parseAppDefinition(exported: unknown): DefinitionMetadata {
  const parsed = definitionShape.safeParse(exported);
  if (!parsed.success) {
    throw badRequest("InvalidConvexConfig", `convex.config.ts is invalid: ${z.prettifyError(parsed.error)}`);
  }
  const { definitionType, httpPrefix, childComponents, envVars } = parsed.data;
  if (definitionType.type !== "app") {
    throw badRequest(
      "InvalidConvexConfig",
      "convex.config.ts of the app must export an app: use `defineApp()`, not `defineComponent()`.",
    );
  }
  if (childComponents !== undefined && childComponents.length > 0) {
    throw badRequest(
      "ComponentsNotAvailable",
      `Components are not available in this version of Lenslet, they come in a later one. Remove these from convex.config.ts: ${childComponents.map(({ name }) => name).join(", ")}`,
    );
  }
  return {
    ...plainAppDefinition,
    httpPrefix: httpPrefix ?? null,
    envVars: envVars?.map(parseDeclaration) ?? null,
  };
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
