import { badRequest } from "../base/errors.ts";
import type { Transaction } from "../transaction/transaction.ts";
import type { AnalysisRequest, AuthAnalysisResult } from "./analysisTypes.ts";
import { authConfigPath } from "./analyze.ts";
import {
  readAppDefinition,
  readEnvironmentVariables,
  readModules,
  readUdfConfig,
  updateEnvironmentVariables,
  writeAuthProviders,
} from "./configuration.ts";
import { applyEnvironmentVariableChanges, type EnvironmentVariableChange } from "./environmentVariables.ts";
import { rootNamespace } from "./systemRows.ts";

/**
 * What `analyzePushedAuth` needs to know whether the deployed auth.config.ts can live with these changes; null when
 * there is none, and nothing to evaluate. Throws BadRequest when the changes themselves are refused.
 */
export function prepareAuthAnalysis(
  tx: Transaction,
  changes: readonly EnvironmentVariableChange[],
  builtInVariables: Readonly<Record<string, string>>,
): AnalysisRequest | null {
  const declared = readAppDefinition(tx).envVars ?? [];
  const environmentVariables = applyEnvironmentVariableChanges(
    readEnvironmentVariables(tx),
    changes,
    declared,
  );
  const row = readModules(tx, rootNamespace).find(({ value }) => value.path === authConfigPath);
  const config = readUdfConfig(tx, rootNamespace);
  if (row === undefined || config === null) return null;
  const { path, source, sourceMap, environment } = row.value;
  return {
    definition: null,
    schema: null,
    modules: [{ path, source, sourceMap, environment }],
    components: [],
    environmentVariables,
    builtInVariables,
    importSeed: new Uint8Array(config.value.importSeed),
    importTimestampMs: config.value.importTimestampMs,
  };
}

/**
 * Commits the changes together with the providers that follow from them. `evaluated`: the request and its result, or
 * null when there was nothing to evaluate. Throws BadRequest: what the evaluation refused, and RaceDetected (ask again)
 * when variables or code changed meanwhile.
 */
export function commitEnvironmentVariables(
  tx: Transaction,
  changes: readonly EnvironmentVariableChange[],
  evaluated: { readonly request: AnalysisRequest; readonly result: AuthAnalysisResult } | null,
): void {
  const now = prepareAuthAnalysis(tx, changes, evaluated?.request.builtInVariables ?? {});
  const isStale = evidence(now) !== evidence(evaluated?.request ?? null);
  if (isStale)
    throw badRequest(
      "RaceDetected",
      "The deployment has changed meanwhile. Set the environment variables again.",
    );
  if (evaluated !== null) {
    if (!evaluated.result.ok) throw badRequest(evaluated.result.code, evaluated.result.message);
    writeAuthProviders(tx, evaluated.result.auth);
  }
  updateEnvironmentVariables(tx, changes);
}

function evidence(request: AnalysisRequest | null): string | null {
  return request === null ? null : JSON.stringify([request.modules, request.environmentVariables]);
}
