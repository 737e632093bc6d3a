import type { Timers } from "../base/clock.ts";
import { analyzePushedAuth } from "../deploy/analysisWorker.ts";
import type { EngineApi } from "../engine/api.ts";
import { type AnalysisRequestJson, fromJson } from "../engine/systemOperations.ts";

/**
 * Changes environment variables. auth.config.js may read them, so it is evaluated anew first, in a process of its own;
 * what it then says is committed together with the variables, or the change is refused. Throws LensletError.
 */
export async function updateEnvironment(
  engine: EngineApi,
  timers: Timers,
  argsJson: string,
): Promise<string> {
  const request = JSON.parse(await engine.system("env.prepare", argsJson)) as AnalysisRequestJson | null;
  const evaluated =
    request === null ? null : { request, result: await analyzePushedAuth(fromJson(request), { timers }) };
  return engine.system("env.commit", JSON.stringify({ ...(JSON.parse(argsJson) as object), evaluated }));
}
