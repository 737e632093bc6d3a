import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { ensureTmux } from "../../../../scripts/tmux.ts";
import { eventually } from "../../../../conformance/support/until.ts";
import { Program } from "./support/programs.ts";
import { Terminal } from "./support/terminal.ts";
import { appFolder, repositoryFolder } from "./support/watchServer.ts";

// `npm run watch-demo`, without the installation that comes before it: server, push, feeder and terminal app together.

const hasTmux = ensureTmux();
const script = path.join(repositoryFolder, "scripts/watch-demo.ts");
const folder = fs.mkdtempSync(path.join(os.tmpdir(), "watch-demo-"));
// The demo writes the address of its server into the app's folder, as it should; here somebody else's is put back.
const envFile = path.join(appFolder, ".env.local");
const envBefore = fs.existsSync(envFile) ? fs.readFileSync(envFile) : null;
let terminal: Terminal | null = null;
let program: Program | null = null;

beforeAll(() => fs.rmSync(envFile, { force: true }));
afterEach(async () => {
  terminal?.close();
  terminal = null;
  // SIGTERM: it ends its server and its feeder.
  await program?.end("SIGTERM");
  program = null;
});
afterAll(() => {
  if (envBefore !== null) fs.writeFileSync(envFile, envBefore);
  else fs.rmSync(envFile, { force: true });
  fs.rmSync(folder, { recursive: true, force: true });
});

const flags = (data: string) => ["--port", "0", "--site-port", "0", "--data", path.join(folder, data)];
/** The processes that have this folder in their command line. */
function processesOf(data: string): string[] {
  const own = path.join(folder, data);
  return fs
    .readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => {
      try {
        const line = fs.readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ");
        return line.includes(own) ? [line] : [];
      } catch {
        return [];
      }
    });
}

describe("npm run watch-demo", () => {
  it("prints lines of JSON into a pipe, at the rate asked for, and ends everything", async () => {
    program = new Program([script, ...flags("json"), "--rate", "1000", "--json"], {});
    await eventually(() => {
      const types = new Set(
        (program?.lines ?? []).slice(0, -1).map((line) => (JSON.parse(line) as { type: string }).type),
      );
      return types.has("liquidation") && types.has("price") && types.has("message");
    });
    // It writes the deployment's address, as `convex dev` does, and the key for `npm run feed`.
    expect(fs.readFileSync(envFile, "utf8")).toMatch(
      /^CONVEX_URL=http:\/\/127\.0\.0\.1:\d+$[^]*^FEED_KEY=[0-9a-f]{48}$/m,
    );
    expect(await program.end("SIGINT")).toBe(0);
    // Stdout is the app's alone.
    for (const line of program.lines) expect(() => void JSON.parse(line)).not.toThrow();
    if (process.platform === "linux") expect(processesOf("json")).toEqual([]);
  }, 300_000);

  it.skipIf(!hasTmux)(
    "fills the terminal, and gives it back with everything ended",
    async () => {
      terminal = new Terminal({ columns: 120, rows: 30, folder: repositoryFolder });
      const command = [process.execPath, "--disable-warning=ExperimentalWarning", script, ...flags("tmux")];
      terminal.type(`${command.join(" ")} --rate 1000; echo code=$?`);
      terminal.press("Enter");
      await terminal.until(/● live .* ev\/s[^]*Liquidations[^]*\$/);
      await terminal.until(/^ BTC +[\d,.]+ [▲▼]/m);
      terminal.press("C-c");
      await terminal.until(/^code=0$/m);
      expect(terminal.isAlternateScreen()).toBe(false);
      if (process.platform === "linux") expect(processesOf("tmux")).toEqual([]);
    },
    300_000,
  );

  it.each([
    [["--help"], 0, /Usage: npm run watch-demo/],
    [["--rate", "6000"], 2, /--rate: a number from 1 to 5000 is needed, not "6000"/],
    [["--speed", "1"], 2, /Unknown option '--speed'[^]*Usage:/],
  ])("answers %j without starting anything", async (args, code, text) => {
    const asked = new Program([script, ...args], {});
    expect(await asked.end()).toBe(code);
    expect(asked.stdout + asked.stderr).toMatch(text);
    expect(asked.stderr).not.toContain("Starting a server");
  });
});
