import { badRequest } from "../base/errors.ts";
import type { FunctionCall, FunctionResult, Identity, UdfType } from "../engine/api.ts";
import { inComponent, parseFunctionPath, strippedPath } from "../engine/functionPath.ts";
import {
  anyFunctionRequestSchema,
  batchQueriesMax,
  decodeU64,
  encodeU64,
  functionBodyBytesMax,
  functionRequestSchema,
  isArguments,
  parseBody,
  parseFormat,
  parseQuery,
  queryAtTsRequestSchema,
  queryBatchRequestSchema,
  queryParametersSchema,
  runRequestSchema,
  type Arguments,
  type OutputFormat,
} from "../protocol/http.ts";
import { defaultFormat } from "../protocol/httpClient.ts";
import { elementTexts, memberText } from "../protocol/httpJson.ts";
import { parseJson } from "./body.ts";
import type { Exchange } from "./exchange.ts";
import { functionResponse } from "./functionResponse.ts";
import type { Router } from "./router.ts";

const runPrefix = "/api/run/";

/** The public function API, http-api.md §3. */
export function addFunctionRoutes(router: Router): void {
  router.add("POST", "/api/query", (exchange) => callByPath(exchange, "Query"));
  router.add("POST", "/api/mutation", (exchange) => callByPath(exchange, "Mutation"));
  router.add("POST", "/api/action", (exchange) => callByPath(exchange, "Action"));
  router.add("GET", "/api/query", getQuery);
  router.add("POST", "/api/query_ts", (exchange) => {
    exchange.sendJson(`{"ts":"${encodeU64(exchange.options.engine.latestTs())}"}`);
  });
  router.add("POST", "/api/query_at_ts", queryAtTs);
  router.add("POST", "/api/query_batch", queryBatch);
  router.add("POST", "/api/function", anyFunction);
  router.addPrefix("POST", runPrefix, runByUrl);
}

async function callByPath(exchange: Exchange, kind: "Query" | "Mutation" | "Action"): Promise<void> {
  const text = await exchange.jsonText(functionBodyBytesMax);
  const body = parseBody(functionRequestSchema, parseJson(text));
  const format = parseFormat(body.format, defaultFormat(exchange.client()));
  parseFunctionPath(body.path);
  const argsJson = argumentsText(body.args, memberText(text, "args"));
  const call = newCall(exchange, await exchange.identity(), body.path, "", argsJson);
  respond(exchange, call, format, await execute(exchange, kind, call));
}

async function getQuery(exchange: Exchange): Promise<void> {
  const parameters = parseQuery(queryParametersSchema, exchange.query);
  const format = parseFormat(parameters.format, defaultFormat(exchange.client()));
  parseFunctionPath(parameters.path);
  const argsJson = argumentsText(parseArgumentsParameter(parameters.args), parameters.args);
  const call = newCall(exchange, await exchange.identity(), parameters.path, "", argsJson);
  respond(exchange, call, format, await exchange.options.engine.query(call));
}

function parseArgumentsParameter(text: string): Arguments {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    parsed = null;
  }
  if (isArguments(parsed)) return parsed;
  throw badRequest("BadQueryArgs", 'The query parameter "args" must be the JSON text of an object.');
}

async function queryAtTs(exchange: Exchange): Promise<void> {
  const text = await exchange.jsonText(functionBodyBytesMax);
  const body = parseBody(queryAtTsRequestSchema, parseJson(text));
  const format = parseFormat(body.format, defaultFormat(exchange.client()));
  parseFunctionPath(body.path);
  const atTs = decodeU64(body.ts);
  if (atTs === null)
    throw badRequest("BadJsonBody", "ts must be the base64 text of 8 bytes, as query_ts returns it.");
  const argsJson = argumentsText(body.args, memberText(text, "args"));
  const call = newCall(exchange, await exchange.identity(), body.path, "", argsJson);
  respond(exchange, call, format, await exchange.options.engine.query({ ...call, atTs }));
}

/** All queries see one snapshot. One that cannot be run at all fails the whole batch. */
async function queryBatch(exchange: Exchange): Promise<void> {
  const text = await exchange.jsonText(functionBodyBytesMax);
  const { queries } = parseBody(queryBatchRequestSchema, parseJson(text));
  if (queries.length > batchQueriesMax) {
    throw badRequest(
      "BadJsonBody",
      `A batch may hold at most ${batchQueriesMax} queries, not ${queries.length}.`,
    );
  }
  const fallback = defaultFormat(exchange.client());
  const identity = await exchange.identity();
  const queryTexts = elementTexts(memberText(text, "queries") ?? "[]");
  const calls = queries.map((query, index) => {
    parseFunctionPath(query.path);
    const argsJson = argumentsText(query.args, memberText(queryTexts[index] ?? "", "args"));
    const format = parseFormat(query.format, fallback);
    return { call: newCall(exchange, identity, query.path, "", argsJson), format };
  });
  const { engine, redact } = exchange.options;
  const atTs = engine.latestTs();
  const results = await Promise.all(
    calls.map(async ({ call, format }) => {
      const result = await engine.query({ ...call, atTs });
      return functionResponse(result, format, call.requestId, redact);
    }),
  );
  exchange.sendJson(`{"results":[${results.join(",")}]}`);
}

