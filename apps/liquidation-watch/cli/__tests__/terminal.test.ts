import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import stringWidth from "string-width";
import { ensureTmux } from "../../../../scripts/tmux.ts";
import { api } from "../../convex/_generated/api.js";
import { Terminal, untilMs } from "./support/terminal.ts";
import type { TestServer } from "../../../../conformance/support/server.ts";
import { appFolder, clientOf, feedKey, startWatchServer } from "./support/watchServer.ts";

// The program in a real terminal (tmux), on a real server with a real feeder. What the screen shows is read from it.

const hasTmux = ensureTmux();
if (!hasTmux)
  process.stderr.write(
    "\n*** TMUX NOT FOUND: the tests of the terminal program are SKIPPED. Install it (Debian: apt-get install tmux) and run again. ***\n\n",
  );

const home = fs.mkdtempSync(path.join(os.tmpdir(), "watch-home-"));
const pidFile = path.join(home, "pid");
let server: TestServer;
let feeder: ChildProcess;
let terminal: Terminal | null = null;

beforeAll(async () => {
  if (!hasTmux) return;
  server = await startWatchServer();
  feeder = spawn(
    process.execPath,
    ["--disable-warning=ExperimentalWarning", "cli/feed.ts", "--rate", "1000", "--seed", "5", "--quiet"],
    { cwd: appFolder, stdio: "ignore", env: { ...process.env, CONVEX_URL: server.url, FEED_KEY: feedKey } },
  );
});
afterEach(() => {
  terminal?.close();
  terminal = null;
});
afterAll(async () => {
  if (feeder?.exitCode === null) {
    feeder.kill("SIGINT");
    await once(feeder, "exit");
  }
  await server?.dispose();
  fs.rmSync(home, { recursive: true, force: true });
});

/** The program in a terminal of this size, as soon as it shows the market. */
async function open(columns: number, rows: number, before = "", args = ""): Promise<Terminal> {
  terminal = new Terminal({ columns, rows, folder: appFolder });
  const env = `CONVEX_URL=${server.url} XDG_CONFIG_HOME=${home} WATCH_NAME=Ada ${before}`;
  // Node by its path: the shell of a terminal may know another one.
  const command = `${process.execPath} --disable-warning=ExperimentalWarning cli/main.ts ${args}`;
  terminal.type(`${env} sh -c 'echo $$ > ${pidFile}; exec ${command}'`);
  terminal.press("Enter");
  await terminal.until(/live[^]*ev\/s[^]*(\d\d:){2}\d\d +[A-Z]+ +\$/);
  return terminal;
}

/** A capture may catch the program in the middle of drawing: what a screen looks like is what it comes to look like. */
async function comesToHold(look: () => void): Promise<void> {
  await vi.waitFor(look, { timeout: untilMs, interval: 50 });
}

/** What is seen when two captures in a row show the same. */
async function held<T>(look: () => T): Promise<T> {
  let [before, now] = [look(), look()];
  await comesToHold(() => {
    [before, now] = [now, look()];
    expect(now).toEqual(before);
  });
  return now;
}

const liquidationPattern = /(?:\d\d:){2}\d\d +([A-Z]+) +\$([\d,.]+)([KMB]?)/;

/** Symbols and values of the liquidations that are seen. */
function liquidationsOf(screen: string): { symbol: string; usd: number }[] {
  return screen.split("\n").flatMap((row) => {
    const match = liquidationPattern.exec(row);
    if (match === null) return [];
    const [, symbol = "", digits = "", unit = ""] = match;
    const factor = { "": 1, K: 1e3, M: 1e6, B: 1e9 }[unit] ?? Number.NaN;
    return [{ symbol, usd: Number(digits.replace(/,/g, "")) * factor }];
  });
}

