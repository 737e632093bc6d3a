import { describe, expect, it } from "vitest";
import { composeComment, paceOf } from "../../convex/model/commentary.ts";
import { defaultAgents } from "../../convex/model/defaultAgents.ts";
import type { Id } from "../../convex/_generated/dataModel.js";
import {
  amountText,
  asciiGlyphs,
  changeText,
  fit,
  fullUsd,
  glyphsFor,
  priceText,
  shortHex,
  shortUsd,
  sparkline,
  trendline,
  unicodeGlyphs,
  wrapText,
} from "../shared/format.ts";
import { applyCommand, commandOf } from "../state/commands.ts";
import { FRAME_MS, Frames } from "../state/frames.ts";
import {
  type Liquidation,
  TAPE_MAX,
  type WatchState,
  initialState,
  mergeTape,
  ratesOf,
} from "../state/model.ts";
import { connectionOf } from "../state/subscriptions.ts";
import { type Typed, extendDraft, typeCharacter } from "../state/typing.ts";
import { WatchStore } from "../state/watchStore.ts";
import { COLUMNS_MIN, FRAME_ROWS, GAP, ROWS_MIN, layoutOf } from "../ui/layout.ts";

/** A clock that moves when it is told to. */
class FakeTimers {
  now = 1_000_000;
  #next = 1;
  readonly #due = new Map<number, { at: number; callback: () => void }>();

  readonly nowMs = () => this.now;
  readonly setTimeout = (callback: () => void, delayMs: number) => {
    this.#due.set(this.#next, { at: this.now + delayMs, callback });
    return this.#next++;
  };
  readonly clearTimeout = (timer: never) => void this.#due.delete(timer);

