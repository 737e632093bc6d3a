import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import type { Clock } from "../base/clock.ts";
import type { CodeVersion, LogLine, ModuleSource, RunHost, RunRequest } from "./types.ts";

// User code sees UTC; in production main/ sets this before anything else.
process.env["TZ"] = "UTC";

/** Test support: bundles a convex folder the way the official CLI does (cli-flows.md §4). */
export async function bundleFolder(
  files: Readonly<Record<string, string>>,
): Promise<Map<string, ModuleSource>> {
  const root = mkdtempSync(join(tmpdir(), "lenslet-runner-"));
  try {
    for (const [path, text] of Object.entries(files)) {
      mkdirSync(dirname(join(root, "convex", path)), { recursive: true });
      writeFileSync(join(root, "convex", path), text);
    }
    const result = await build({
      absWorkingDir: root,
      entryPoints: Object.keys(files).map((path) => join("convex", path)),
      nodePaths: [fileURLToPath(new URL("../../../../node_modules", import.meta.url))],
      outbase: "convex",
      outdir: "out",
      chunkNames: "_deps/[hash]",
      bundle: true,
      splitting: true,
      write: false,
      sourcemap: true,
      sourcesContent: false,
      format: "esm",
      target: "esnext",
      platform: "browser",
      conditions: ["convex", "module"],
      treeShaking: true,
      minifySyntax: true,
      minifyIdentifiers: true,
      keepNames: true,
      define: { "process.env.NODE_ENV": '"production"' },
    });
    const texts = new Map(
      result.outputFiles.map((file) => [file.path.slice(join(root, "out").length + 1), file.text]),
    );
    const modules = new Map<string, ModuleSource>();
    for (const [path, source] of texts) {
      if (!path.endsWith(".js")) continue;
      modules.set(path, {
        path,
        source,
        sourceMap: texts.get(`${path}.map`) ?? null,
        environment: "isolate",
      });
    }
    return modules;
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}

/** A code version of unbundled modules. */
export function codeOf(
  modules: ReadonlyMap<string, ModuleSource> | Readonly<Record<string, string>>,
  options: Partial<Pick<CodeVersion, "env" | "importTimestampMs">> = {},
): CodeVersion {
  const map =
    modules instanceof Map
      ? (modules as ReadonlyMap<string, ModuleSource>)
      : new Map(
          Object.entries(modules as Readonly<Record<string, string>>).map(
            ([path, source]): [string, ModuleSource] => [
              path,
              { path, source, sourceMap: null, environment: "isolate" },
            ],
          ),
        );
  const hash = createHash("sha256");
  for (const module of map.values()) hash.update(module.path).update(module.source);
  const id = hash.digest("hex");
  return {
    id,
    modules: map,
    env: {},
    importSeed: new Uint8Array(32),
    importTimestampMs: 1_600_000_000_000,
    ...options,
  };
}

/** Steps by a quarter millisecond at each look. */
export function testClock(): Clock {
  let at = 1_700_000_000_000;
  return { nowMs: () => (at += 0.25), monotonicMs: () => (at += 0.25) };
}

export interface RecordingHost extends RunHost {
  readonly calls: { op: string; args: Record<string, unknown> }[];
  readonly lines: LogLine[];
}

/** A host that records what it is asked and answers with `answer`. */
export function recordingHost(
  answer: (op: string, args: Record<string, unknown>) => unknown = () => null,
): RecordingHost {
  const calls: RecordingHost["calls"] = [];
  const lines: LogLine[] = [];
  const call = (op: string, argsJson: string): string => {
    const args = JSON.parse(argsJson) as Record<string, unknown>;
    calls.push({ op, args });
    return JSON.stringify(answer(op, args));
  };
  return { calls, lines, syscall: call, asyncSyscall: call, log: (line) => lines.push(line) };
}

export function request(code: CodeVersion, path: string, options: Partial<RunRequest> = {}): RunRequest {
  const [modulePath, exportName] = path.split(":") as [string, string];
  return {
    kind: "query",
    code,
    modulePath: modulePath.endsWith(".js") ? modulePath : `${modulePath}.js`,
    exportName,
    argsJson: "[{}]",
    seed: new Uint8Array(32).fill(7),
    nowMs: 1_700_000_000_000,
    host: recordingHost(),
    ...options,
  };
}
