import { badRequest } from "../base/errors.ts";
import { numberOfId } from "../deploy/importTables.ts";
import type { EngineApi } from "../engine/api.ts";
import type { ImportTarget } from "../engine/importOperations.ts";
import type { FileService } from "../files/fileService.ts";
import { createReadStream } from "node:fs";
import {
  csvRows,
  jsonArrayRows,
  jsonLengthOf,
  jsonLineRows,
  type JsonObject,
  type Rows,
} from "./importFormats.ts";
import { openZipContents, type ZipContents } from "./zipSource.ts";

const rowsPerBatch = 200;
const batchBytesMax = 1024 * 1024;
/** Files of one import are held as a list until its last commit. */
const filesMax = 1_000_000;

/** A row of "_system/transfers:waitingImports". */
export interface WaitingImport {
  readonly id: string;
  readonly state: "uploaded" | "in_progress";
  readonly format: "zip" | "csv" | "jsonl" | "json_array";
  readonly table: string | null;
  readonly mode: "RequireEmpty" | "Append" | "Replace" | "ReplaceAll";
  readonly componentPath: string | null;
  readonly key: string;
  readonly rowsWritten: number;
}

export interface ImportServices {
  readonly engine: EngineApi;
  readonly files: FileService;
  readonly isClosed: () => boolean;
}

interface SourceTable {
  readonly componentPath: string;
  readonly name: string;
  readonly number: number | null;
  readonly rows: () => Rows;
}

interface Source {
  readonly tables: readonly SourceTable[];
  readonly storage: ZipContents["storage"];
  close(): void;
}

/** `[name, number]` by component path, as the engine's import operations take them. */
type TableNames = Record<string, (readonly [string, number])[]>;

interface Plan {
  readonly names: TableNames;
  readonly targets: Readonly<Record<string, readonly ImportTarget[]>>;
}

interface FileOfImport {
  readonly id: string | null;
  readonly creationTime: number | null;
  readonly fileId: string | null;
  readonly sha256: string;
  readonly size: number;
  readonly contentType: string | null;
  readonly key: string;
}

/** One import: first all of it is read and checked, then, once confirmed, written (http-api.md §10.2). */
export class ImportRun {
  readonly #services: ImportServices;
  readonly #waiting: WaitingImport;
  readonly #file: string;

  constructor(services: ImportServices, waiting: WaitingImport, file: string) {
    this.#services = services;
    this.#waiting = waiting;
    this.#file = file;
  }

  /** Checks everything and asks for confirmation. True: nothing more will come of it. */
  async prepare(): Promise<boolean> {
    const source = await this.#open();
    try {
      const plan = await this.#plan(source);
      const counts: { name: string; rows: number; existing: number }[] = [];
      for (const table of source.tables) {
        const rows = await this.#eachBatch(table, plan, "nowhere", 0);
        counts.push({ name: labelOf(table), rows, existing: this.#deletedOf(plan, table) });
      }
      for (const { componentPath, rows } of source.storage) {
        let files = 0;
        for await (const row of rows()) if (row !== null) files += 1;
        counts.push({ name: labelOf({ componentPath, name: "_storage" }), rows: files, existing: 0 });
      }
      for (const [componentPath, others] of Object.entries(this.#others(plan))) {
        for (const { name, existing } of others)
          counts.push({ name: labelOf({ componentPath, name }), rows: 0, existing });
      }
      const deleted = counts.reduce((sum, { existing }) => sum + existing, 0);
      return !(await this.#setState(["uploaded"], {
        state: "waiting_for_confirmation",
        message_to_confirm: summaryOf(counts),
        require_manual_confirmation: deleted > 0,
      }));
    } finally {
      source.close();
    }
  }

  /** Writes everything. True: it is over. */
  async perform(): Promise<boolean> {
    const { engine } = this.#services;
    const source = await this.#open();
    const release: (() => void)[] = [];
    try {
      const plan = await this.#plan(source);
      await engine.system("import.abandon", "{}");
      const isAppended = (table: SourceTable) =>
        this.#waiting.mode === "Append" && (this.#target(plan, table)?.existing ?? 0) > 0;
      const staged = source.tables.filter((table) => !isAppended(table));
      const names = namesOf(plan, staged);
      await engine.system("import.stage", JSON.stringify({ tables: names }));
      let rowsWritten = 0;
      const messages: string[] = [];
      const told = async (what: string, rows: number) => {
        rowsWritten += rows;
        messages.push(what);
        await this.#setState(["in_progress"], {
          state: "in_progress",
          progress_message: "Importing",
          checkpoint_messages: messages,
        });
      };
      for (const table of staged) {
        const rows = await this.#eachBatch(table, plan, "staged", 0);
        await told(`Importing ${labelOf(table)} (${rows} documents)`, rows);
      }
      const storage: Record<string, readonly FileOfImport[]> = {};
      for (const component of source.storage) {
        const files = await this.#storeFiles(component, release);
        storage[component.componentPath] = files;
        await told(`Importing ${files.length} files`, files.length);
      }
      let skipped = this.#waiting.rowsWritten;
      for (const table of source.tables.filter(isAppended)) {
        const rows = await this.#eachBatch(table, plan, "table", skipped);
        skipped = Math.max(0, skipped - rows);
        await told(`Importing ${labelOf(table)} (${rows} documents)`, rows);
      }
      const cleared = Object.fromEntries(
        Object.entries(this.#others(plan)).map(([path, others]) => [path, others.map(({ name }) => name)]),
      );
      const { id, mode } = this.#waiting;
      await engine.system(
        "import.finish",
        JSON.stringify({ id, mode, tables: names, cleared, storage, rowsWritten }),
      );
      return true;
    } finally {
      for (const letGo of release) letGo();
      source.close();
    }
  }

