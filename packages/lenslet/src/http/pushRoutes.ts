import { badRequest } from "../base/errors.ts";
import {
  finishPushEnvelopeSchema,
  parseBody,
  pushBodyBytesMax,
  pushEnvelopeSchema,
  startPushEnvelopeSchema,
  waitForSchemaEnvelopeSchema,
} from "../protocol/http.ts";
import { firstMemberText } from "../protocol/httpJson.ts";
import { parseJson } from "./body.ts";
import { notFound } from "./errors.ts";
import type { Exchange } from "./exchange.ts";
import type { Router } from "./router.ts";
import type { JsonBody, PushService } from "./services.ts";

type Envelope =
  | typeof pushEnvelopeSchema
  | typeof startPushEnvelopeSchema
  | typeof waitForSchemaEnvelopeSchema
  | typeof finishPushEnvelopeSchema;
type Step = (push: PushService, body: JsonBody, exchange: Exchange) => Promise<JsonBody | null>;

/** The transport of http-api.md §6; what a push means is PushService's. */
export function addPushRoutes(router: Router): void {
  const add = (path: string, envelope: Envelope, step: Step) =>
    router.add("POST", path, (exchange) => forward(exchange, envelope, step));
  add("/api/get_config_hashes", pushEnvelopeSchema, (push, body) => push.getConfigHashes(body));
  add("/api/get_config", pushEnvelopeSchema, (push, body) => push.getConfig(body));
  add("/api/deploy2/start_push", startPushEnvelopeSchema, (push, body) => push.startPush(body));
  add("/api/deploy2/evaluate_push", startPushEnvelopeSchema, (push, body) => push.evaluatePush(body));
  add("/api/deploy2/wait_for_schema", waitForSchemaEnvelopeSchema, (push, body) => push.waitForSchema(body));
  add("/api/deploy2/finish_push", finishPushEnvelopeSchema, (push, body, exchange) =>
    push.finishPush({ ...body, client: exchange.clientMetadata() }),
  );
  add("/api/deploy2/report_push_completed", pushEnvelopeSchema, (push, body) =>
    push.reportPushCompleted(body),
  );
  router.add("POST", "/api/deploy2/evaluate_schema", (exchange) => {
    if (exchange.options.push.evaluateSchema === undefined) throw notFound(exchange.path);
    return forward(exchange, startPushEnvelopeSchema, async (push, body) => {
      return (await push.evaluateSchema?.(body)) ?? null;
    });
  });
}

async function forward(exchange: Exchange, envelope: Envelope, step: Step): Promise<void> {
  const text = await exchange.jsonText(pushBodyBytesMax);
  checkKeyBeforeParsing(exchange, text);
  const body = parseBody(envelope, parseJson(text)) as JsonBody & { readonly adminKey: string };
  // A body may repeat the field; the key that counts is the one of the parsed object.
  exchange.adminOf(body.adminKey);
  exchange.sendJson(JSON.stringify(await step(exchange.options.push, body, exchange)));
}

/** Parsing 200 MB takes seconds and gigabytes: a stranger does not get that far. */
function checkKeyBeforeParsing(exchange: Exchange, text: string): void {
  const keyText = firstMemberText(text, "adminKey");
  const key = keyText === undefined ? undefined : parseJson(keyText);
  if (typeof key !== "string") {
    throw badRequest("BadJsonBody", "The request body must be a JSON object with the string field adminKey.");
  }
  exchange.adminOf(key);
}
