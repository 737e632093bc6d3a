/** One `ledger:add` as its client knows it. */
export interface Operation {
  readonly key: string;
  readonly account: string;
  readonly amount: number;
  /** A session sends again until it is answered; a plain HTTP request is sent once. */
  readonly via: "session" | "http";
  outcome: Outcome;
}

export type Outcome =
  | { readonly type: "pending" }
  | {
      readonly type: "acknowledged";
      readonly position: number;
      readonly balance: number;
      readonly ts: bigint | null;
    }
  /** The connection broke before an answer came. */
  | { readonly type: "unknown" }
  | { readonly type: "failed"; readonly message: string };

export interface Entry {
  readonly key: string;
  readonly account: string;
  readonly amount: number;
  readonly position: number;
}

export interface Account {
  readonly name: string;
  readonly count: number;
  readonly balance: number;
}

/** Everything clients did and saw, to be compared with what the database says afterwards. */
export class History {
  readonly operations: Operation[] = [];
  /** Keys that a live query has shown, with their positions. */
  readonly sightings = new Map<string, number>();
  readonly broken: string[] = [];

  /** Notes a transition's results: three accounts' worth of `ledger:account`, then `ledger:totals`. */
  saw(results: readonly SeenAccount[], totals: { readonly count: number; readonly balance: number }): void {
    for (const { latest, count } of results) {
      for (const { key, position } of latest) this.sightings.set(key, position);
      if (latest.some(({ position }, i) => position !== count - 1 - i))
        this.broken.push(`a transition shows a count of ${count} beside ${JSON.stringify(latest)}`);
    }
    const count = results.reduce((sum, account) => sum + account.count, 0);
    const balance = results.reduce((sum, account) => sum + account.balance, 0);
    if (count !== totals.count || balance !== totals.balance)
      this.broken.push(
        `a transition shows totals of two moments: ${count}/${balance}, ${JSON.stringify(totals)}`,
      );
  }
}

export interface SeenAccount {
  readonly count: number;
  readonly balance: number;
  readonly latest: readonly { readonly key: string; readonly position: number }[];
}

/** What is wrong with the database, given what its clients were told. Empty: nothing. */
export function checkHistory(
  history: History,
  entries: readonly Entry[],
  accounts: readonly Account[],
): string[] {
  return [
    ...history.broken,
    ...checkOperations(history.operations, entries),
    ...checkSightings(history.sightings, entries),
    ...accounts.flatMap((account) => checkAccount(account, history.operations, entries)),
  ];
}

function checkOperations(operations: readonly Operation[], entries: readonly Entry[]): string[] {
  const violations: string[] = [];
  const found = new Map<string, Entry[]>();
  for (const entry of entries) found.set(entry.key, [...(found.get(entry.key) ?? []), entry]);
  for (const operation of operations) {
    const { key, via, outcome } = operation;
    const copies = found.get(key) ?? [];
    found.delete(key);
    if (copies.length > 1) violations.push(`${key} is there ${copies.length} times`);
    if (outcome.type === "failed") violations.push(`${key} failed: ${outcome.message}`);
    if (outcome.type === "pending") violations.push(`${key} was never answered`);
    if (outcome.type === "unknown" && via === "session")
      violations.push(`${key} was given up by its session`);
    if (outcome.type === "acknowledged" && copies.length === 0) violations.push(`${key} is lost`);
    for (const copy of copies) {
      if (copy.account !== operation.account || copy.amount !== operation.amount)
        violations.push(`${key} is not what was sent: ${JSON.stringify(copy)}`);
      if (outcome.type === "acknowledged" && copy.position !== outcome.position)
        violations.push(`${key} was acknowledged at ${outcome.position}, but is at ${copy.position}`);
    }
  }
  for (const key of found.keys()) violations.push(`${key} was never sent`);
  return violations;
}

function checkSightings(sightings: ReadonlyMap<string, number>, entries: readonly Entry[]): string[] {
  const positions = new Map(entries.map(({ key, position }) => [key, position]));
  const violations: string[] = [];
  for (const [key, position] of sightings) {
    if (positions.get(key) === position) continue;
    violations.push(`${key} was shown at ${position}, but is ${positions.has(key) ? "elsewhere" : "gone"}`);
  }
  return violations;
}

/** An account is a serial history: each operation saw all before it. */
function checkAccount(
  { name, count, balance }: Account,
  operations: readonly Operation[],
  entries: readonly Entry[],
): string[] {
  const violations: string[] = [];
  const own = entries.filter(({ account }) => account === name).toSorted((a, b) => a.position - b.position);
  if (own.some(({ position }, i) => position !== i)) violations.push(`${name} has gaps or doubled positions`);
  if (own.length !== count) violations.push(`${name} counts ${count} entries and has ${own.length}`);
  const sums = own.map(
    (
      (sum) =>
      ({ amount }) =>
        (sum += amount)
    )(0),
  );
  if ((sums.at(-1) ?? 0) !== balance) violations.push(`${name} has ${balance} instead of ${sums.at(-1)}`);
  const acknowledged = operations
    .filter(({ account }) => account === name)
    .flatMap(({ key, outcome }) => (outcome.type === "acknowledged" ? [{ key, ...outcome }] : []))
    .toSorted((a, b) => a.position - b.position);
  let previousTs = 0n;
  for (const { key, position, balance: told, ts } of acknowledged) {
    if (sums[position] !== told) violations.push(`${key} was told ${told} instead of ${sums[position]}`);
    if (ts === null) continue;
    if (ts <= previousTs) violations.push(`${key} has a timestamp before that of an earlier operation`);
    previousTs = ts;
  }
  return violations;
}
