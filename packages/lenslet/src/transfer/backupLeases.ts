import type { Timers } from "../base/clock.ts";
import { LensletError } from "../base/errors.ts";
import { type Random, randomHex } from "../base/random.ts";
import type { EngineApi } from "../engine/api.ts";
import type { StoreHold } from "../engine/storeFile.ts";

/** A backup that has not been heard of for so long is given up: whoever made it is gone. */
export const leaseMs = 60_000;
/** What is written meanwhile collects beside the store's file: no backup holds it for longer. */
const storeHoldMsMax = 3600 * 1000;
const leasesMax = 4;

export interface BackupLeasesOptions {
  readonly engine: Pick<EngineApi, "system">;
  readonly holdFiles: () => () => void;
  readonly holdLog: () => Promise<() => void>;
  /** Files are in the data folder. */
  readonly hasLocalFiles: boolean;
  readonly timers: Timers;
  readonly random: Random;
}

/** Answer of `begin`. */
export interface BackupLease {
  readonly lease: string;
  /** The store's file is the state at this timestamp. */
  readonly ts: string;
  readonly hasLocalFiles: boolean;
}

interface OpenLease {
  storeHold: string | null;
  /** False once the store's file may have changed while it was held. */
  isIntact: boolean;
  readonly releases: (() => void)[];
  cancelExpiry: () => void;
}

/**
 * Backups are made by another process, which copies files of the data folder (transfer/backup.ts). Here the running server
 * keeps for it what it copies: the store's file as it is until that is copied, the log and the stored files to the end.
 */
export class BackupLeases {
  readonly #options: BackupLeasesOptions;
  readonly #leases = new Map<string, OpenLease>();

  constructor(options: BackupLeasesOptions) {
    this.#options = options;
  }

  async begin(): Promise<BackupLease> {
    const { engine, holdFiles, holdLog, hasLocalFiles, timers, random } = this.#options;
    if (this.#leases.size >= leasesMax) {
      throw new LensletError(
        "Conflict",
        "TooManyBackups",
        `${leasesMax} backups are being made already. Wait until they are finished, or for a minute if they were broken off.`,
      );
    }
    const lease = randomHex(random, 16);
    const open: OpenLease = {
      storeHold: null,
      isIntact: true,
      releases: [],
      cancelExpiry: () => undefined,
    };
    this.#leases.set(lease, open);
    try {
      // Before the store: what its state refers to stays.
      open.releases.push(holdFiles());
      open.releases.push(await holdLog());
      const { hold, ts } = JSON.parse(await engine.system("store.hold", "{}")) as StoreHold;
      open.storeHold = hold;
      const cancelHold = timers.setTimeout(() => void this.#releaseStore(open, false), storeHoldMsMax);
      open.releases.push(cancelHold);
      this.renew(lease);
      return { lease, ts, hasLocalFiles };
    } catch (error) {
      await this.#end(lease);
      throw error;
    }
  }

  /** False: there is no such backup, or not any more. */
  renew(lease: string): boolean {
    const open = this.#leases.get(lease);
    if (open === undefined) return false;
    open.cancelExpiry();
    open.cancelExpiry = this.#options.timers.setTimeout(() => void this.#end(lease), leaseMs);
    return true;
  }

  /** The store's file may change again. False: it may have changed before, the copy is of no use. */
  async storeCopied(lease: string): Promise<boolean> {
    const open = this.#leases.get(lease);
    if (open === undefined) return false;
    await this.#releaseStore(open, true);
    return open.isIntact;
  }

  /** False: not everything that was copied had been kept to the end. */
  async end(lease: string): Promise<boolean> {
    const open = this.#leases.get(lease);
    await this.#end(lease);
    return open?.isIntact === true;
  }

  async close(): Promise<void> {
    for (const lease of this.#leases.keys()) await this.#end(lease);
  }

  async #end(lease: string): Promise<void> {
    const open = this.#leases.get(lease);
    if (open === undefined) return;
    this.#leases.delete(lease);
    open.cancelExpiry();
    for (const release of open.releases.toReversed()) release();
    await this.#releaseStore(open, false);
  }

  /** `isCopied`: everything is as it should be if it has been held until now. */
  async #releaseStore(open: OpenLease, isCopied: boolean): Promise<void> {
    const { storeHold } = open;
    if (storeHold === null) return;
    open.storeHold = null;
    if (!isCopied) open.isIntact = false;
    try {
      const released = await this.#options.engine.system(
        "store.release",
        JSON.stringify({ hold: storeHold }),
      );
      if (released !== "true") open.isIntact = false;
    } catch {
      // The engine is gone for good, and the server with it.
      open.isIntact = false;
    }
  }
}
