import { once } from "node:events";
import { createWriteStream } from "node:fs";
import fs from "node:fs/promises";
import path from "node:path";
import { Readable } from "node:stream";
import { finished, pipeline } from "node:stream/promises";
import { ZipFile } from "yazl";
import type { Clock } from "../base/clock.ts";
import { LensletError } from "../base/errors.ts";
import type { EngineApi } from "../engine/api.ts";
import type { ExportPlan, ExportTable, FoundExport } from "../engine/exportOperations.ts";
import type { FileService } from "../files/fileService.ts";
import { syncPath } from "../files/localFileStore.ts";
import { watchSystemQuery } from "../files/systemWatch.ts";
import { decodeValue, formatExportJson } from "../values/json.ts";
import { isValueObject, type ValueObject } from "../values/value.ts";
import { extensionOf, readme } from "./zipLayout.ts";

const pageBytesMax = 1024 * 1024;
/** An export begins anew when its snapshot is lost, but not for ever. */
const attemptsMax = 3;

export interface ExporterOptions {
  readonly engine: EngineApi;
  readonly contents: Pick<FileService, "read">;
  /** Keeps the contents of deleted files until the returned function is called. */
  readonly holdRemovals: () => () => void;
  /** Where finished exports are kept. */
  readonly folder: string;
  readonly clock: Clock;
  readonly instanceName: string;
  readonly report: (level: "info" | "warn" | "error", message: string) => void;
}

interface RequestedExport {
  readonly id: string;
  readonly includeStorage: boolean;
}

/** A ZIP file that is being written. */
interface Filling {
  readonly zip: ZipFile;
  /** What is being read into it. */
  source: Readable | null;
  /** Complete or given up: nothing is to be read any more. */
  isOver: boolean;
}

interface Place {
  readonly fileId: string;
  readonly key: string;
}

/** Makes the ZIP files that `convex export` asks for, one at a time, each of one snapshot (http-api.md §10.1). */
export class Exporter {
  readonly #options: ExporterOptions;
  #requested: readonly RequestedExport[] = [];
  #isWorking = false;
  #isClosed = false;
  #working: Promise<void> = Promise.resolve();
  #unwatch: () => void = () => undefined;

  constructor(options: ExporterOptions) {
    this.#options = options;
  }

