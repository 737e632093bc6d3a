import { z } from "zod";
import type { Timers } from "../base/clock.ts";
import { badRequest } from "../base/errors.ts";
import { analyzePush } from "../deploy/analysisWorker.ts";
import type { EngineApi } from "../engine/api.ts";
import { type AnalysisRequestJson, fromJson } from "../engine/systemOperations.ts";
import type { JsonBody, PushService } from "../http/services.ts";
import { externalPackagesModule, externalPackagesOf } from "../runner/externalPackages.ts";
import type { ExternalPackages } from "./externalPackages.ts";
import { failpointOf } from "./failpoints.ts";

/** How often a waiting `wait_for_schema` looks at the state of the push. */
const schemaPollIntervalMs = 50;
const schemaWaitMaxMs = 30_000;

/**
 * A push between three parties: the engine knows what is deployed, the analysis thread evaluates the new code where
 * it can harm nobody, the engine commits.
 */
export function createPushService(
  engine: EngineApi,
  timers: Timers,
  externalPackages: ExternalPackages | null = null,
): PushService {
  const failpoint = failpointOf(process.env["LENSLET_FAILPOINT"]);
  const system = async (operation: string, args: unknown): Promise<JsonBody> =>
    JSON.parse(await engine.system(operation, JSON.stringify(args))) as JsonBody;

  const analyzed = async (operation: string, sent: JsonBody): Promise<JsonBody> => {
    const body = withExternalPackages(sent);
    const input = (await system("push.prepare", body)) as unknown as AnalysisRequestJson;
    await externalPackages?.ensure(externalPackagesOf(input.modules));
    const result = await analyzePush(fromJson(input), {
      timers,
      ...(externalPackages === null ? {} : { externalPackagesFolder: externalPackages.root }),
    });
    if (!result.ok) throw badRequest(result.code, result.message);
    return system(operation, { body, input, analysis: result.analysis });
  };

  return {
    getConfigHashes: () => system("push.configHashes", {}),
    getConfig: async () => {
      throw badRequest("EndpointRemoved", "get_config is not served; current CLIs use get_config_hashes.");
    },
    startPush: (body) => analyzed("push.start", body),
    evaluatePush: (body) => analyzed("push.evaluate", body),
    evaluateSchema: (body) => analyzed("push.evaluateSchema", body),
    finishPush: async (body) => {
      const finished = await system("push.finish", body);
      failpoint("push.finished");
      return finished;
    },
    reportPushCompleted: () => Promise.resolve(null),
    waitForSchema: async (body) => {
      const timeoutMs = Math.min(Number(body["timeoutMs"] ?? 10_000), schemaWaitMaxMs);
      for (let waitedMs = 0; ; waitedMs += schemaPollIntervalMs) {
        const state = await system("push.schemaState", body);
        if (state["type"] !== "inProgress" || waitedMs >= timeoutMs) return state;
        await new Promise<void>((resolve) => timers.setTimeout(resolve, schemaPollIntervalMs));
      }
    },
  };
}

const dependenciesShape = z.looseObject({
  nodeDependencies: z.array(z.object({ name: z.string(), version: z.string() })).min(1),
  appDefinition: z.looseObject({
    changedModules: z.array(z.unknown()).optional(),
    functions: z.array(z.unknown()).optional(),
  }),
});

/** Adds the list of packages to the modules that are pushed, see runner/externalPackages.ts. */
function withExternalPackages(body: JsonBody): JsonBody {
  const parsed = dependenciesShape.safeParse(body);
  if (!parsed.success) return body;
  const { nodeDependencies, appDefinition } = parsed.data;
  const list = externalPackagesModule(nodeDependencies);
  // Old CLIs send all modules under another name.
  const field = appDefinition.changedModules === undefined ? "functions" : "changedModules";
  const modules = [...(appDefinition[field] ?? []), list];
  return { ...body, appDefinition: { ...appDefinition, [field]: modules } };
}
