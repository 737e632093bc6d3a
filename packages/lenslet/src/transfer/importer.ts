import { createReadStream, createWriteStream } from "node:fs";
import fs from "node:fs/promises";
import path from "node:path";
import { pipeline } from "node:stream/promises";
import { badRequest, LensletError } from "../base/errors.ts";
import { type Random, randomHex } from "../base/random.ts";
import type { EngineApi } from "../engine/api.ts";
import type { FileService } from "../files/fileService.ts";
import { watchSystemQuery } from "../files/systemWatch.ts";
import { ImportRun, type WaitingImport } from "./importRun.ts";

/** limits of S3, whose rules uploads follow (http-api.md §10.2) */
const partsMax = 10_000;

export interface ImporterOptions {
  readonly engine: EngineApi;
  readonly files: FileService;
  /** Where uploads are kept until they are imported. */
  readonly folder: string;
  readonly random: Random;
  readonly report: (level: "info" | "warn" | "error", message: string) => void;
}

/** Takes the uploads of `convex import`, and imports them one at a time (http-api.md §10.2). */
export class Importer {
  readonly #options: ImporterOptions;
  #waiting: readonly WaitingImport[] = [];
  /** Imports in one request that are under way, with the code of what has gone wrong, which their state does not tell. */
  readonly #atOnce = new Map<string, string | null>();
  #isWorking = false;
  #isClosed = false;
  #working: Promise<void> = Promise.resolve();
  #unwatch: () => void = () => undefined;

  constructor(options: ImporterOptions) {
    this.#options = options;
  }

