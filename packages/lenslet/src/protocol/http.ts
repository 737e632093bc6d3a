import { z } from "zod";
import { badRequest } from "../base/errors.ts";

/**
 * Shapes of the HTTP API's requests (reference http-api.md §3, §6-§9), for parsing at the door. Unknown fields
 * are dropped from flat requests and kept where the body travels on as a whole (push).
 */

/** Public function API: 16 MiB of arguments and their envelope. */
export const functionBodyBytesMax = 16 * 1024 * 1024 + 2000;
export const pushBodyBytesMax = 200_000_000;
export const echoBodyBytesMax = 128 * 1024 * 1024;
/** Every other JSON endpoint. */
export const plainBodyBytesMax = 2 * 1024 * 1024;
export const batchQueriesMax = 1000;

/** Function arguments: the object, or the positional array the JS client sends. */
export type Arguments = { readonly [field: string]: unknown } | readonly unknown[];
export function isArguments(json: unknown): json is Arguments {
  return typeof json === "object" && json !== null;
}
const argumentsSchema = z.custom<Arguments>(isArguments, "expected an object or an array holding one");

const formatSchema = z.string().nullish();

export const functionRequestSchema = z.object({
  path: z.string(),
  args: argumentsSchema,
  format: formatSchema,
});

export const anyFunctionRequestSchema = z.object({
  path: z.string(),
  args: argumentsSchema,
  format: formatSchema,
  componentPath: z.string().nullish(),
});

export const runRequestSchema = z.object({ args: argumentsSchema, format: formatSchema });

export const queryAtTsRequestSchema = z.object({
  path: z.string(),
  args: argumentsSchema,
  format: formatSchema,
  ts: z.string(),
});

export const queryBatchRequestSchema = z.object({ queries: z.array(functionRequestSchema) });

export const queryParametersSchema = z.object({
  path: z.string(),
  args: z.string(),
  format: z.string().optional(),
});

const objectSchema = z.record(z.string(), z.unknown());

/** Bodies of the push endpoints: the envelope only; deploy/ parses what lies inside. */
export const pushEnvelopeSchema = z.looseObject({ adminKey: z.string() });
export const startPushEnvelopeSchema = z.looseObject({
  adminKey: z.string(),
  dryRun: z.boolean(),
  functions: z.string(),
  appDefinition: objectSchema,
  componentDefinitions: z.array(objectSchema),
});
export const waitForSchemaEnvelopeSchema = z.looseObject({
  adminKey: z.string(),
  schemaChange: objectSchema,
  timeoutMs: z.number().nonnegative().nullish(),
  dryRun: z.boolean().optional(),
});
export const finishPushEnvelopeSchema = z.looseObject({
  adminKey: z.string(),
  startPush: objectSchema,
  dryRun: z.boolean(),
  message: z.string().nullish(),
});

export const testFunctionRequestSchema = z.object({
  adminKey: z.string(),
  bundle: z.object({ path: z.string(), source: z.string(), sourceMap: z.string().nullish() }),
  args: argumentsSchema,
  format: formatSchema,
  componentId: z.string().nullish(),
});

export const environmentUpdateSchema = z.object({
  changes: z.array(z.object({ name: z.string(), value: z.string().nullish() })),
});

export const canonicalUrlUpdateSchema = z.object({
  requestDestination: z.enum(["convexCloud", "convexSite"]),
  url: z.string().nullish(),
});

export const deleteComponentSchema = z.object({ componentId: z.string() });

export const deleteTablesSchema = z.object({
  tableNames: z.array(z.string()),
  componentId: z.string().nullish(),
});

export const componentBodySchema = z.object({ componentId: z.string().nullish() });
export const cancelJobSchema = z.object({ id: z.string(), componentId: z.string().nullish() });
/** Times in nanoseconds. */
export const cancelAllJobsSchema = z.object({
  componentId: z.string().nullish(),
  componentPath: z.string().nullish(),
  udfPath: z.string().nullish(),
  startNextTs: z.union([z.number(), z.string()]).nullish(),
  endNextTs: z.union([z.number(), z.string()]).nullish(),
});

/** Throws BadJsonBody with the place and the reason. */
export function parseBody<Schema extends z.ZodType>(schema: Schema, json: unknown): z.infer<Schema> {
  const parsed = schema.safeParse(json);
  if (parsed.success) return parsed.data;
  throw badRequest(
    "BadJsonBody",
    `The request body is not what this endpoint expects: ${describe(parsed.error)}`,
  );
}

/** Throws BadQueryArgs with the place and the reason. */
export function parseQuery<Schema extends z.ZodType>(
  schema: Schema,
  parameters: URLSearchParams,
): z.infer<Schema> {
  const parsed = schema.safeParse(Object.fromEntries(parameters));
  if (parsed.success) return parsed.data;
  throw badRequest(
    "BadQueryArgs",
    `The query string is not what this endpoint expects: ${describe(parsed.error)}`,
  );
}

const issuesShownMax = 5;
const issueTextMax = 200;

function describe(error: z.ZodError): string {
  const texts = error.issues.slice(0, issuesShownMax).map((issue) => {
    const place = issue.path.length === 0 ? "" : `${issue.path.map(String).join(".")}: `;
    return `${place}${issue.message}`.slice(0, issueTextMax);
  });
  return texts.join("; ");
}

export type OutputFormat = "encoded" | "clean" | "export";

/** Throws BadFormat. Source: http-api.md §3.1. */
export function parseFormat(format: string | null | undefined, fallback: OutputFormat): OutputFormat {
  switch (format) {
    case undefined:
    case null:
      return fallback;
    case "convex_encoded_json":
    case "convex_json":
      return "encoded";
    case "json":
    case "convex_clean_json":
      return "clean";
    case "export_json":
      return "export";
    default:
      throw badRequest(
        "BadFormat",
        `${JSON.stringify(format.slice(0, 100))} is not an output format. Use convex_encoded_json, json or export_json.`,
      );
  }
}

const u64Pattern = /^[A-Za-z0-9+/]{11}=$/;

/** Base64 of 8 little-endian bytes (sync-protocol.md §2.1); null when the text is not exactly that. */
export function decodeU64(text: string): bigint | null {
  if (!u64Pattern.test(text)) return null;
  const bytes = Buffer.from(text, "base64");
  return bytes.length === 8 && bytes.toString("base64") === text ? bytes.readBigUInt64LE() : null;
}

export function encodeU64(value: bigint): string {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(value);
  return bytes.toString("base64");
}

/** What a full admin key may do (http-api.md §1.3). */
export const operationNames = [
  "Deploy",
  "ViewEnvironmentVariables",
  "WriteEnvironmentVariables",
  "PauseDeployment",
  "UnpauseDeployment",
  "ViewLogs",
  "ViewMetrics",
  "ViewIntegrations",
  "WriteIntegrations",
  "ViewData",
  "WriteData",
  "ViewBackups",
  "CreateBackups",
  "DownloadBackups",
  "DeleteBackups",
  "ImportBackups",
  "ActAsUser",
  "RunInternalQueries",
  "RunInternalMutations",
  "RunInternalActions",
  "RunTestQuery",
  "ViewAuditLog",
  "ViewUsageLimits",
  "WriteUsageLimits",
  "ViewUsage",
] as const;