async function anyFunction(exchange: Exchange): Promise<void> {
  const identity = await exchange.admin();
  const text = await exchange.jsonText(functionBodyBytesMax);
  const body = parseBody(anyFunctionRequestSchema, parseJson(text));
  const format = parseFormat(body.format, defaultFormat(exchange.client()));
  const componentPath = body.componentPath ?? "";
  checkComponentPath(componentPath);
  const argsJson = argumentsText(body.args, memberText(text, "args"));
  await lookUpAndCall(exchange, newCall(exchange, identity, body.path, componentPath, argsJson), format);
}

async function runByUrl(exchange: Exchange): Promise<void> {
  const path = functionPathOfUrl(exchange.path.slice(runPrefix.length));
  const text = await exchange.jsonText(functionBodyBytesMax);
  const body = parseBody(runRequestSchema, parseJson(text));
  const format = parseFormat(body.format, "clean");
  const argsJson = argumentsText(body.args, memberText(text, "args"));
  const call = newCall(exchange, await exchange.identity(), path, "", argsJson);
  await lookUpAndCall(exchange, call, format);
}

/** "dir/messages/list" is function "dir/messages:list". Throws MissingIdentifier, BadPathArgs. */
function functionPathOfUrl(rest: string): string {
  let segments: string[];
  try {
    segments = rest.split("/").map(decodeURIComponent);
  } catch {
    throw badRequest("BadPathArgs", "The path is not valid percent-encoded UTF-8.");
  }
  const name = segments.pop();
  if (segments.length === 0 || name === undefined || name === "") {
    throw badRequest(
      "MissingIdentifier",
      "The URL must be of the form /api/run/{module path}/{function name}.",
    );
  }
  return `${segments.join("/")}:${name}`;
}

async function lookUpAndCall(exchange: Exchange, call: PathCall, format: OutputFormat): Promise<void> {
  const path = parseFunctionPath(call.target.path);
  const isSystem = path.module.startsWith("_system/");
  const kind = isSystem ? null : await exchange.options.engine.lookup(call.target, call.identity);
  if (kind === null || kind === "HttpAction") {
    const place = inComponent(call.target.componentPath);
    const message = `Could not find function for '${strippedPath(path)}'${place}. Did you forget to run \`npx convex dev\`?`;
    respond(exchange, call, format, { ok: false, error: { message }, logLines: [] });
    return;
  }
  respond(exchange, call, format, await execute(exchange, kind, call));
}

function execute(
  exchange: Exchange,
  kind: Exclude<UdfType, "HttpAction">,
  call: FunctionCall,
): Promise<FunctionResult> {
  const { engine } = exchange.options;
  if (kind === "Query") return engine.query(call);
  if (kind === "Mutation") return engine.mutation(call);
  return exchange.options.runAction(call);
}

type PathCall = FunctionCall & {
  readonly target: { readonly kind: "path"; readonly path: string; readonly componentPath: string };
};

function newCall(
  exchange: Exchange,
  identity: Identity,
  path: string,
  componentPath: string,
  argsJson: string,
): PathCall {
  return {
    target: { kind: "path", path, componentPath },
    argsJson,
    identity,
    caller: "HttpApi",
    requestId: exchange.newRequestId(),
    client: exchange.clientMetadata(),
  };
}

function respond(exchange: Exchange, call: FunctionCall, format: OutputFormat, result: FunctionResult): void {
  exchange.sendJson(functionResponse(result, format, call.requestId, exchange.options.redact));
}

/** The positional array as text: `args` decides the shape, `text` is how the client wrote it. */
export function argumentsText(args: Arguments, text: string | undefined): string {
  const written = text ?? JSON.stringify(args);
  return Array.isArray(args) ? written : `[${written}]`;
}

const componentNamePattern = /^[A-Za-z_][A-Za-z0-9_]{0,63}$/;

function checkComponentPath(path: string): void {
  if (path === "" || path.split("/").every((name) => componentNamePattern.test(name))) return;
  throw badRequest(
    "InvalidComponentPath",
    `${JSON.stringify(path.slice(0, 200))} is not a valid component path.`,
  );
}
