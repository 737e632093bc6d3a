import { promisify } from "node:util";
import { Readable } from "node:stream";
import { crc32 } from "node:zlib";
import yauzl, { type Entry, type ZipFile } from "yauzl";
import { badRequest } from "../base/errors.ts";
import { jsonLineRows, type Rows } from "./importFormats.ts";

const openZip = promisify<string, yauzl.Options, ZipFile>(yauzl.open);
const entriesMax = 5_000_000;

interface ZipTable {
  /** "" is the app. */
  readonly componentPath: string;
  readonly name: string;
  /** Of `_tables`; null: it does not say. */
  readonly number: number | null;
  readonly rows: () => Rows;
}

interface ZipFileEntry {
  readonly open: () => Promise<Readable>;
}

/** What is in a ZIP of the layout of http-api.md §10.1, whatever folder it is in. */
export interface ZipContents {
  readonly tables: readonly ZipTable[];
  /** By component path: `_storage/documents.jsonl`, and the contents by storage id. */
  readonly storage: readonly {
    readonly componentPath: string;
    readonly rows: () => Rows;
    readonly contents: ReadonlyMap<string, ZipFileEntry>;
  }[];
  close(): void;
}

/** Throws InvalidZip and what is wrong with `_tables`. */
export async function openZipContents(file: string): Promise<ZipContents> {
  let zip: ZipFile;
  try {
    zip = await openZip(file, { lazyEntries: true, autoClose: false });
  } catch (error) {
    throw badRequest("InvalidZip", `The file is not a ZIP file: ${(error as Error).message}`);
  }
  const openEntry = promisify(zip.openReadStream.bind(zip)) as (entry: Entry) => Promise<Readable>;
  const open = (entry: Entry) =>
    Promise.resolve(Readable.from(checked(openEntry, entry), { objectMode: false }));
  const entries = await readEntries(zip);
  const found = entries.flatMap((entry) => {
    const parts = placeOf(entry.fileName);
    return parts === null ? [] : [{ entry, ...parts }];
  });
  // Any folder may stand in front; the one nearest to the root is meant.
  const root = found.map(({ root: prefix }) => prefix).toSorted((a, b) => a.length - b.length)[0];
  const placed = found.filter(({ root: prefix }) => prefix === root);
  const numbers = new Map<string, number>();
  const rowsOf = (entry: Entry, where: string, integers: boolean) =>
    async function* (): Rows {
      yield* jsonLineRows(await open(entry), where, integers);
    };
  const uniform = new Set(
    placed.flatMap(({ componentPath, folder, name }) =>
      name === "generated_schema.jsonl" ? [`${componentPath}/${folder}`] : [],
    ),
  );
  for (const { entry, componentPath, folder, name } of placed) {
    if (folder !== "_tables" || name !== "documents.jsonl") continue;
    for await (const row of rowsOf(entry, "_tables: ", false)()) {
      if (typeof row["name"] === "string" && typeof row["id"] === "number")
        numbers.set(`${componentPath}/${row["name"]}`, row["id"]);
    }
  }
  const documents = placed.filter(({ name }) => name === "documents.jsonl");
  return {
    tables: documents
      .filter(({ folder }) => !folder.startsWith("_"))
      .map(({ entry, componentPath, folder }) => ({
        componentPath,
        name: folder,
        number: numbers.get(`${componentPath}/${folder}`) ?? null,
        rows: rowsOf(entry, `table "${folder}", `, uniform.has(`${componentPath}/${folder}`)),
      })),
    storage: documents
      .filter(({ folder }) => folder === "_storage")
      .map(({ entry, componentPath }) => ({
        componentPath,
        rows: rowsOf(entry, "_storage: ", false),
        contents: new Map(
          placed
            .filter((other) => other.componentPath === componentPath && other.folder === "_storage")
            .filter(({ name }) => name !== "documents.jsonl" && name !== "generated_schema.jsonl")
            .map(({ entry: file, name }) => [
              name.replace(/\..*$/s, ""),
              { open: () => open(file) } satisfies ZipFileEntry,
            ]),
        ),
      })),
    close: () => zip.close(),
  };
}

/** The contents of an entry, held to its checksum. Throws InvalidZip. */
async function* checked(
  open: (entry: Entry) => Promise<Readable>,
  entry: Entry,
): AsyncGenerator<Buffer, void, undefined> {
  let sum = 0;
  try {
    for await (const chunk of (await open(entry)) as AsyncIterable<Buffer>) {
      sum = crc32(chunk, sum);
      yield chunk;
    }
  } catch (error) {
    throw badRequest("InvalidZip", `The entry ${entry.fileName} is damaged: ${(error as Error).message}`);
  }
  if (sum !== entry.crc32)
    throw badRequest("InvalidZip", `The entry ${entry.fileName} is damaged: its checksum is wrong.`);
}

async function readEntries(zip: ZipFile): Promise<readonly Entry[]> {
  const entries: Entry[] = [];
  return await new Promise((resolve, reject) => {
    zip.on("entry", (entry: Entry) => {
      entries.push(entry);
      if (entries.length > entriesMax) reject(badRequest("InvalidZip", `More than ${entriesMax} entries.`));
      else zip.readEntry();
    });
    zip.on("error", (error: Error) => reject(badRequest("InvalidZip", error.message)));
    zip.on("end", () => resolve(entries));
    zip.readEntry();
  });
}

/** Null for what is no part of the layout. */
function placeOf(
  fileName: string,
): { root: string; componentPath: string; folder: string; name: string } | null {
  const parts = fileName.split("/");
  const name = parts.pop() ?? "";
  const folder = parts.pop() ?? "";
  const isPart = name === "documents.jsonl" || name === "generated_schema.jsonl" || folder === "_storage";
  if (name === "" || folder === "" || !isPart) return null;
  const components: string[] = [];
  while (parts.length >= 2 && parts.at(-2) === "_components") {
    components.unshift(parts.pop() as string);
    parts.pop();
  }
  if (folder.startsWith("_") && folder !== "_tables" && folder !== "_storage") return null;
  return { root: parts.join("/"), componentPath: components.join("/"), folder, name };
}
