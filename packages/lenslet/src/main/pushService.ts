import { z } from "zod";
import type { Timers } from "../base/clock.ts";
import { badRequest } from "../base/errors.ts";
import type { Analysis } from "../deploy/analysisTypes.ts";
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

  const analyze = async (
    body: JsonBody,
  ): Promise<{ readonly input: AnalysisRequestJson; readonly analysis: Analysis }> => {
    const input = (await system("push.prepare", body)) as unknown as AnalysisRequestJson;
    await externalPackages?.ensure(externalPackagesOf(input.modules));
    const result = await analyzePush(fromJson(input), {
      timers,
      ...(externalPackages === null ? {} : { externalPackagesFolder: externalPackages.root }),
    });
    if (!result.ok) throw badRequest(result.code, result.message);
    return { input, analysis: result.analysis };
  };

  return {
    getConfigHashes: () => system("push.configHashes", {}),
    getConfig: async () => {
      throw badRequest("EndpointRemoved", "get_config is not served; current CLIs use get_config_hashes.");
    },
    startPush: async (sent) => {
      const body = withExternalPackages(sent);
      const { input, analysis } = await analyze(body);
      // Megabytes of sources, which the input has too.
      return system("push.start", { body: withoutSources(body), input, analysis });
    },
    evaluatePush: async (sent) => {
      const { analysis } = await analyze(withExternalPackages(sent));
      return system("push.evaluate", { analysis });
    },
    evaluateSchema: async (sent) => {
      const { analysis } = await analyze(withoutFunctions(sent));
      return system("push.evaluateSchema", { analysis });
    },
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

const sourcesShape = z.looseObject({
  appDefinition: z.looseObject({}),
  componentDefinitions: z.array(z.looseObject({})),
});

/** The schemas and definitions of a push: all that evaluate_schema is about, and a tenth of the work. */
function withoutFunctions(body: JsonBody): JsonBody {
  const parsed = sourcesShape.safeParse(body);
  // "push.prepare" says what is wrong with it.
  if (!parsed.success) return body;
  const { appDefinition, componentDefinitions } = parsed.data;
  const none = { changedModules: [], unchangedModuleHashes: [], functions: [] };
  return {
    ...body,
    nodeDependencies: [],
    appDefinition: { ...appDefinition, ...none },
    componentDefinitions: componentDefinitions.map((component) => ({ ...component, functions: [] })),
  };
}

/** What a push says besides its code. */
function withoutSources(body: JsonBody): JsonBody {
  const rest = withoutFunctions(body) as { readonly appDefinition: object };
  return {
    ...rest,
    appDefinition: { ...rest.appDefinition, definition: null, schema: null },
    componentDefinitions: [],
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
