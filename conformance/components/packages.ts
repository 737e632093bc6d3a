/** A published package whose tarball has its tests, and what has to be said of running them. */
export interface SuitePackage {
  /** How the package is called in the table. */
  readonly name: string;
  /** Where it is installed. */
  readonly packageName: string;
  /** The release of convex-test that the stock run uses, when it is not the newest. */
  readonly mock?: string;
  readonly environment?: "node" | "edge-runtime";
  /** How many of its tests pass on ours. */
  readonly tests: number;
  /** Tests that the mock passes and we do not, by full name, with the reason of each. */
  readonly differences?: readonly Difference[];
  /** Tests that neither passes. */
  readonly failOnBoth?: readonly Difference[];
}

export interface Difference {
  /** Matches the test's file and full name. */
  readonly test: RegExp;
  /** Matches what ours says, so that the test failing for another reason is a regression. */
  readonly message?: RegExp;
  /** The rule of the reference that the mock does not keep, or why neither can pass it. */
  readonly rule: string;
}

const validatorText =
  "values.md §9.3: a failed validator says `ArgumentValidationError: Value does not match validator. …`; the mock says `Validator error: …`";
const nestedText =
  "functions.md §6.3: a callee's failure reaches its caller as `Uncaught Error: {message}`; the mock passes the bare message on";
const canonicalName =
  "database.md §7: `_scheduled_functions.name` is the canonical path `lib.js:fn`; the mock writes `lib:fn`";
const readOnlyTable =
  "database.md §7: system tables are read-only; the mock lets a test delete rows of `_scheduled_functions`";
const noTimers =
  "functions.md §5.2: no timers in queries and mutations; convex-test 0.0.60 refuses them as well, 0.0.55, which this suite is pinned to, does not";
const idText =
  "values.md §6.3: `db.get` of a text that is no id throws `Invalid argument `id` for `db.get`: Unable to decode ID: …`; the mock finds nothing";

const notShipped = "what the test needs is not in the published package";

export const suitePackages: readonly SuitePackage[] = [
  { name: "sharded-counter", packageName: "@convex-dev/sharded-counter", tests: 4 },
  { name: "migrations", packageName: "@convex-dev/migrations", tests: 20 },
  { name: "action-cache", packageName: "@convex-dev/action-cache", tests: 9 },
  { name: "rate-limiter", packageName: "@convex-dev/rate-limiter", tests: 114 },
  { name: "aggregate", packageName: "@convex-dev/aggregate", tests: 86 },
  { name: "batch-worker", packageName: "@convex-dev/batch-worker", tests: 33 },
  {
    name: "workpool",
    packageName: "@convex-dev/workpool",
    tests: 203,
    differences: [
      {
        test: /rejects invalid (result kinds|status filters)/,
        message: /matching \/Validator error\/ but got 'ArgumentValidationError/,
        rule: validatorText,
      },
      { test: /a failure filter reuses an existing completion handler for failed/, rule: nestedText },
      { test: /a failure filter restores large context/, rule: nestedText },
      { test: /process work items in batches for cancelAll/, rule: canonicalName },
      { test: /schedule calculateBacklogAndReport when backlog is large/, rule: canonicalName },
      { test: /GC'd scheduledId/, message: /_scheduled_functions is a read-only table/, rule: readOnlyTable },
    ],
  },
  { name: "workflow", packageName: "@convex-dev/workflow", tests: 97 },
  { name: "resend", packageName: "@convex-dev/resend", tests: 33 },
  { name: "r2", packageName: "@convex-dev/r2", tests: 13 },
  { name: "stripe", packageName: "@convex-dev/stripe", tests: 43 },
  { name: "autumn", packageName: "@useautumn/convex", tests: 6 },
  {
    name: "persistent-text-streaming",
    packageName: "@convex-dev/persistent-text-streaming",
    tests: 1,
  },
  {
    name: "agent",
    packageName: "@convex-dev/agent",
    tests: 363,
    mock: "convex-test-55",
    differences: [
      { test: /streaming/, message: /Can't use setTimeout in queries and mutations/, rule: noTimers },
    ],
    failOnBoth: [
      { test: /eslintConfig\.test\.ts/, message: /Cannot find package 'eslint'/, rule: notShipped },
      { test: /all test-assets/, message: /ENOENT.*test-assets/, rule: notShipped },
      {
        test: /generateObject returns object/,
        message: /NoObjectGeneratedError/,
        rule: "its mock model answers with what the newest release of ai refuses",
      },
    ],
  },
  {
    name: "rag",
    packageName: "@convex-dev/rag",
    tests: 99,
    mock: "convex-test-49",
    differences: [
      {
        test: /inserting chunks when there's no entry throws error/,
        message: /Invalid argument `id` for `db\.get`/,
        rule: idText,
      },
    ],
    failOnBoth: [
      { test: /client\/index\.test\.ts/, message: /Cannot find package '@ai-sdk\/openai'/, rule: notShipped },
      {
        test: /deleteByKeyAsync/,
        message: /workpool\/batchWorker/,
        rule: "the package's tests do not register `workpool/batchWorker`, which this release of workpool uses",
      },
    ],
  },
  {
    name: "better-auth",
    packageName: "@convex-dev/better-auth",
    tests: 177,
    differences: [
      { test: /adapter\.test\.ts/, message: /Invalid argument `id` for `db\.get`/, rule: idText },
    ],
  },
];