  async start(): Promise<void> {
    const { engine, folder, report } = this.#options;
    await fs.mkdir(folder, { recursive: true });
    const known = JSON.parse(await engine.system("export.restart", "{}")) as readonly string[];
    for (const name of await fs.readdir(folder)) {
      if (!known.includes(name)) await fs.rm(path.join(folder, name), { force: true });
    }
    this.#unwatch = await watchSystemQuery(
      engine,
      "_system/transfers:requestedExports",
      (value) => {
        this.#requested = value as readonly RequestedExport[];
        this.#work();
      },
      (message) => report("error", `the list of exports cannot be read: ${message}`),
    );
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#unwatch();
    await this.#working;
  }

  /** By id or by start timestamp. Throws ExportNotFound, ExportNotComplete, BadSnapshotId. */
  async open(reference: string): Promise<{ name: string; size: number; body: Readable }> {
    const { engine, folder, instanceName } = this.#options;
    const answer = await engine.system("export.find", JSON.stringify({ reference }));
    const { key, startTs } = JSON.parse(answer) as FoundExport;
    const file = await fs.open(path.join(folder, key), "r");
    try {
      const { size } = await file.stat();
      return { name: `snapshot_${instanceName}_${startTs}.zip`, size, body: file.createReadStream() };
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  #work(): void {
    const [next] = this.#requested;
    if (this.#isWorking || this.#isClosed || next === undefined) return;
    this.#isWorking = true;
    this.#requested = this.#requested.slice(1);
    this.#working = this.#export(next).finally(() => {
      this.#isWorking = false;
      this.#work();
    });
  }

  async #export(requested: RequestedExport): Promise<void> {
    const { engine, report } = this.#options;
    const release = this.#options.holdRemovals();
    try {
      for (let attempt = 1; ; attempt++) {
        try {
          await this.#attempt(requested);
          return;
        } catch (error) {
          const isLost = error instanceof LensletError && error.code === "SnapshotLost";
          if (!isLost || attempt === attemptsMax || this.#isClosed) throw error;
        }
      }
    } catch (error) {
      if (this.#isClosed) return;
      report("error", `export failed: ${(error as Error)?.stack ?? String(error)}`);
      await engine.system("export.fail", JSON.stringify({ id: requested.id })).catch(() => undefined);
    } finally {
      release();
    }
  }

  async #attempt({ id, includeStorage }: RequestedExport): Promise<void> {
    const { engine, folder } = this.#options;
    const plan = JSON.parse(await engine.system("export.begin", JSON.stringify({ id }))) as ExportPlan;
    const key = `${id}.zip`;
    const unfinished = path.join(folder, `${key}.part`);
    const zip = new ZipFile();
    const filling: Filling = { zip, source: null, isOver: false };
    try {
      const failed = once(zip, "error").then(([error]) => Promise.reject(error as Error));
      // Looked at below; it may fail before that.
      failed.catch(() => undefined);
      const written = pipeline(zip.outputStream as Readable, createWriteStream(unfinished));
      written.catch(() => undefined);
      // When the disk is full nobody takes what is still to be read: filling would wait for ever.
      await Promise.race([Promise.all([this.#fill(filling, plan, includeStorage), written]), failed]);
      await syncPath(unfinished);
      await fs.rename(unfinished, path.join(folder, key));
      const isWanted = await engine.system("export.complete", JSON.stringify({ id, key }));
      if (isWanted !== "true") await fs.rm(path.join(folder, key), { force: true });
    } finally {
      filling.isOver = true;
      filling.source?.destroy();
      await engine
        .system("snapshot.close", JSON.stringify({ snapshot: plan.snapshot }))
        .catch(() => undefined);
      await fs.rm(unfinished, { force: true });
    }
  }

  async #fill(filling: Filling, plan: ExportPlan, includeStorage: boolean): Promise<void> {
    const add = (name: string, lines: AsyncIterable<string>) =>
      this.#addStream(filling, name, Readable.from(lines));
    await add("README.md", single(readme));
    const places = includeStorage ? await this.#places(plan) : new Map<string, Place>();
    for (const component of plan.components) {
      const prefix =
        component.path === "" ? "" : `_components/${component.path.split("/").join("/_components/")}/`;
      const tables = component.tables.toSorted((a, b) => a.number - b.number);
      await add(
        `${prefix}_tables/documents.jsonl`,
        single(tables.map(({ name, number }) => `${JSON.stringify({ name, id: number })}\n`).join("")),
      );
      for (const table of tables) {
        await add(`${prefix}${table.name}/documents.jsonl`, this.#documentLines(plan, table));
        await add(`${prefix}${table.name}/generated_schema.jsonl`, single('"uniform"\n'));
      }
      if (includeStorage && component.storage !== null)
        await this.#addFiles(filling, plan, component.storage, prefix, (id) =>
          places.get(`${component.namespace}/${id}`),
        );
    }
    filling.zip.end();
  }

  /** Where all files are, by namespace and storage id. */
  async #places(plan: ExportPlan): Promise<Map<string, Place>> {
    const places = new Map<string, Place>();
    for await (const row of this.#documents(plan, plan.files)) {
      const { namespace, storageId, fileId, key } = row as unknown as Place & Record<string, string>;
      places.set(`${namespace}/${storageId}`, { fileId, key });
    }
    return places;
  }

  async #addFiles(
    filling: Filling,
    plan: ExportPlan,
    storage: ExportTable,
    prefix: string,
    placeOf: (storageId: string) => Place | undefined,
  ): Promise<void> {
    const files: { readonly id: string; readonly size: number; readonly contentType: string | null }[] = [];
    const lines = async function* (documents: AsyncIterable<ValueObject>) {
      for await (const document of documents) {
        const { _id, size, contentType } = document as Record<string, unknown>;
        files.push({ id: _id as string, size: size as number, contentType: contentType as string | null });
        const internalId = placeOf(_id as string)?.fileId ?? null;
        yield `${formatExportJson({ ...document, internalId })}\n`;
      }
    };
    await this.#addStream(
      filling,
      `${prefix}_storage/documents.jsonl`,
      Readable.from(lines(this.#documents(plan, storage))),
    );
    for (const { id, size, contentType } of files) {
      const place = placeOf(id);
      if (place === undefined) continue;
      const contents = await this.#options.contents.read(place.key, { start: 0, end: size });
      if (contents === null) throw new Error(`the contents of the file ${id} are missing`);
      await this.#addStream(filling, `${prefix}_storage/${id}${extensionOf(contentType)}`, contents);
    }
  }

  /** Resolves when all of `source` has gone into an entry. */
  async #addStream(filling: Filling, name: string, source: Readable): Promise<void> {
    if (this.#isClosed || filling.isOver) {
      source.destroy();
      throw new Error(this.#isClosed ? "the server is ending" : "the export has been given up");
    }
    filling.source = source;
    filling.zip.addReadStream(source, name, { mtime: new Date(this.#options.clock.nowMs()) });
    await finished(source);
  }

  async *#documentLines(plan: ExportPlan, table: ExportTable): AsyncGenerator<string, void, undefined> {
    for await (const document of this.#documents(plan, table)) yield `${formatExportJson(document)}\n`;
  }

  async *#documents(plan: ExportPlan, table: ExportTable): AsyncGenerator<ValueObject, void, undefined> {
    const request = JSON.stringify({ snapshot: plan.snapshot, tablet: table.tablet, bytesMax: pageBytesMax });
    for (let isDone = false; !isDone;) {
      const page = JSON.parse(await this.#options.engine.system("snapshot.page", request)) as {
        readonly documents: readonly string[];
        readonly isDone: boolean;
      };
      for (const text of page.documents) {
        const value = decodeValue(text);
        if (isValueObject(value)) yield value;
      }
      isDone = page.isDone;
    }
  }
}

async function* single(text: string): AsyncGenerator<string, void, undefined> {
  yield text;
}
