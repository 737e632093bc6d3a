import { spawnSync } from "node:child_process";
import { globSync, readFileSync } from "node:fs";

// dependency-cruiser reports success when it could not read a single module (it did under TypeScript 7), so the
// number of modules is part of the check.
const { stdout, stderr } = spawnSync(
  "depcruise",
  ["--config", ".dependency-cruiser.cjs", "--output-type", "json", "packages/lenslet/src"],
  {
    encoding: "utf8",
    maxBuffer: 256 * 1024 * 1024,
  },
);
interface Report {
  readonly modules: readonly { readonly source: string }[];
  readonly summary: {
    readonly totalCruised: number;
    readonly violations: readonly {
      readonly rule: { readonly name: string };
      readonly from: string;
      readonly to: string;
    }[];
  };
}
let report: Report;
try {
  report = JSON.parse(stdout) as Report;
} catch {
  process.stderr.write(`${stderr}\n${stdout.slice(0, 2000)}\n`);
  process.exit(1);
}
const own = report.modules.filter(({ source }) => source.startsWith("packages/lenslet/src/")).length;
for (const { rule, from, to } of report.summary.violations)
  process.stdout.write(`${rule.name}: ${from} -> ${to}\n`);
process.stdout.write(`${own} modules cruised, ${report.summary.violations.length} violations\n`);

// Time and chance are injected: only the composition root and the entries of processes and threads may take them from
// the machine. (runner/realm runs inside the contexts, where both are the deterministic ones of the platform.)
const forbidden =
  /(?<![.\w])(Date\.now|Math\.random|performance\.now|setTimeout|setInterval)\((?!callback: )/;
const offenders: string[] = [];
for (const file of globSync("packages/lenslet/src/**/*.ts")) {
  if (
    /(\.test|\.fixture|\/testSupport)\.ts$/.test(file) ||
    /src\/(main|runner\/actionHost|runner\/realm)\/|src\/deploy\/analysis(Process|Thread)\.ts$|src\/log\/postgres\/thread\.ts$/.test(
      file,
    )
  )
    continue;
  readFileSync(file, "utf8")
    .split("\n")
    .forEach((line, index) => {
      const code = line.replace(/\/\/.*|^\s*\/?\*.*|(["'`]).*?\1/g, "");
      if (forbidden.test(code)) offenders.push(`${file}:${index + 1}: ${line.trim()}`);
    });
}
for (const offender of offenders) process.stdout.write(`not injected: ${offender}\n`);
process.exit(offenders.length === 0 && own > 0 && report.summary.violations.length === 0 ? 0 : 1);