  async start(): Promise<void> {
    const { engine, folder, report } = this.#options;
    await fs.mkdir(folder, { recursive: true });
    const known = JSON.parse(await engine.system("import.restart", "{}")) as readonly string[];
    for (const name of await fs.readdir(folder)) {
      if (!known.includes(name)) await fs.rm(path.join(folder, name), { recursive: true, force: true });
    }
    this.#unwatch = await watchSystemQuery(
      engine,
      "_system/transfers:waitingImports",
      (value) => {
        this.#waiting = value as readonly WaitingImport[];
        this.#work();
      },
      (message) => report("error", `the list of imports cannot be read: ${message}`),
    );
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#unwatch();
    await this.#working;
  }

  async startUpload(): Promise<string> {
    const token = randomHex(this.#options.random, 16);
    await fs.mkdir(path.join(this.#options.folder, token));
    return token;
  }

  /** Returns the token of the part. */
  async savePart(uploadToken: string, part: number, source: AsyncIterable<Uint8Array>): Promise<string> {
    const folder = this.#uploadOf(uploadToken);
    if (!Number.isInteger(part) || part < 1 || part >= partsMax) {
      throw badRequest("InvalidImport", `partNumber must be from 1 to ${partsMax - 1}.`);
    }
    const file = path.join(folder, `part${part}`);
    try {
      await pipeline(source, createWriteStream(`${file}.unfinished`));
      await fs.rename(`${file}.unfinished`, file);
    } catch (error) {
      await fs.rm(`${file}.unfinished`, { force: true });
      if ((error as NodeJS.ErrnoException).code === "ENOENT") throw unknownUpload();
      throw error;
    }
    return String(part);
  }

  /** Returns the import's id. Throws InvalidName, ImportInvalidName, InvalidImport. */
  async finishUpload(uploadToken: string, partTokens: readonly string[], wanted: unknown): Promise<string> {
    const folder = this.#uploadOf(uploadToken);
    const isOnce = new Set(partTokens).size === partTokens.length;
    if (!isOnce || !partTokens.every((token) => partToken.test(token)))
      throw badRequest("InvalidImport", "The part tokens are not those of this upload.");
    const { engine } = this.#options;
    const request = JSON.stringify({ import: wanted, key: uploadToken });
    // Whoever asks for something impossible may ask again, and has not lost the upload.
    await engine.system("import.check", request);
    try {
      const parts = partTokens.map((token) => path.join(folder, `part${token}`));
      await joinParts(parts, path.join(folder, "data"));
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === "ENOENT" || code === "EEXIST") throw unknownUpload();
      throw error;
    }
    return JSON.parse(await engine.system("import.create", request)) as string;
  }

  /** An import in one request, without confirmation. Returns the number of rows written. */
  async importAtOnce(source: AsyncIterable<Uint8Array>, wanted: unknown): Promise<number> {
    const token = await this.startUpload();
    const part = await this.savePart(token, 1, source);
    const id = await this.finishUpload(token, [part], wanted);
    this.#atOnce.set(id, null);
    try {
      return await this.#outcome(id);
    } finally {
      this.#atOnce.delete(id);
    }
  }

  async #outcome(id: string): Promise<number> {
    const { engine } = this.#options;
    let end: () => void = () => undefined;
    try {
      return await new Promise<number>((resolve, reject) => {
        const take = (value: unknown): void => {
          const { state } = value as { state: { state: string; [field: string]: unknown } };
          if (state.state === "waiting_for_confirmation") {
            engine.system("import.perform", JSON.stringify({ importId: id })).catch(reject);
          } else if (state.state === "failed") {
            reject(badRequest(this.#atOnce.get(id) ?? "ImportFailed", String(state["error_message"])));
          } else if (state.state === "completed") {
            const { $integer } = state["num_rows_written"] as { $integer: string };
            resolve(Number(Buffer.from($integer, "base64").readBigInt64LE()));
          }
        };
        const failed = (message: string) => reject(new Error(message));
        watchSystemQuery(engine, "_system/cli/queryImport", take, failed, { importId: id }).then(
          (unwatch) => (end = unwatch),
          reject,
        );
      });
    } finally {
      end();
    }
  }

  #uploadOf(token: string): string {
    if (!/^[0-9a-f]{32}$/.test(token)) throw unknownUpload();
    return path.join(this.#options.folder, token);
  }

  #work(): void {
    const [next] = this.#waiting;
    if (this.#isWorking || this.#isClosed || next === undefined) return;
    this.#isWorking = true;
    this.#waiting = this.#waiting.slice(1);
    this.#working = this.#run(next).finally(() => {
      this.#isWorking = false;
      this.#work();
    });
  }

  async #run(waiting: WaitingImport): Promise<void> {
    const { engine, files, folder, report } = this.#options;
    const upload = path.join(folder, waiting.key);
    const run = new ImportRun(
      { engine, files, isClosed: () => this.#isClosed },
      waiting,
      path.join(upload, "data"),
    );
    try {
      const isOver = waiting.state === "uploaded" ? await run.prepare() : await run.perform();
      if (isOver) await fs.rm(upload, { recursive: true, force: true });
    } catch (error) {
      if (this.#isClosed) return;
      const isExpected = error instanceof LensletError && error.category !== "Internal";
      if (!isExpected) report("error", `import failed: ${(error as Error)?.stack ?? String(error)}`);
      const text = isExpected ? error.message : "Your request couldn't be completed. Try again later.";
      if (isExpected && this.#atOnce.has(waiting.id)) this.#atOnce.set(waiting.id, error.code);
      await run.fail(`Hit an error while importing:\n${text}`).catch(() => undefined);
      await fs.rm(upload, { recursive: true, force: true });
    }
  }
}

const partToken = /^[1-9]\d{0,3}$/;

/**
 * Throws ENOENT when the folder or a part is missing, EEXIST when the target is there: of an upload that is finished
 * there are no parts any more, and what they have become is not touched.
 */
async function joinParts(parts: readonly string[], target: string): Promise<void> {
  for (const part of parts) await fs.access(part);
  const handle = await fs.open(target, "wx");
  try {
    for (const part of parts) {
      await handle.writeFile(createReadStream(part));
      // At once: all of it twice may be more than the disk has.
      await fs.rm(part);
    }
  } catch (error) {
    await fs.rm(target, { force: true });
    throw error;
  } finally {
    await handle.close();
  }
}

function unknownUpload(): LensletError {
  return badRequest("InvalidImport", "There is no such upload. Start a new one.");
}
