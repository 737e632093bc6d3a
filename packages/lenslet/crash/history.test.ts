import { describe, expect, it } from "vitest";
import { type Account, checkHistory, type Entry, History, type Outcome } from "./history.ts";

/** The checker of the crash tests is worth something only if it fails on every kind of damage. */

interface Doctored {
  history: History;
  entries: Entry[];
  accounts: Account[];
}

function sound(): Doctored {
  const history = new History();
  const entries: Entry[] = [];
  for (let position = 0; position < 10; position++) {
    const key = `k${position}`;
    const outcome: Outcome = {
      type: "acknowledged",
      position,
      balance: 2 * (position + 1),
      ts: BigInt(100 + position),
    };
    const via = position % 2 === 0 ? "session" : "http";
    history.operations.push({ key, account: "a", amount: 2, via, outcome });
    entries.push({ key, account: "a", amount: 2, position });
  }
  history.operations.push({ key: "u", account: "a", amount: 5, via: "http", outcome: { type: "unknown" } });
  const latest = [
    { key: "k4", position: 4 },
    { key: "k3", position: 3 },
  ];
  history.saw([{ count: 5, balance: 10, latest }], { count: 5, balance: 10 });
  return { history, entries, accounts: [{ name: "a", count: 10, balance: 20 }] };
}

function violationsAfter(doctor: (state: Doctored) => void): string[] {
  const state = sound();
  doctor(state);
  return checkHistory(state.history, state.entries, state.accounts);
}

describe("the checker of histories", () => {
  it("accepts a sound history, with an unanswered request applied or not", () => {
    expect(violationsAfter(() => {})).toEqual([]);
    const applied = violationsAfter(({ entries, accounts }) => {
      entries.push({ key: "u", account: "a", amount: 5, position: 10 });
      accounts[0] = { name: "a", count: 11, balance: 25 };
    });
    expect(applied).toEqual([]);
  });

  const damage: [string, RegExp, (state: Doctored) => void][] = [
    [
      "an acknowledged operation is gone",
      /k9 is lost/,
      ({ entries, accounts }) => {
        entries.pop();
        accounts[0] = { name: "a", count: 9, balance: 18 };
      },
    ],
    [
      "a retried operation was applied twice",
      /k3 is there 2 times/,
      ({ entries, accounts }) => {
        entries.push({ key: "k3", account: "a", amount: 2, position: 10 });
        accounts[0] = { name: "a", count: 11, balance: 22 };
      },
    ],
    [
      "an unanswered request was applied twice",
      /u is there 2 times/,
      ({ entries, accounts }) => {
        for (const position of [10, 11]) entries.push({ key: "u", account: "a", amount: 5, position });
        accounts[0] = { name: "a", count: 12, balance: 30 };
      },
    ],
    [
      "half of a commit is missing",
      /counts 9 entries and has 10/,
      ({ accounts }) => {
        accounts[0] = { name: "a", count: 9, balance: 18 };
      },
    ],
    [
      "a sum is not that of the entries",
      /has 21 instead of 20/,
      ({ accounts }) => {
        accounts[0] = { name: "a", count: 10, balance: 21 };
      },
    ],
    [
      "two operations saw the same state",
      /k5 was told 10 instead of 12/,
      ({ history }) => {
        const operation = history.operations[5];
        if (operation) operation.outcome = { type: "acknowledged", position: 5, balance: 10, ts: 105n };
      },
    ],
    [
      "an operation moved",
      /k2 was acknowledged at 2, but is at 3/,
      ({ entries }) => {
        entries[2] = { key: "k3", account: "a", amount: 2, position: 2 };
        entries[3] = { key: "k2", account: "a", amount: 2, position: 3 };
      },
    ],
    [
      "timestamps contradict the order",
      /k7 has a timestamp before/,
      ({ history }) => {
        const operation = history.operations[7];
        if (operation) operation.outcome = { type: "acknowledged", position: 7, balance: 16, ts: 101n };
      },
    ],
    [
      "something nobody sent",
      /x was never sent/,
      ({ entries, accounts }) => {
        entries.push({ key: "x", account: "a", amount: 0, position: 10 });
        accounts[0] = { name: "a", count: 11, balance: 20 };
      },
    ],
    [
      "contents differ from what was sent",
      /k1 is not what was sent/,
      ({ entries, accounts }) => {
        entries[1] = { key: "k1", account: "a", amount: 3, position: 1 };
        accounts[0] = { name: "a", count: 10, balance: 21 };
      },
    ],
    [
      "a session never got its answer",
      /k8 was never answered/,
      ({ history }) => {
        const operation = history.operations[8];
        if (operation) operation.outcome = { type: "pending" };
      },
    ],
    [
      "a live query showed what is gone",
      /z was shown at 9, but is gone/,
      ({ history }) => void history.sightings.set("z", 9),
    ],
    [
      "a transition mixes two moments",
      /totals of two moments/,
      ({ history }) => history.saw([{ count: 1, balance: 1, latest: [] }], { count: 2, balance: 1 }),
    ],
    [
      "a query mixes two moments",
      /shows a count of 3 beside/,
      ({ history }) =>
        history.saw([{ count: 3, balance: 6, latest: [{ key: "k1", position: 1 }] }], {
          count: 3,
          balance: 6,
        }),
    ],
  ];
  it.each(damage)("fails when %s", (_name, expected, doctor) => {
    expect(violationsAfter(doctor).join("\n")).toMatch(expected);
  });
});
