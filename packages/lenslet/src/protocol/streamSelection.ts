import { badRequest } from "../base/errors.ts";

/**
 * What of the data a stream shows (http-api.md §10.4): for each component ("" is the app), table and column whether it is
 * included, and under `_other` for those that are not named.
 */
interface Level {
  readonly other: Choice;
  readonly named: ReadonlyMap<string, Choice | Level>;
}
type Choice = "included" | "excluded";

/** Whether a column of a table is shown; `_id` always is, because nothing could be followed without it. */
export type ColumnChoice = (column: string) => boolean;

const levelsMax = 3;
const everything: Level = { other: "included", named: new Map() };

export class StreamSelection {
  static readonly all = new StreamSelection(everything, null);
  readonly #components: Level;
  /** Null: tables of any name. */
  readonly #tableName: string | null;

  private constructor(components: Level, tableName: string | null) {
    this.#components = components;
    this.#tableName = tableName;
  }

  /** Throws BadRequest with this code. */
  static parse(json: unknown, code: string): StreamSelection {
    const level = parseLevel(json, 1);
    if (level !== null && typeof level === "object") return new StreamSelection(level, null);
    throw badRequest(
      code,
      'The selection must be of the form {component: "excluded" | {table: "excluded" | {column: "included" | "excluded", "_other": …}, "_other": …}, "_other": "included" | "excluded"}.',
    );
  }

  /** Of one component, or of the tables of one name, or both; null: of all. */
  static only(component: string | null, tableName: string | null): StreamSelection {
    const components: Level =
      component === null ? everything : { other: "excluded", named: new Map([[component, "included"]]) };
    return new StreamSelection(components, tableName);
  }

  /** Null: the table is not shown; `all`: every column is. */
  columnsOf(component: string, table: string): ColumnChoice | "all" | null {
    if (this.#tableName !== null && table !== this.#tableName) return null;
    const columns = inner(inner(this.#components, component), table);
    if (columns === "excluded") return null;
    if (columns === "included") return "all";
    return (column) => column === "_id" || inner(columns, column) === "included";
  }

  /** Equal selections have equal texts. */
  get text(): string {
    return JSON.stringify([this.#tableName, textOf(this.#components)]);
  }
}

function parseLevel(json: unknown, depth: number): Choice | Level | null {
  if (json === "included" || json === "excluded") return json;
  if (typeof json !== "object" || json === null || Array.isArray(json) || depth > levelsMax) return null;
  const { _other: other, ...rest } = json as Readonly<Record<string, unknown>>;
  if (other !== "included" && other !== "excluded") return null;
  const named = new Map<string, Choice | Level>();
  for (const [name, value] of Object.entries(rest)) {
    const choice = parseLevel(value, depth + 1);
    if (choice === null) return null;
    named.set(name, choice);
  }
  return { other, named };
}

function inner(level: Choice | Level, name: string): Choice | Level {
  return typeof level === "string" ? level : (level.named.get(name) ?? level.other);
}

function textOf(level: Choice | Level): unknown {
  if (typeof level === "string") return level;
  const named = [...level.named].toSorted(([a], [b]) => (a < b ? -1 : 1));
  return [level.other, named.map(([name, value]) => [name, textOf(value)])];
}
