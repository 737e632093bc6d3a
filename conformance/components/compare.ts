import type { Difference, SuitePackage } from "./packages.ts";
import type { SuiteRun } from "./suite.ts";

export interface Row {
  readonly name: string;
  readonly tests: number;
  readonly mockPassed: number;
  readonly oursPassed: number;
  /** Processor time. */
  readonly mockMs: number;
  readonly oursMs: number;
  /** Passed by the mock alone, where the reference is on our side. */
  readonly explained: readonly { readonly test: string; readonly rule: string }[];
  /** Passed by the mock alone, for no known reason. */
  readonly regressions: readonly Regression[];
}

export interface Regression {
  readonly test: string;
  readonly message: string;
}

function reasonOf(
  reasons: readonly Difference[] | undefined,
  test: string,
  message: string,
): Difference | undefined {
  return reasons?.find((reason) => reason.test.test(test) && (reason.message?.test(message) ?? true));
}

/**
 * What is worse than `packages.ts` says: failures on ours that it has no reason for, and tests that are not there any
 * more. This needs no run on the mock.
 */
export function regressionsOf(suite: SuitePackage, ours: SuiteRun): Regression[] {
  const regressions: Regression[] = [];
  for (const [test, { passed, message }] of ours.tests) {
    if (passed) continue;
    const reasons = [...(suite.differences ?? []), ...(suite.failOnBoth ?? [])];
    if (reasonOf(reasons, test, message) === undefined) regressions.push({ test, message });
  }
  const passed = countPassed(ours);
  if (passed < suite.tests)
    regressions.push({ test: "(all)", message: `${passed} tests pass, ${suite.tests} did before` });
  return regressions;
}

export function compare(suite: SuitePackage, mock: SuiteRun, ours: SuiteRun): Row {
  const explained: Row["explained"][number][] = [];
  const regressions: Row["regressions"][number][] = [];
  for (const [test, { passed }] of mock.tests) {
    const outcome = ours.tests.get(test);
    if (!passed || outcome?.passed === true) continue;
    const message = outcome?.message ?? "did not run";
    const known = reasonOf(suite.differences, test, message);
    if (known !== undefined) explained.push({ test, rule: known.rule });
    else regressions.push({ test, message });
  }
  for (const regression of regressionsOf(suite, ours))
    if (!regressions.some(({ test }) => test === regression.test)) regressions.push(regression);
  return {
    name: suite.name,
    tests: Math.max(mock.tests.size, ours.tests.size),
    mockPassed: countPassed(mock),
    oursPassed: countPassed(ours),
    mockMs: Math.round(mock.cpuMs),
    oursMs: Math.round(ours.cpuMs),
    explained,
    regressions,
  };
}

export function countPassed(run: SuiteRun): number {
  return [...run.tests.values()].filter(({ passed }) => passed).length;
}

/** The table as it is printed, with the reasons below it. */
export function formatRows(rows: readonly Row[]): string {
  const header = [
    "package",
    "tests",
    "mock",
    "ours",
    "differ by rule",
    "regressions",
    "mock CPU ms",
    "ours CPU ms",
    "ratio",
  ];
  const cells = rows.map((row) => [
    row.name,
    row.tests,
    row.mockPassed,
    row.oursPassed,
    row.explained.length,
    row.regressions.length,
    row.mockMs,
    row.oursMs,
    ratio(row).toFixed(2),
  ]);
  const table = [header, ...cells].map((line) => line.map(String));
  const widths = header.map((_, column) => Math.max(...table.map((line) => line[column]?.length ?? 0)));
  const lines = table.map((line) =>
    line.map((cell, i) => (i === 0 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0))).join("  "),
  );
  const sum = (of: (row: Row) => number) => rows.reduce((total, row) => total + of(row), 0);
  lines.push(
    "",
    `${sum((row) => row.tests)} tests, ${sum((row) => row.mockPassed)} passed on the mock, ${sum((row) => row.oursPassed)} on ours; ` +
      `${sum((row) => row.explained.length)} differ by a rule of the reference, ${sum((row) => row.regressions.length)} regressions; ` +
      `median time ratio ours/mock ${medianRatio(rows).toFixed(2)}`,
  );
  for (const { name, explained, regressions } of rows) {
    for (const rule of new Set(explained.map((entry) => entry.rule))) {
      const tests = explained.filter((entry) => entry.rule === rule);
      lines.push("", `${name}: ${tests.length} by ${rule}`, ...tests.map(({ test }) => `    ${test}`));
    }
    for (const { test, message } of regressions)
      lines.push("", `${name}: REGRESSION ${test}`, `    ${message}`);
  }
  return `${lines.join("\n")}\n`;
}

export function medianRatio(rows: readonly Row[]): number {
  const ratios = rows.map(ratio).sort((a, b) => a - b);
  const middle = Math.floor(ratios.length / 2);
  const [low = 0, high = 0] =
    ratios.length % 2 === 1 ? [ratios[middle], ratios[middle]] : ratios.slice(middle - 1);
  return (low + high) / 2;
}

function ratio({ mockMs, oursMs }: Row): number {
  return oursMs / Math.max(1, mockMs);
}
