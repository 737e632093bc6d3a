import { analyze } from "../analyze.ts";
import type { Analysis } from "../analysisTypes.ts";
import { finishPush, parseFinishPushRequest, type FinishPushDiff } from "../finishPush.ts";
import { prepareAnalysis, startPush, waitForSchemaState, type StartPushResponse } from "../push.ts";
import { parsePushRequest } from "../pushRequest.ts";
import { cliSchemas, throughCli } from "./cliShapes.ts";
import type { TestDeployment } from "./testDeployment.ts";

const startShapes = await cliSchemas("startPush");
const finishShapes = await cliSchemas("finishPush");

export const builtInVariables = {
  CONVEX_CLOUD_URL: "http://127.0.0.1:3210",
  CONVEX_SITE_URL: "http://127.0.0.1:3211",
};

/** For tests: the steps of a push with everything that the CLI checks; they throw what the CLI would be told. */
export async function startApp(
  deployment: TestDeployment,
  body: Readonly<Record<string, unknown>>,
): Promise<StartPushResponse> {
  const request = parsePushRequest(body);
  const { random, clock } = deployment;
  const input = deployment.commit((tx) => prepareAnalysis(tx, request, { random, clock, builtInVariables }));
  const result = await analyze(input, { clock, onModule: () => {} });
  if (!result.ok) throw new Error(`${result.code}: ${result.message}`);
  // As after the way between the threads.
  const analysis = JSON.parse(JSON.stringify(result.analysis)) as Analysis;
  const answer = deployment.commit((tx) => startPush(tx, request, input, analysis, deployment.pending));
  return throughCli(startShapes["startPushResponse"], answer);
}

export function finishApp(deployment: TestDeployment, startPush: StartPushResponse): FinishPushDiff {
  const request = parseFinishPushRequest({ adminKey: "key", startPush, dryRun: false, message: null });
  const diff = deployment.commit((tx) => finishPush(tx, request, deployment.pending));
  return throughCli(finishShapes["finishPushDiff"], diff);
}

export async function pushApp(
  deployment: TestDeployment,
  body: Readonly<Record<string, unknown>>,
): Promise<FinishPushDiff> {
  const started = await startApp(deployment, body);
  deployment.backfill();
  const status = deployment.commit((tx) => waitForSchemaState(tx, started.schemaChange, false));
  if (status.type !== "complete") throw new Error(JSON.stringify(status));
  return finishApp(deployment, started);
}
