import { execFileSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import type { TestServer } from "../../../conformance/support/server.ts";
import { until } from "../../../conformance/support/until.ts";
import { checkDataFolder } from "./dataFolderCheck.ts";
import { checkHistory, History } from "./history.ts";
import { addByHttp, readLedger, startLedger } from "./rig.ts";

/** A real server whose files cannot grow any more, as on a disk that is full. */

/** Of util-linux: sets a limit of a process that runs. */
const prlimit = "/usr/bin/prlimit";
const hasPrlimit = process.platform === "linux" && fs.existsSync(prlimit);

let server: TestServer | null = null;
afterEach(async () => {
  await server?.dispose();
  server = null;
});

function largestFile(folder: string): number {
  const files = fs
    .readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((file) => file.isFile());
  return Math.max(...files.map((file) => fs.statSync(path.join(file.parentPath, file.name)).size));
}

describe.runIf(hasPrlimit)("a disk that is full", () => {
  it.each([16, 200])(
    "ends the server with a reason (%i KiB left); nothing acknowledged is lost",
    { timeout: 120_000 },
    async (kibibytesLeft) => {
      server = await startLedger();
      const running = server;
      const history = new History();
      await Promise.all(Array.from({ length: 20 }, () => addByHttp(running.url, history)));
      const limit = largestFile(running.dataFolder) + kibibytesLeft * 1024;
      execFileSync(prlimit, ["--pid", String(running.pid), `--fsize=${limit}`]);
      const ended = { isOver: false };
      const exit = running.ended(90_000).finally(() => (ended.isOver = true));
      const flood = async () => {
        while (!ended.isOver) await addByHttp(running.url, history);
      };
      const floods = Array.from({ length: 16 }, flood);
      expect(await exit).toMatchObject({ code: 1 });
      await Promise.all(floods);
      expect(running.logs).toMatch(/EFBIG|ENOSPC|full|too large/i);
      // With room again: what was acknowledged is there, and it goes on.
      await running.start();
      const before = history.operations.length;
      await addByHttp(running.url, history);
      await until("it goes on", () => history.operations.at(before)?.outcome.type === "acknowledged");
      const { entries, accounts, violations } = await readLedger(running.url);
      expect([...violations, ...checkHistory(history, entries, accounts)]).toEqual([]);
      await running.stop();
      expect(await checkDataFolder(running.dataFolder)).toEqual([]);
    },
  );
});
