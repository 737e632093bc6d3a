// Placeholder of the lead for integration; ACTIONS replaces this whole file.
import type { EngineApi, FunctionCall, FunctionResult } from "../engine/api.ts";

export function createActionRunner(_options: {
  engine: EngineApi;
  report: (level: "info" | "warn" | "error", message: string) => void;
}) {
  return {
    run: (_call: FunctionCall): Promise<FunctionResult> =>
      Promise.resolve({ ok: false, error: { message: "Actions are not available yet\n" }, logLines: [] }),
    close: () => Promise.resolve(),
  };
}
