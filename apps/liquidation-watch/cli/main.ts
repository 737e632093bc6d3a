import { parseArgs } from "node:util";
import { runPipe } from "./pipe/runPipe.ts";
import { loadConfig } from "./services/config/config.ts";
import { UserError, describeError } from "./shared/errors.ts";
import { numberFlag } from "./shared/flags.ts";
import { registerTsx } from "./shared/tsxLoader.ts";

// The liquidation watch. On a terminal: the whole screen, live. Into a pipe: lines.

const help = `Liquidation watch: live prices, liquidations and the chat about them, in a terminal.

Usage: npm run watch -- [options]

  --symbol SYM      only liquidations of one symbol
  --min-usd N       only liquidations of this value on
  --plain           lines instead of a screen; what a pipe gets anyway
  --json            lines of JSON; they can be replayed by the feeder
  --last N          lines: begin with the last N liquidations and messages (default 10, at most 200)
  --prices N        lines: each symbol's price every N seconds; 0 for none (default 10, with --json 1)
  --seconds N       lines: end after this time
  --no-color        no colours; so does the environment variable NO_COLOR
  --help            this text

CONVEX_URL (set by \`convex dev\` in .env.local) is the deployment. On the screen \`?\` shows the keys.
`;

process.exitCode = await main().catch((error: unknown) => {
  process.stderr.write(`${describeError(error)}\n`);
  return error instanceof UserError ? error.exitCode : 1;
});
// Open sockets of a client that could not close in time must not keep the process.
process.exit();

async function main(): Promise<number> {
  const flags = parseFlags();
  if (flags.help) {
    process.stdout.write(help);
    return 0;
  }
  const symbol = flags.symbol === undefined ? null : flags.symbol.toUpperCase();
  const minUsd = numberFlag("min-usd", flags["min-usd"], 0, Number.MAX_SAFE_INTEGER);
  const pricesSeconds = numberFlag("prices", flags.prices ?? (flags.json ? "1" : "10"), 0, 86_400);
  const config = loadConfig();
  if (flags.json || flags.plain || !process.stdout.isTTY) {
    await runPipe({
      isJson: flags.json,
      symbol,
      minUsd,
      last: numberFlag("last", flags.last, 0, 200),
      pricesEveryMs: pricesSeconds * 1_000,
      forMs: flags.seconds === undefined ? null : numberFlag("seconds", flags.seconds, 0, 1e9) * 1_000,
    });
    return 0;
  }
  // Chalk, inside Ink, knows only its own variable; both are read when it is loaded.
  if (flags["no-color"] || (process.env["NO_COLOR"] ?? "") !== "") process.env["FORCE_COLOR"] = "0";
  process.env["NODE_ENV"] ??= "production";
  registerTsx();
  const { runTerminal } = await import("./ui/runTerminal.tsx");
  await runTerminal({ config, symbol, minUsd });
  return 0;
}

function parseFlags() {
  try {
    return parseArgs({
      options: {
        symbol: { type: "string" },
        "min-usd": { type: "string", default: "0" },
        plain: { type: "boolean", default: false },
        json: { type: "boolean", default: false },
        last: { type: "string", default: "10" },
        prices: { type: "string" },
        seconds: { type: "string" },
        "no-color": { type: "boolean", default: false },
        help: { type: "boolean", short: "h", default: false },
      },
    }).values;
  } catch (error) {
    throw new UserError(`${(error as Error).message}\n\n${help}`, 2);
  }
}