describe.skipIf(!hasTmux)("the liquidation watch in a terminal", { timeout: 300_000 }, () => {
  it("shows prices with change, liquidations, the chat and the keys on one screen", async () => {
    const { rows, until, screen } = bound(await open(160, 45));
    await until(/ Ledger: | Vex: | Marrow: | Sunny: /);
    await comesToHold(() => {
      expect(rows()[0]).toMatch(
        /^ LIQUIDATION WATCH +● live .* [\d,]+ ev\/s +\d+ liq\/s +\$[\d.,]+[KMB]?\/min/,
      );
      expect(rows()[1]).toMatch(/liquidated per second .*peak \$/);
      expect(rows()[2]).toMatch(/ Prices ─+ +Liquidations ─+ +Chat ─+/);
      for (const symbol of ["BTC", "ETH", "PEPE"])
        expect(screen()).toMatch(new RegExp(`^ ${symbol} +[\\d,.]+ [▲▼·] +[+-]\\d+\\.\\d\\d%`, "m"));
      expect(screen()).toMatch(/Liquidated, 5 min/);
      expect(liquidationsOf(screen()).length).toBeGreaterThan(5);
      expect(rows().at(-1)).toMatch(/^ \? help +f symbol +m size +space pause +enter chat .* q quit/);
    });
  });

  it("goes on by itself: prices change and liquidations move", async () => {
    const { until, screen } = bound(await open(120, 30));
    const [before] = liquidationsOf(screen());
    const pricesBefore = /^ BTC +([\d,.]+)/m.exec(screen())?.[1];
    await until((now) => {
      const [first] = liquidationsOf(now);
      return first?.usd !== before?.usd && /^ BTC +([\d,.]+)/m.exec(now)?.[1] !== pricesBefore;
    });
  });

  it.each([
    [200, 50],
    [120, 30],
    [100, 30],
    [80, 24],
    [60, 20],
    [40, 12],
    [30, 8],
  ])("fits into %d x %d", async (columns, rows) => {
    const opened = await open(columns, rows);
    await comesToHold(() => {
      const screen = opened.screen();
      const shown = screen.split("\n");
      expect(shown).toHaveLength(rows);
      for (const row of shown) expect(stringWidth(row)).toBeLessThanOrEqual(columns);
      expect(shown[0]).toMatch(/WATCH +● live/);
      expect(shown.at(-1)).toMatch(/\? help.*q quit/);
      // No line was broken by the terminal: titles and rows begin where they should.
      expect(shown[2]).toMatch(
        columns >= 72 ? /^ Prices / : columns >= 46 ? /^ Prices {2}Liquidations {2}Chat / : /^ Liquidations /,
      );
      expect(liquidationsOf(screen).length).toBeGreaterThan(2);
      for (const row of shown.slice(3, -1)) expect(row).not.toMatch(/undefined|NaN|\[object/);
    });
  });

  it("follows the size of the terminal, down to one that is too small and back", async () => {
    const opened = await open(160, 45);
    for (const [columns, rows, pattern] of [
      [80, 24, /^ Prices ─+ +Liquidations ─+$[^]*^ Chat ─+$/m],
      [40, 12, /^ Liquidations ─+$/m],
      [20, 5, /^Too small: 20x5/],
      [140, 40, /^ Prices ─+ +Liquidations ─+ +Chat ─+$/m],
    ] as const) {
      opened.resize(columns, rows);
      await opened.until(pattern);
      // Nothing of the larger screen is left over.
      await comesToHold(() => {
        expect(opened.rows()).toHaveLength(rows);
        expect(opened.screen().match(/ help /g)?.length ?? 0).toBe(columns < 30 ? 0 : 1);
      });
    }
  });

  it("filters by symbol and by size, and clears both", async () => {
    const { until, press, type } = bound(await open(120, 30));
    type("f");
    await until(/Liquidations ─+ ARB /);
    await until(
      (now) => liquidationsOf(now).length > 0 && liquidationsOf(now).every((one) => one.symbol === "ARB"),
    );
    type("F");
    await until(/Liquidations ─+ {2,3}Chat/);
    type("mm");
    await until(/Liquidations ─+ from \$100\.0K /);
    await until(
      (now) => liquidationsOf(now).length > 0 && liquidationsOf(now).every((one) => one.usd >= 99_950),
    );
    press("Escape");
    await until(/Liquidations ─+ {2,3}Chat/);
    await until((now) => liquidationsOf(now).some((one) => one.usd < 100_000));
  });

  it("holds the tape, counts what is newer, scrolls and lets it run again", async () => {
    const { until, type, press, screen } = bound(await open(120, 30));
    type(" ");
    await until(/paused, \d+ newer/);
    const tape = await held(() => liquidationsOf(screen()));
    await until(/paused, (\d\d+|\d+\+) newer/);
    await comesToHold(() => expect(liquidationsOf(screen())).toEqual(tape));
    press("Down", "Down");
    await until((now) => liquidationsOf(now)[0]?.usd === tape[2]?.usd);
    type("g");
    await until((now) => !now.includes("paused"));
  });

  it("shows all keys and hides them", async () => {
    const { until, type } = bound(await open(80, 24));
    type("?");
    const help = await until(/^ Keys ─+/m);
    for (const word of ["only one symbol", "hold the tape", "write in the chat", "quit"])
      expect(help).toContain(word);
    type("?");
    await until(/^ Prices /m);
  });

  it("shows one panel at a time where there is no room for more", async () => {
    const { until, type, press } = bound(await open(60, 20));
    type("1");
    await until(/^ BTC +[\d,.]+ [▲▼·]/m);
    press("Tab", "Tab");
    await until(/ (Ledger|Vex|Marrow|Sunny): /);
    press("BTab");
    await until(/(\d\d:){2}\d\d +[A-Z]+ +\$/);
  });

  it("says something in the chat, and shows what others say", async () => {
    const { until, press, type } = bound(await open(120, 30));
    press("Enter");
    await until(/^ say:/m);
    // Letters are text now, q does not quit; backspace takes one back.
    type("quite a fall?x");
    press("BSpace");
    await until(/^ say: quite a fall\? *$/m);
    press("Enter");
    await until(/Ada: quite a fall\?/);
    const messages = await clientOf(server).query(api.messages.list, { limit: 50 });
    expect(messages).toContainEqual(
      expect.objectContaining({
        author: "Ada",
        content: "quite a fall?",
        is_agent: false,
        message_type: "chat",
      }),
    );
    const client = clientOf(server);
    const user_id = await client.mutation(api.users.signIn, { wallet_address: "0xbob", username: "Bob" });
    await client.mutation(api.messages.send, { user_id, content: "清算 bought the dip" });
    await until(/Bob: 清算 bought the dip/);
    type("v");
    await until((now) => /Chat ─+ only people/.test(now) && !/ (Ledger|Vex|Marrow|Sunny): /.test(now));
    press("Enter");
    type("never mind");
    press("Escape");
    await until((now) => !now.includes(" say:"));
  });

  it("uses colours, unless NO_COLOR or --no-color ask for none", async () => {
    const opened = await open(80, 24);
    // Green and red of the changes.
    await comesToHold(() => expect(opened.colors()).toMatch(sgr("3[12]m")));
    opened.close();
    for (const [before, args] of [
      ["NO_COLOR=1", ""],
      ["", "--no-color"],
    ] as const) {
      const plain = await open(80, 24, before, args);
      expect(plain.colors()).not.toMatch(sgr("(3|4|9|10)\\d"));
      await comesToHold(() => expect(plain.screen()).toMatch(/[▲▼] +[+-]\d/));
      plain.close();
    }
    terminal = null;
  });

  it("draws with ASCII where the locale knows nothing else", async () => {
    const opened = await open(80, 24, "LC_ALL=C LANG=C");
    // What people write stays as they wrote it.
    const own = opened.rows().filter((row) => !row.includes("Bob:"));
    expect(own.filter((row) => /[^ -~]/.test(row))).toEqual([]);
    await comesToHold(() => expect(opened.screen()).toMatch(/ Prices -+ +Liquidations -+/));
  });

  it.each(["C-c", "q"])("gives the terminal back as it was: %s", async (key) => {
    const opened = await open(100, 30);
    expect(opened.isAlternateScreen()).toBe(true);
    opened.press(key);
    await opened.until(/READY>\s*$/);
    expect(opened.isAlternateScreen()).toBe(false);
    expect(opened.isCursorShown()).toBe(true);
    // What was on the screen before is there again, and keys are the shell's.
    expect(opened.screen()).toContain("cli/main.ts");
    expect(opened.screen()).not.toContain("LIQUIDATION WATCH");
    opened.type("echo code=$? $((6*7))");
    opened.press("Enter");
    await opened.until(/^code=0 42$/m);
  });

  it("gives the terminal back when it is ended by a signal", async () => {
    const opened = await open(100, 30);
    process.kill(Number(fs.readFileSync(pidFile, "utf8")), "SIGTERM");
    await opened.until(/READY>\s*$/);
    expect(opened.isAlternateScreen()).toBe(false);
    expect(opened.isCursorShown()).toBe(true);
  });

  it("shows that the server is away, tries again and goes on; what was said meanwhile arrives", async () => {
    const { until, press, type } = bound(await open(120, 30));
    await server.kill9();
    await until(/○ reconnecting \d+ s/);
    press("Enter");
    type("anybody there");
    press("Enter");
    await until(/you: anybody there \(sending\)/);
    await until(/reconnecting \d+ s, attempt \d+/);
    await server.start();
    await until(/● live/);
    await until((now) => /Ada: anybody there/.test(now) && !now.includes("(sending)"));
    // The feeder has come back as well.
    await until(/lag [\d,]+ ms/);
    const said = await clientOf(server).query(api.messages.list, { limit: 100 });
    expect(said.filter((message) => message.content === "anybody there")).toHaveLength(1);
  });

  it("says what to do when CONVEX_URL is not set", async () => {
    terminal = new Terminal({ columns: 100, rows: 20, folder: home });
    // A copy of nothing but the setting: the app's own .env.local may name a server.
    terminal.type(
      `CONVEX_URL= ${process.execPath} --disable-warning=ExperimentalWarning ${appFolder}/cli/main.ts; echo code=$?`,
    );
    terminal.press("Enter");
    await terminal.until(/^CONVEX_URL not set\. Run: bunx convex dev$[^]*^code=1$/m);
    expect(terminal.isAlternateScreen()).toBe(false);
  });
});

/** The escape sequence that sets colours, with what it ends with. */
function sgr(end: string): RegExp {
  return new RegExp(`\u001b\\[[\\d;]*${end}`);
}

/** Its methods, to be used by themselves. */
function bound(one: Terminal) {
  return {
    rows: () => one.rows(),
    screen: () => one.screen(),
    until: (...args: Parameters<Terminal["until"]>) => one.until(...args),
    press: (...keys: readonly string[]) => one.press(...keys),
    type: (text: string) => one.type(text),
  };
}
