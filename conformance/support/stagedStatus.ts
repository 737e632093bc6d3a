import type { TestProject } from "./project.ts";
import { eventually } from "./until.ts";

/** What `convex deploy --dry-run` says of staged validators, once the check in the background is through. */
export async function stagedStatus(project: TestProject): Promise<string> {
  return await eventually(
    async () => {
      const args = ["deploy", "--dry-run", "--typecheck", "disable", "--codegen", "disable"];
      const { code, stderr, output } = await project.convex(args, { env: { NO_COLOR: "1" } });
      const status = stderr.split("Staged schema validation status:\n")[1];
      if (code !== 0 || status === undefined) throw new Error(`the dry run told of no status:\n${output}`);
      return status.includes(": validating in the background") ? null : status;
    },
    { timeoutMs: 120_000 },
  );
}