  async fail(message: string): Promise<void> {
    await this.#services.engine.system("import.abandon", "{}");
    await this.#setState(["uploaded", "in_progress"], { state: "failed", error_message: message });
  }

  async #open(): Promise<Source> {
    const { format, table, componentPath } = this.#waiting;
    if (format === "zip") return within(componentPath ?? "", await openZipContents(this.#file));
    const rows = () => {
      if (format === "csv") return csvRows(this.#file);
      if (format === "json_array") return jsonArrayRows(this.#file);
      return jsonLineRows(createReadStream(this.#file), "", false);
    };
    const only = { componentPath: componentPath ?? "", name: table ?? "", number: null, rows };
    return { tables: [only], storage: [], close: () => undefined };
  }

  async #plan(source: Source): Promise<Plan> {
    const wanted: Record<string, [string, number][]> = {};
    for (const table of source.tables) {
      const number = table.number ?? (await firstNumber(table.rows()));
      (wanted[table.componentPath] ??= []).push([table.name, number]);
    }
    const { mode, format, componentPath } = this.#waiting;
    // What `--replace-all` replaces: all that a ZIP file could hold.
    const root = format === "zip" ? (componentPath ?? "") : null;
    const request = JSON.stringify({ tables: wanted, mode, root });
    const answer = await this.#services.engine.system("import.targets", request);
    const targets = JSON.parse(answer) as Readonly<Record<string, readonly ImportTarget[]>>;
    const names: TableNames = {};
    for (const table of source.tables) {
      const target = targets[table.componentPath]?.find(({ name }) => name === table.name);
      if (target !== undefined) (names[table.componentPath] ??= []).push([target.name, target.number]);
    }
    return { names, targets };
  }

  /** Hands the rows of a table to the engine, in steps; `skipped` of them have been written before. */
  async #eachBatch(
    table: SourceTable,
    plan: Plan,
    into: "nowhere" | "staged" | "table",
    skipped: number,
  ): Promise<number> {
    const { componentPath, name } = table;
    const { id, mode } = this.#waiting;
    const isCheck = into === "nowhere" && mode === "Append";
    const seen = new Set<string>();
    let count = 0;
    let batch: JsonObject[] = [];
    let bytes = 0;
    const send = async () => {
      if (this.#services.isClosed()) throw new Error("the server is ending");
      if (batch.length === 0) return;
      const request = { id, componentPath, name, mode, rows: batch, into, tables: plan.names };
      await this.#services.engine.system("import.rows", JSON.stringify(request));
      batch = [];
      bytes = 0;
    };
    for await (const row of table.rows()) {
      count += 1;
      if (count <= skipped) continue;
      const { _id } = row;
      if (isCheck && typeof _id === "string") {
        if (seen.has(_id)) throw badRequest("DuplicateId", `There are two documents with the _id ${_id}.`);
        seen.add(_id);
      }
      batch.push(row);
      bytes += jsonLengthOf(row);
      if (batch.length >= rowsPerBatch || bytes > batchBytesMax) await send();
    }
    await send();
    return count;
  }

  async #storeFiles(
    { componentPath, rows, contents }: ZipContents["storage"][number],
    release: (() => void)[],
  ): Promise<readonly FileOfImport[]> {
    const files: FileOfImport[] = [];
    const where = componentPath === "" ? "_storage" : `_storage of ${componentPath}`;
    for await (const row of rows()) {
      const { _id: id, _creationTime: creationTime, sha256, contentType, internalId } = row;
      if (typeof id !== "string") throw badRequest("InvalidImport", `${where}: a file has no _id.`);
      const entry = contents.get(id);
      if (entry === undefined) throw badRequest("InvalidImport", `${where}: there is no file ${id}.`);
      const stored = await this.#services.files.hold(await entry.open());
      release.push(stored.release);
      if (typeof sha256 === "string" && sha256 !== stored.sha256) {
        throw badRequest("Sha256Mismatch", `${where}: the contents of ${id} are not those of its sha256.`);
      }
      files.push({
        id,
        creationTime: typeof creationTime === "number" ? creationTime : null,
        fileId: typeof internalId === "string" ? internalId : await this.#newFileId(),
        sha256: stored.sha256,
        size: stored.size,
        contentType: typeof contentType === "string" ? contentType : null,
        key: stored.key,
      });
      if (files.length > filesMax)
        throw badRequest("InvalidImport", `${where}: more than ${filesMax} files.`);
    }
    return files;
  }

  async #newFileId(): Promise<string> {
    return JSON.parse(await this.#services.engine.system("import.newFileId", "{}")) as string;
  }

  async #setState(from: readonly string[], state: object): Promise<boolean> {
    const request = JSON.stringify({ id: this.#waiting.id, state, from });
    return (await this.#services.engine.system("import.state", request)) === "true";
  }

  #target(plan: Plan, { componentPath, name }: SourceTable): ImportTarget | undefined {
    return plan.targets[componentPath]?.find((target) => target.name === name);
  }

  #deletedOf(plan: Plan, table: SourceTable): number {
    const { mode } = this.#waiting;
    return mode === "Replace" || mode === "ReplaceAll" ? (this.#target(plan, table)?.existing ?? 0) : 0;
  }

  /** Tables that are not in the import and go with `--replace-all`. */
  #others(plan: Plan): Record<string, readonly ImportTarget[]> {
    if (this.#waiting.mode !== "ReplaceAll") return {};
    return Object.fromEntries(
      Object.entries(plan.targets).map(([path, targets]) => [
        path,
        targets.filter(({ name }) => !(plan.names[path] ?? []).some(([wanted]) => wanted === name)),
      ]),
    );
  }
}

/** A ZIP file imported into a component: its root is the component's. */
function within(root: string, contents: ZipContents): Source {
  if (root === "") return contents;
  const pathOf = (path: string) => (path === "" ? root : `${root}/${path}`);
  const moved = <T extends { readonly componentPath: string }>(part: T): T => ({
    ...part,
    componentPath: pathOf(part.componentPath),
  });
  return {
    tables: contents.tables.map(moved),
    storage: contents.storage.map(moved),
    close: () => contents.close(),
  };
}

/** The table number that the first row's `_id` says; 0: it has none. */
async function firstNumber(rows: Rows): Promise<number> {
  for await (const { _id } of rows) return numberOfId(_id) ?? 0;
  return 0;
}

function namesOf({ names }: Plan, tables: readonly SourceTable[]): TableNames {
  return Object.fromEntries(
    Object.entries(names).map(([path, list]) => [
      path,
      list.filter(([name]) => tables.some((table) => table.componentPath === path && table.name === name)),
    ]),
  );
}

function labelOf({ componentPath, name }: { readonly componentPath: string; readonly name: string }): string {
  return componentPath === "" ? name : `${componentPath}/${name}`;
}

/** What the CLI shows before it asks. */
function summaryOf(counts: readonly { name: string; rows: number; existing: number }[]): string {
  const width = Math.max(5, ...counts.map(({ name }) => name.length));
  const line = (name: string, created: string, deleted: string) =>
    `${name.padEnd(width)} | ${created.padEnd(10)} | ${deleted.padEnd(10)} |`;
  return [
    "Import change summary:",
    line("table", "create", "delete"),
    "-".repeat(width + 28),
    ...counts.map(({ name, rows, existing }) =>
      line(name, String(rows), existing === 0 ? "" : String(existing)),
    ),
    "Once the import has started, it will run in the background.",
    "Interrupting `npx convex import` will not cancel it.",
  ].join("\n");
}
