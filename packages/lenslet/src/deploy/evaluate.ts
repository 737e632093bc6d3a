import type { Clock } from "../base/clock.ts";
import { evaluateModule } from "../runner/analysis.ts";
import type { SourceCache } from "../runner/codeModules.ts";
import { formatFailure } from "../runner/failure.ts";
import type { CodeVersion, LogLine, RunFailure } from "../runner/types.ts";
import type { SourcePosition } from "./analysisTypes.ts";

/** A module after its import, whatever it ran in. */
export type Evaluated =
  | {
      readonly ok: true;
      /** Not to be trusted: getters and functions may do anything. */
      readonly namespace: Readonly<Record<string, unknown>>;
      readonly locate: (target: unknown) => SourcePosition | null;
      /** Text of what a function of the namespace threw. */
      readonly describe: (thrown: unknown) => string;
    }
  | {
      readonly ok: false;
      /** Message, stack frames and, after a blank line, what was written to the console. */
      readonly error: string;
      /** Only for auth.config.js: the variable that was read and is not set. */
      readonly missingVariable: string | null;
    };

export interface EvaluateOptions {
  readonly clock: Clock;
  readonly cache: SourceCache;
  readonly kind: "analysis" | "authConfig";
}

/** Evaluates a module of the default runtime in a context of its own. */
export function evaluateInIsolation(code: CodeVersion, path: string, options: EvaluateOptions): Evaluated {
  const evaluated = evaluateModule(code, path, options);
  if (!evaluated.ok) {
    const { failure, logs, missingVariable } = evaluated;
    return { ok: false, error: errorText(failure, logs), missingVariable };
  }
  return {
    ok: true,
    namespace: evaluated.namespace,
    locate: (target) => {
      const position = evaluated.positionOf(target);
      if (position === null) return null;
      const { line, column } = position.original;
      return { path: position.modulePath, start_lineno: line - 1, start_col: column };
    },
    describe: (thrown) => errorText(evaluated.failureOf(thrown), evaluated.logs),
  };
}

function errorText(failure: RunFailure, logs: readonly LogLine[]): string {
  const lines = logs.map(({ level, messages }) => `[${level}] ${messages.join(" ")}`);
  const text = formatFailure(failure);
  return lines.length === 0 ? text : `${text}\n${lines.join("\n")}`;
}