  advance(ms: number): void {
    const end = this.now + ms;
    for (;;) {
      const [id, first] = [...this.#due].sort(([, a], [, b]) => a.at - b.at)[0] ?? [];
      if (id === undefined || first === undefined || first.at > end) break;
      this.#due.delete(id);
      this.now = Math.max(this.now, first.at);
      first.callback();
    }
    this.now = end;
  }
}

function liquidation(number: number, created_at = number): Liquidation {
  return {
    _id: `id${number}` as Id<"liquidations">,
    _creationTime: number,
    address: "0x1",
    collateral_type: "ETH",
    collateral_amount: "1",
    usd_value: 1,
    tx_hash: "0x2",
    created_at,
  };
}

describe("Frames", () => {
  it("draws 20 frames per second at most, whatever the number of updates", () => {
    const timers = new FakeTimers();
    let drawn = 0;
    const frames = new Frames(timers, () => drawn++);
    for (let update = 0; update < 10_000; update++) {
      frames.request();
      timers.advance(1);
    }
    timers.advance(FRAME_MS);
    expect(frames.counts.updates).toBe(10_000);
    expect(drawn).toBe(frames.counts.frames);
    expect(drawn).toBeLessThanOrEqual(10_000 / FRAME_MS + 2);
    expect(drawn).toBeGreaterThanOrEqual(10_000 / FRAME_MS - 2);
  });

  it("draws the first update after a rest at once, and the last one always", () => {
    const timers = new FakeTimers();
    let [value, shown] = [0, 0];
    const frames = new Frames(timers, () => (shown = value));
    timers.advance(1_000);
    value = 1;
    frames.request();
    timers.advance(0);
    expect(shown).toBe(1);
    value = 2;
    frames.request();
    timers.advance(FRAME_MS - 1);
    expect(shown).toBe(1);
    timers.advance(1);
    expect(shown).toBe(2);
    frames.request();
    frames.stop();
    timers.advance(1_000);
    expect(frames.counts.frames).toBe(2);
  });
});

describe("WatchStore", () => {
  it("shows the state of one moment per frame", () => {
    const timers = new FakeTimers();
    const store = new WatchStore(timers, { symbol: null, minUsd: 0 });
    let calls = 0;
    const end = store.subscribe(() => calls++);
    timers.advance(FRAME_MS * 2);
    store.update({ symbol: "ETH" });
    timers.advance(0);
    for (let update = 1; update <= 1_000; update++) store.update({ minUsd: update });
    expect(store.getSnapshot()).toMatchObject({ symbol: "ETH", minUsd: 0 });
    expect(store.current.minUsd).toBe(1_000);
    timers.advance(FRAME_MS);
    expect(store.getSnapshot().minUsd).toBe(1_000);
    expect(calls).toBe(2);
    end();
    store.stop();
    timers.advance(10_000);
    expect(calls).toBe(2);
  });

  it("takes a notice away after a while, and follows prices second by second", () => {
    const timers = new FakeTimers();
    const store = new WatchStore(timers, { symbol: null, minUsd: 0 });
    store.notify("hello");
    store.update({
      prices: [{ symbol: "ETH", price_usd: 5, change_24h: 0, updated_at: 0 }],
      connection: { ...store.current.connection, status: "live" },
    });
    timers.advance(4_000);
    expect(store.current.notice?.text).toBe("hello");
    timers.advance(2_000);
    expect(store.current.notice).toBeNull();
    timers.advance(100_000);
    expect(store.current.trends.get("ETH")).toEqual(Array.from({ length: 60 }, () => 5));
    store.update({ connection: { ...store.current.connection, status: "reconnecting" }, prices: [] });
    timers.advance(5_000);
    expect(store.current.trends.get("ETH")).toHaveLength(60);
    store.stop();
  });
});

describe("the tape", () => {
  it("has everything once, the newest first, and stays within its limit", () => {
    let tape: readonly Liquidation[] = [];
    // Windows of 60 that overlap, as a live query sends them.
    for (let newest = 60; newest <= 1_000; newest += 20)
      tape = mergeTape(
        tape,
        Array.from({ length: 60 }, (_, index) => liquidation(newest - index)),
      );
    expect(tape).toHaveLength(TAPE_MAX);
    expect(tape.map((one) => one.created_at)).toEqual(
      Array.from({ length: TAPE_MAX }, (_, index) => 1_000 - index),
    );
  });

  it("is the same object when there is nothing new, so that nothing is drawn for it", () => {
    const tape = mergeTape([], [liquidation(2), liquidation(1)]);
    expect(mergeTape(tape, [liquidation(2)])).toBe(tape);
  });

  it("puts a late one where it belongs", () => {
    const tape = mergeTape([liquidation(9), liquidation(7)], [liquidation(10, 8)]);
    expect(tape.map((one) => one.created_at)).toEqual([9, 8, 7]);
  });
});

describe("commands", () => {
  const state: WatchState = {
    ...initialState(0, null, 0),
    prices: ["BTC", "ETH"].map((symbol) => ({ symbol, price_usd: 1, change_24h: 0, updated_at: 0 })),
    tape: [liquidation(3), liquidation(2), liquidation(1)],
  };
  const after = (from: WatchState, ...commands: readonly Parameters<typeof applyCommand>[1][]) =>
    commands.reduce((current, command) => ({ ...current, ...applyCommand(current, command, 2) }), from);

  it("goes through the symbols and back to all", () => {
    expect(after(state, "symbol").symbol).toBe("BTC");
    expect(after(state, "symbol", "symbol").symbol).toBe("ETH");
    expect(after(state, "symbol", "symbol", "symbol").symbol).toBeNull();
    expect(after(state, "symbolBack").symbol).toBe("ETH");
    expect(after({ ...state, symbol: "GONE" }, "symbol").symbol).toBeNull();
  });

  it("goes through sizes, voices and panels", () => {
    expect(after(state, "size").minUsd).toBe(10_000);
    expect(after(state, "size", "size", "size", "size").minUsd).toBe(0);
    expect(after(state, "voices", "voices").chatFilter).toBe("agents");
    expect(after(state, "panel").panel).toBe("chat");
    expect(after(state, "panelBack").panel).toBe("prices");
    expect(after(state, "symbol", "size", "voices", "help", "clear")).toMatchObject({
      symbol: null,
      minUsd: 0,
      chatFilter: "all",
      isHelpShown: false,
    });
  });

  it("holds the tape while one scrolls, within its ends", () => {
    expect(after(state, "up").pausedTape).toBeNull();
    const scrolled = after(state, "down", "pageDown", "pageDown");
    expect(scrolled).toMatchObject({ scroll: 2, pausedTape: state.tape });
    expect(after({ ...scrolled, tape: [] }, "pageUp").scroll).toBe(0);
    expect(after(scrolled, "newest")).toMatchObject({ scroll: 0, pausedTape: null });
    expect(after(state, "pause", "pause").pausedTape).toBeNull();
  });

  it("knows keys, and leaves unknown ones alone", () => {
    expect(commandOf("q", {})).toBe("quit");
    expect(commandOf("", { return: true })).toBe("chat");
    expect(commandOf("", { tab: true, shift: true })).toBe("panelBack");
    expect(commandOf("z", {})).toBeNull();
    expect(commandOf("q", { ctrl: true })).toBeNull();
    expect(commandOf("toString", {})).toBeNull();
  });
});

describe("typing", () => {
  const draftAfter = (draft: string, text: string) => {
    let result: Typed = { kind: "draft", draft };
    for (const character of text)
      if (result.kind === "draft") result = typeCharacter(result.draft, character);
    return result;
  };

  it("writes, takes back, says and gives up", () => {
    expect(draftAfter("", "hi 清算")).toEqual({ kind: "draft", draft: "hi 清算" });
    expect(draftAfter("", "a👍\u007f\bb")).toEqual({ kind: "draft", draft: "b" });
    expect(draftAfter("", "\u007f")).toEqual({ kind: "draft", draft: "" });
    expect(draftAfter("old ", "\u0015new\r")).toEqual({ kind: "say", content: "new" });
    expect(draftAfter("", " \r")).toEqual({ kind: "say", content: "" });
    expect(draftAfter("x", "\u001b")).toEqual({ kind: "giveUp" });
  });

  it("makes one line of what is pasted, of a bounded length", () => {
    expect(extendDraft("a ", "b\r\nc\u001b[31md")).toBe("a b c [31md");
    expect(extendDraft("x".repeat(499), "yz")).toBe(`${"x".repeat(499)}y`);
  });
});

describe("the connection", () => {
  const socket = {
    hasInflightRequests: false,
    isWebSocketConnected: false,
    timeOfOldestInflightRequest: null,
    hasEverConnected: false,
    connectionCount: 0,
    connectionRetries: 0,
    inflightMutations: 0,
    inflightActions: 0,
  };
  const first = initialState(0, null, 0).connection;

  it("is connecting, live, reconnecting with its attempts, and live again", () => {
    expect(connectionOf(socket, first, 5)).toBe(first);
    const live = connectionOf(
      { ...socket, isWebSocketConnected: true, hasEverConnected: true, connectionCount: 1 },
      first,
      10,
    );
    expect(live).toEqual({ status: "live", attempts: 0, reconnects: 0, sinceMs: 10 });
    const lost = connectionOf({ ...socket, hasEverConnected: true, connectionCount: 1 }, live, 20);
    expect(lost).toMatchObject({ status: "reconnecting", attempts: 0, sinceMs: 20 });
    const again = connectionOf(
      { ...socket, hasEverConnected: true, connectionCount: 1, connectionRetries: 3 },
      lost,
      30,
    );
    expect(again).toMatchObject({ status: "reconnecting", attempts: 3, sinceMs: 20 });
    const back = { ...socket, isWebSocketConnected: true, hasEverConnected: true, connectionCount: 2 };
    expect(connectionOf(back, again, 40)).toEqual({
      status: "live",
      attempts: 0,
      reconnects: 1,
      sinceMs: 40,
    });
  });
});

describe("ratesOf", () => {
  it("averages the last five whole seconds and sums up the minute", () => {
    const of = (values: readonly number[]) => [
      ...Array.from({ length: 60 - values.length }, () => 0),
      ...values,
    ];
    const rates = ratesOf({
      second: 0,
      ticks: of([900, 900, 900, 900, 900, 3]),
      liquidations: of([100, 100, 100, 100, 100, 7]),
      usd_value: of([5, 6]),
      largest_usd: 6,
    });
    expect(rates).toEqual({ events: 1_000, liquidations: 100, usdPerMinute: 11 });
  });
});

describe("layout", () => {
  it("fills every terminal exactly, and never gives a panel less than nothing", () => {
    for (let columns = 1; columns <= 260; columns++)
      for (let rows = 1; rows <= 90; rows += 3) {
        const layout = layoutOf(columns, rows, "chat", 12);
        const height = rows - FRAME_ROWS;
        const areas = Object.values(layout).filter((part) => typeof part === "object" && part !== null);
        for (const area of areas) {
          expect(area.width).toBeGreaterThanOrEqual(24);
          expect(area.height).toBeGreaterThanOrEqual(4);
        }
        if (layout.kind === "tooSmall") expect(columns < COLUMNS_MIN || rows < ROWS_MIN).toBe(true);
        if (layout.kind === "single") expect(layout.area).toEqual({ width: columns, height });
        if (layout.kind === "stacked") {
          expect(layout.prices.width + GAP + layout.liquidations.width).toBe(columns);
          expect(layout.prices.height + layout.chat.height).toBe(height);
        }
        if (layout.kind === "wide") {
          expect(layout.prices.width + layout.liquidations.width + layout.chat.width + 2 * GAP).toBe(columns);
          expect(layout.prices.height + (layout.leaders?.height ?? 0)).toBe(height);
        }
      }
  });
});

describe("formats", () => {
  it("writes money, prices, changes and amounts", () => {
    expect([0, 950, 9_999, 12_345, 999_949, 999_960, 4_560_000, 2e9].map(shortUsd)).toEqual([
      "$0",
      "$950",
      "$9,999",
      "$12.3K",
      "$999.9K",
      "$1.00M",
      "$4.56M",
      "$2.00B",
    ]);
    expect(fullUsd(1_234_567.891)).toBe("$1,234,567.89");
    expect([97_250, 187.4, 1.12, 0.162, 0.0000204].map(priceText)).toEqual([
      "97,250.00",
      "187.40",
      "1.120",
      "0.1620",
      "0.00002040",
    ]);
    expect([1.234, -0.5, 0].map(changeText)).toEqual(["+1.23%", "-0.50%", "+0.00%"]);
    expect(["0.00012345678", "5.5", "12345.6", "6810000000", "odd"].map(amountText)).toEqual([
      "0.00012346",
      "5.5000",
      "12,346",
      "6.81B",
      "odd",
    ]);
    expect(shortHex("0x1234567890abcdef", unicodeGlyphs)).toBe("0x1234…cdef");
  });

  it("fits texts into cells, wide characters included", () => {
    expect(fit("abc", 5)).toBe("abc  ");
    expect(fit("abc", 5, "right")).toBe("  abc");
    expect(fit("abcdef", 3)).toBe("abc");
    expect(fit("清算清算", 5)).toBe("清算 ");
    expect(fit("👩‍👩‍👧x", 1)).toBe(" ");
  });

  it("breaks lines at spaces, long words anywhere, and comes to an end", () => {
    expect(wrapText("one two three", 7)).toEqual(["one two", "three"]);
    expect(wrapText("abcdefgh ij", 3)).toEqual(["abc", "def", "gh", "ij"]);
    expect(wrapText("清算", 1)).toEqual(["清", "算"]);
    expect(wrapText("", 5)).toEqual([""]);
  });

  it("draws lines of bars", () => {
    expect(sparkline([0, 1, 8, 4], 6, unicodeGlyphs)).toBe("   ▂█▅");
    expect(sparkline([0, 0], 2, unicodeGlyphs)).toBe("  ");
    expect(trendline([1, 1, 1], 3, unicodeGlyphs)).toBe("▄▄▄");
    expect(trendline([1, 2, 3], 3, asciiGlyphs)).toBe(".+@");
  });

  it("uses ASCII where the locale knows nothing else", () => {
    expect(glyphsFor({ LANG: "en_US.UTF-8" })).toBe(unicodeGlyphs);
    expect(glyphsFor({})).toBe(unicodeGlyphs);
    expect(glyphsFor({ LANG: "C" })).toBe(asciiGlyphs);
    expect(glyphsFor({ LC_ALL: "C.UTF-8", LANG: "C" })).toBe(unicodeGlyphs);
  });
});

describe("commentary", () => {
  const facts = {
    largest: { collateral_type: "ETH", usd_value: 2_500_000 },
    mover: { symbol: "PEPE", price_usd: 0.0000204, change_24h: -12.5 },
    count: 40,
    usdValue: 3_000_000,
    surge: 1,
  };

  it("speaks of what stands out, in the voice of the persona", () => {
    expect(composeComment("hawk: circles", facts, 0.5)).toMatchObject({ message_type: "liquidation" });
    expect(composeComment("hawk: circles", facts, 0.5)?.content).toMatch(/\$2\.50M .*ETH|\$2\.50M of ETH/);
    expect(composeComment("gloomy: old", { ...facts, surge: 4 }, 0.5)?.content).toMatch(/\$3\.00M|4\.0x/);
    expect(composeComment("clerk: dry", facts, 0.1)).toEqual({
      content: "PEPE at $0.00002040, -12.50 % in 24 h.",
      message_type: "trade",
    });
    expect(composeComment("nobody knows this one", facts, 0.1)?.content).toContain("PEPE at");
  });

  it("says nothing when nothing has happened", () => {
    expect(
      composeComment("hawk", { largest: null, mover: null, count: 0, usdValue: 0, surge: 1 }, 0.9),
    ).toBeNull();
  });

  it("leaves no blank unfilled, whatever is chosen", () => {
    for (const { persona } of defaultAgents)
      for (let chance = 0; chance < 1; chance += 0.0037)
        for (const more of [
          {},
          { surge: 5 },
          { largest: null, count: 0 },
          { largest: { collateral_type: "ETH", usd_value: 5 } },
        ])
          expect(composeComment(persona, { ...facts, ...more }, chance)?.content).not.toMatch(
            /[{}]|undefined|NaN/,
          );
  });

  it("compares the last ten seconds with the rest of the minute", () => {
    const usd_value = Array.from({ length: 60 }, (_, index) => (index >= 50 ? 300 : 100));
    const pulse = {
      second: 60_000,
      ticks: [],
      liquidations: usd_value.map(() => 1),
      usd_value,
      largest_usd: 300,
    };
    expect(paceOf(pulse, 60_500)).toEqual({ count: 10, usdValue: 3_000, surge: 3 });
    // Nothing for a long time: the past is no pace to compare with.
    expect(paceOf(pulse, 600_000)).toEqual({ count: 0, usdValue: 0, surge: 0 });
  });
});
