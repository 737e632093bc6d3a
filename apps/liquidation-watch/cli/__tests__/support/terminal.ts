import { spawnSync } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";

let count = 0;
/** Far beyond what any machine needs. */
export const untilMs = 90_000;

/** A terminal with a shell in it: tmux, with a server of its own that nobody else sees. */
export class Terminal {
  readonly #socket = `liquidation-watch-${process.pid}-${++count}`;

  constructor(options: { readonly columns: number; readonly rows: number; readonly folder: string }) {
    // -f /dev/null: as tmux is delivered, whatever its user has set.
    const size = ["-x", String(options.columns), "-y", String(options.rows)];
    const session = ["new-session", "-d", "-s", "test", "-c", options.folder, ...size];
    this.#tmux(["-f", "/dev/null", ...session, "env", ...shellEnvironment, "sh"]);
    // Colours as in a terminal of today; the window keeps its size until it is told otherwise.
    this.#tmux(["set-option", "-g", "default-terminal", "tmux-256color"]);
    this.#tmux(["set-option", "-g", "window-size", "manual"]);
  }

  /** The screen as text, one string per row, without the spaces at the ends. */
  rows(): string[] {
    return this.screen().split("\n");
  }

  screen(): string {
    return this.#tmux(["capture-pane", "-p", "-t", "test"]).replace(/\n$/, "");
  }

  /** The screen with its escape sequences for colours. */
  colors(): string {
    return this.#tmux(["capture-pane", "-p", "-e", "-t", "test"]);
  }

  /** The text on the primary screen that has scrolled away, and what is seen. */
  history(): string {
    return this.#tmux(["capture-pane", "-p", "-S", "-200", "-t", "test"]);
  }

  isAlternateScreen(): boolean {
    return this.#flag("alternate_on");
  }

  isCursorShown(): boolean {
    return this.#flag("cursor_flag");
  }

  /** Types text as it is. */
  type(text: string): void {
    this.#tmux(["send-keys", "-t", "test", "-l", text]);
  }

  /** Presses keys by tmux's names: "Enter", "Escape", "C-c", "Tab", "Up". */
  press(...keys: readonly string[]): void {
    this.#tmux(["send-keys", "-t", "test", ...keys]);
  }

  resize(columns: number, rows: number): void {
    this.#tmux(["resize-window", "-t", "test", "-x", String(columns), "-y", String(rows)]);
  }

  /** Waits until the screen shows something; fails with the screen when it does not come. */
  async until(what: RegExp | ((screen: string) => boolean), timeoutMs = untilMs): Promise<string> {
    const deadline = performance.now() + timeoutMs;
    for (;;) {
      const screen = this.screen();
      if (typeof what === "function" ? what(screen) : what.test(screen)) return screen;
      if (performance.now() > deadline)
        throw new Error(`the terminal does not show ${String(what)}:\n${screen}\n(end of the screen)`);
      await sleep(50);
    }
  }

  close(): void {
    this.#tmux(["kill-server"]);
  }

  #flag(name: string): boolean {
    return this.#tmux(["display-message", "-p", "-t", "test", `#{${name}}`]).trim() === "1";
  }

  #tmux(args: readonly string[]): string {
    const { status, stdout, stderr, error } = spawnSync("tmux", ["-u", "-L", this.#socket, ...args], {
      encoding: "utf8",
      env: { ...process.env, TMUX: "", LANG: "C.UTF-8" },
    });
    if (error !== undefined) throw error;
    if (status !== 0) throw new Error(`tmux ${args.join(" ")}: ${stderr}`);
    return stdout;
  }
}

/** Nothing of the test runner's own wishes about colours; a prompt that can be waited for. */
const shellEnvironment = [
  ...["NO_COLOR", "FORCE_COLOR", "CI", "NODE_ENV", "NODE_OPTIONS", "VITEST", "CONVEX_URL"].flatMap((name) => [
    "-u",
    name,
  ]),
  "LANG=C.UTF-8",
  "LC_ALL=C.UTF-8",
  "PS1=READY> ",
];
