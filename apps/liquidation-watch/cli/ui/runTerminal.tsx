import { render } from "ink";
import { setTimeout as sleep } from "node:timers/promises";
import { glyphsFor } from "../shared/format.ts";
import type { Config } from "../services/config/config.ts";
import { closeConvexClient, getConvexClient } from "../services/convex/index.ts";
import { Chat } from "../state/chat.ts";
import { Subscriptions } from "../state/subscriptions.ts";
import { WatchStore } from "../state/watchStore.ts";
import { App } from "./app.tsx";

/** Messages still on their way when one quits get this long. */
const DRAIN_MAX_MS = 2_000;
const CLOSE_MAX_MS = 1_000;

export interface TerminalOptions {
  readonly config: Config;
  readonly symbol: string | null;
  readonly minUsd: number;
}

/** Shows the market on the whole terminal until the user quits; then the terminal is as it was before. */
export async function runTerminal({ config, symbol, minUsd }: TerminalOptions): Promise<void> {
  const nowMs = () => Date.now();
  const client = getConvexClient();
  const store = new WatchStore(
    { nowMs, setTimeout, clearTimeout: (timer) => clearTimeout(timer) },
    { symbol, minUsd },
  );
  const subscriptions = new Subscriptions(client, store, nowMs);
  const chat = new Chat(client, store, config);
  const ink = render(
    <App
      store={store}
      glyphs={glyphsFor(process.env)}
      onSay={(content) => chat.say(content)}
      onFilter={() => subscriptions.watchTape()}
    />,
    {
      alternateScreen: true,
      incrementalRendering: true,
      exitOnCtrlC: false,
      maxFps: 30,
      // Where CI=true is set a person at a terminal still wants to see something.
      interactive: true,
    },
  );
  const end = () => ink.unmount();
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.once(signal, end);
  try {
    await ink.waitUntilExit();
  } finally {
    store.stop();
    subscriptions.close();
    const unsent = store.current.unsent.length;
    if (unsent > 0) process.stdout.write(`Sending ${unsent} message${unsent === 1 ? "" : "s"} ...\n`);
    await Promise.race([chat.drain(), sleep(DRAIN_MAX_MS)]);
    const lost = store.current.unsent.length;
    if (lost > 0) process.stderr.write(`${lost} not sent: the server did not answer.\n`);
    await Promise.race([closeConvexClient(), sleep(CLOSE_MAX_MS)]);
  }
}
