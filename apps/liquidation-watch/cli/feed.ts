import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { api } from "../convex/_generated/api.js";
import { type MarketSource, RecordedMarket } from "./feeder/events.ts";
import { BATCH_INTERVAL_MS, Feeder, RATE_MAX, RATE_MIN } from "./feeder/feeder.ts";
import { SyntheticMarket } from "./feeder/syntheticMarket.ts";
import { loadConfig } from "./services/config/config.ts";
import { closeConvexClient, getConvexClient } from "./services/convex/index.ts";
import { UserError, describeError } from "./shared/errors.ts";
import { numberFlag } from "./shared/flags.ts";

// Feeds market events to the deployment: a synthetic market, or a recording, at a given rate.

const help = `Feeds the liquidation watch with market events.

Usage: npm run feed -- [options]

  --rate N        events per second, ${RATE_MIN} to ${RATE_MAX} (default 200)
  --file FILE     replay a recording (lines of \`npm run watch -- --json\`) instead of a synthetic market
  --seed N        of the synthetic market (default: another one each time)
  --seconds N     end after this time (default: Ctrl-C)
  --quiet         no status line every few seconds
  --help          this text

CONVEX_URL and FEED_KEY come from the environment or from .env.local.
`;

const STATUS_INTERVAL_MS = 5_000;

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
  const rate = numberFlag("rate", flags.rate, RATE_MIN, RATE_MAX);
  const seconds = flags.seconds === undefined ? null : numberFlag("seconds", flags.seconds, 0, 1e9);
  const seed = numberFlag("seed", flags.seed ?? String(Date.now() % 2 ** 31), 0, 2 ** 32);
  const source: MarketSource =
    flags.file === undefined ? new SyntheticMarket(seed) : await RecordedMarket.read(flags.file);
  const { feedKey } = loadConfig();
  if (feedKey === null)
    throw new UserError(
      "FEED_KEY not set. Give the deployment one with `npx convex env set FEED_KEY <text>` and put the same into .env.local.",
    );
  await feed(rate, seconds, source, feedKey, flags.quiet);
  return 0;
}

async function feed(
  rate: number,
  seconds: number | null,
  source: MarketSource,
  key: string,
  isQuiet: boolean,
): Promise<void> {
  const client = getConvexClient();
  const ended = Promise.withResolvers<void>();
  const end = () => ended.resolve();
  const fail = (error: unknown) => ended.reject(error);
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.once(signal, end);
  await client.mutation(api.agents.seed, { key });
  const feeder = new Feeder({
    source,
    rate,
    monotonicMs: () => performance.now(),
    wallMs: () => Date.now(),
    send: (batch) => client.mutation(api.feed.ingest, { key, ...batch }),
    onError: fail,
  });
  const timers = [
    setInterval(() => feeder.step(), BATCH_INTERVAL_MS),
    setInterval(() => {
      if (!isQuiet)
        process.stderr.write(`${statusLine(feeder, client.connectionState().isWebSocketConnected)}\n`);
    }, STATUS_INTERVAL_MS),
  ];
  if (seconds !== null) timers.push(setTimeout(end, seconds * 1_000));
  try {
    await ended.promise;
  } finally {
    for (const timer of timers) clearInterval(timer);
    // What has been taken is delivered, unless the server is away.
    await Promise.race([feeder.drain(), sleep(3_000)]);
    if (!isQuiet) process.stderr.write(`${statusLine(feeder, true)}\n`);
    await Promise.race([closeConvexClient(), sleep(1_000)]);
  }
}

function statusLine(feeder: Feeder, isConnected: boolean): string {
  const { taken, acknowledged, batches, inFlight, merged, slipped } = feeder.counts;
  return `feed: ${acknowledged} of ${taken} events taken in ${batches} batches, ${inFlight} in flight, ${merged} prices merged, ${slipped} slipped${isConnected ? "" : ", server away"}`;
}

function parseFlags() {
  try {
    return parseArgs({
      options: {
        rate: { type: "string", default: "200" },
        file: { type: "string" },
        seed: { type: "string" },
        seconds: { type: "string" },
        quiet: { type: "boolean", default: false },
        help: { type: "boolean", short: "h", default: false },
      },
    }).values;
  } catch (error) {
    throw new UserError(`${(error as Error).message}\n\n${help}`, 2);
  }
}
