import { expect } from "vitest";
import { finishPush, type FinishPushDiff } from "../finishPush.ts";
import { prepareAnalysis, startPush, waitForSchemaState, type StartPushResponse } from "../push.ts";
import { parsePushRequest } from "../pushRequest.ts";
import type { SchemaStatus } from "../schemaState.ts";
import { schemaOnly, type TestDeployment } from "./testDeployment.ts";

/** For tests: the steps of pushing an app that has nothing but a schema. */
export function start(
  deployment: TestDeployment,
  schema: unknown,
  options: Record<string, boolean> = {},
): StartPushResponse {
  const request = parsePushRequest({
    adminKey: "",
    dryRun: false,
    ...options,
    functions: "convex/",
    appDefinition: {
      definition: null,
      dependencies: [],
      schema: null,
      changedModules: [],
      unchangedModuleHashes: [],
      udfServerVersion: "1.48.0",
    },
    componentDefinitions: [],
    nodeDependencies: [],
  });
  const input = deployment.commit((tx) =>
    prepareAnalysis(tx, request, {
      random: deployment.random,
      clock: deployment.clock,
      builtInVariables: {},
    }),
  );
  return deployment.commit((tx) => startPush(tx, request, input, schemaOnly(schema), deployment.pending));
}

export function status(deployment: TestDeployment, started: StartPushResponse, dryRun = false): SchemaStatus {
  return deployment.commit((tx) => waitForSchemaState(tx, started.schemaChange, dryRun));
}

export function finish(
  deployment: TestDeployment,
  started: StartPushResponse,
  dryRun = false,
): FinishPushDiff {
  const { pushId } = started.componentDefinitionPackages[""];
  return deployment.commit((tx) => finishPush(tx, { pushId, dryRun, message: null }, deployment.pending));
}
export function push(deployment: TestDeployment, schema: unknown): FinishPushDiff {
  const started = start(deployment, schema);
  deployment.backfill();
  expect(status(deployment, started)).toEqual({ type: "complete" });
  return finish(deployment, started);
}
