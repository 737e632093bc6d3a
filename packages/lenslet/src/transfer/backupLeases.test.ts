import { afterEach, beforeEach, expect, it } from "vitest";
import { seededRandom } from "../log/testSupport.ts";
import { TestEngine } from "../engine/testEngine.ts";
import { BackupLeases, leaseMs } from "./backupLeases.ts";

let server: TestEngine;
let leases: BackupLeases;
/** What is kept for backups, by name. */
const held = { files: 0, log: 0 };

beforeEach(async () => {
  server = await TestEngine.start({
    "m.ts": `
      import { mutation } from "./_generated/server";
      export const add = mutation(async ({ db }) => { await db.insert("t", {}); });`,
  });
  Object.assign(held, { files: 0, log: 0 });
  const hold = (what: "files" | "log") => {
    held[what] += 1;
    return () => {
      held[what] -= 1;
    };
  };
  leases = new BackupLeases({
    engine: { system: (operation, args) => server.settled(server.client.system(operation, args)) },
    holdFiles: () => hold("files"),
    holdLog: async () => hold("log"),
    hasLocalFiles: true,
    timers: server.clock,
    random: seededRandom(3),
  });
});
afterEach(async () => {
  await leases.close();
  expect(held).toEqual({ files: 0, log: 0 });
  server.dispose();
});

async function settled<T>(promise: Promise<T>): Promise<T> {
  await server.settle();
  return await promise;
}

it("keeps the store for as long as it is copied, and the rest to the end", async () => {
  await server.mutation("m:add");
  const { lease, ts } = await leases.begin();
  expect(BigInt(ts)).toBe(server.committer.lastTs);
  await server.mutation("m:add");
  // Held: a checkpoint is of what the copy is of.
  expect(await server.system("store.checkpoint")).toBe(ts);
  expect(await leases.storeCopied(lease)).toBe(true);
  expect(await server.system("store.checkpoint")).toBe(String(server.committer.lastTs));
  expect(held).toEqual({ files: 1, log: 1 });
  expect(await leases.end(lease)).toBe(true);
  expect(held).toEqual({ files: 0, log: 0 });
  expect([leases.renew(lease), await leases.storeCopied(lease), await leases.end(lease)]).toEqual([
    false,
    false,
    false,
  ]);
});

it("says that the copy is of no use when the engine was replaced meanwhile", async () => {
  const { lease } = await leases.begin();
  await server.replaceEngine();
  expect(await leases.storeCopied(lease)).toBe(false);
  expect(await leases.end(lease)).toBe(false);
});

it("lets go of everything when it hears no more of a backup", async () => {
  const first = await leases.begin();
  const second = await leases.begin();
  expect(second.ts).toBe(first.ts);
  server.clock.advance(leaseMs - 1);
  expect(leases.renew(second.lease)).toBe(true);
  server.clock.advance(2);
  await server.settle();
  expect(leases.renew(first.lease)).toBe(false);
  expect(held).toEqual({ files: 1, log: 1 });
  expect(await settled(leases.storeCopied(second.lease))).toBe(true);
  expect(await leases.end(second.lease)).toBe(true);
});

it("gives the store's file back after an hour, however often it hears of the backup", async () => {
  const { lease, ts } = await leases.begin();
  await server.mutation("m:add");
  for (let passedMs = 0; passedMs <= 3600 * 1000; passedMs += leaseMs / 2) {
    expect(leases.renew(lease)).toBe(true);
    server.clock.advance(leaseMs / 2);
    await server.settle();
  }
  expect(await server.system("store.checkpoint")).not.toBe(ts);
  expect(await leases.storeCopied(lease)).toBe(false);
  expect(await leases.end(lease)).toBe(false);
});

it("makes a few backups at a time", async () => {
  for (let i = 0; i < 4; i++) await leases.begin();
  await expect(leases.begin()).rejects.toMatchObject({ code: "TooManyBackups" });
});
