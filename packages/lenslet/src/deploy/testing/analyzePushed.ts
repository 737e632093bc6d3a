import { analyze } from "../analyze.ts";
import { prepareAnalysis } from "../push.ts";
import { parsePushRequest } from "../pushRequest.ts";
import { builtInVariables } from "./appPush.ts";
import { bundleApp, pushBody } from "./testBundle.ts";
import { TestDeployment } from "./testDeployment.ts";

/** What a push evaluates of a request's body, and nothing committed of it. */
export async function analyzePushed(deployment: TestDeployment, body: Record<string, unknown>) {
  const request = parsePushRequest(body);
  const { random, clock } = deployment;
  const input = deployment.commit((tx) => prepareAnalysis(tx, request, { random, clock, builtInVariables }));
  return { request, input, result: await analyze(input, { clock, onModule: () => {} }) };
}

/** Why a push of these files is refused; null when it is not. */
export async function refusal(
  files: Readonly<Record<string, string>>,
  deployment: TestDeployment = new TestDeployment(),
): Promise<{ readonly code: string; readonly message: string } | null> {
  const { result } = await analyzePushed(deployment, pushBody(await bundleApp(files)));
  return result.ok ? null : { code: result.code, message: result.message };
}
