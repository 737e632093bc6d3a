import type { Difference, SuitePackage } from "./packages.ts";
import type { SuiteRun } from "./suite.ts";

export interface Row {
  readonly name: string;
  readonly tests: number;
  readonly mockPassed: number;
  readonly oursPassed: number;
  /** Processor time of the tests, and of loading their files; of the first round. */
  readonly mock: Cost;
  readonly ours: Cost;
  /** Ours / mock: the median over the rounds. */
  readonly testRatio: number;
  readonly wholeRatio: number;
  /** Passed by the mock alone, where the reference is on our side. */
  readonly explained: readonly { readonly test: string; readonly rule: string }[];
  /** Passed by the mock alone, for no known reason. */
  readonly regressions: readonly Regression[];
}

interface Cost {
  readonly testMs: number;
  readonly loadMs: number;
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

/** One round: a run on the mock and one on ours, beside each other so that the machine is the same to both. */
export interface Round {
  readonly mock: SuiteRun;
  readonly ours: SuiteRun;
}

/** What any of the rounds shows. */
export function compareRounds(suite: SuitePackage, rounds: readonly Round[]): Row {
  const rows = rounds.map(({ mock, ours }) => compare(suite, mock, ours));
  const row = rows.find(({ regressions }) => regressions.length > 0) ?? rows[0];
  if (row === undefined) throw new Error("a suite is compared at least once");
  return {
    ...row,
    testRatio: median(rows.map((each) => each.testRatio)),
    wholeRatio: median(rows.map((each) => each.wholeRatio)),
  };
}

function compare(suite: SuitePackage, mock: SuiteRun, ours: SuiteRun): Row {
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
    mock: costOf(mock),
    ours: costOf(ours),
    testRatio: ours.cpuMs / Math.max(1, mock.cpuMs),
    wholeRatio: (ours.cpuMs + ours.loadMs) / Math.max(1, mock.cpuMs + mock.loadMs),
    explained,
    regressions,
  };
}

function costOf({ cpuMs, loadMs }: SuiteRun): Cost {
  return { testMs: Math.round(cpuMs), loadMs: Math.round(loadMs) };
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
    "mock with loading",
    "ours with loading",
    "ratio",
  ];
  const cells = rows.map((row) => [
    row.name,
    row.tests,
    row.mockPassed,
    row.oursPassed,
    row.explained.length,
    row.regressions.length,
    row.mock.testMs,
    row.ours.testMs,
    row.testRatio.toFixed(2),
    row.mock.testMs + row.mock.loadMs,
    row.ours.testMs + row.ours.loadMs,
    row.wholeRatio.toFixed(2),
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
      `median time ratio ours/mock ${median(rows.map((row) => row.testRatio)).toFixed(2)}, with loading ${median(rows.map((row) => row.wholeRatio)).toFixed(2)}`,
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

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const [low = 0, high = 0] =
    sorted.length % 2 === 1 ? [sorted[middle], sorted[middle]] : sorted.slice(middle - 1);
  return (low + high) / 2;
}
