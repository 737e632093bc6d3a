import type { Catalog } from "../store/catalog.ts";
import type { DocumentWrite, TabletId } from "../store/store.ts";
import { RowCounts } from "../transaction/rowCounts.ts";
import type { EngineMeasures } from "./api.ts";
import type { ComponentCode, FunctionInfo, LoadedDeployment } from "./deployment.ts";
import { type FunctionPath, parseFunctionPath, strippedPath } from "./functionPath.ts";
import type { QuerySpec } from "./liveQueries.ts";

/** How often the net thread is told. */
export const measuresIntervalMs = 1000;
/** Different invalidations told of at once; more are not told apart from each other, but counted. */
export const invalidationsMax = 1000;

/** What the engine counts for the dashboard's charts, between two reports to the net thread. */
export class Measures {
  readonly rows = new RowCounts();
  /** The function that is running; null for the server itself. Every call says so: it is named when it matters. */
  #writer: { readonly component: ComponentCode; readonly info: FunctionInfo } | null = null;
  readonly #invalidations = new Map<string, { tablet: TabletId; query: string; count: number }>();
  #reportedMs = 0;

  /** Whatever runs now is the server's own, unless `runs` says otherwise. */
  begin(): void {
    this.#writer = null;
  }

  runs(component: ComponentCode, info: FunctionInfo): void {
    this.#writer = { component, info };
  }

  written(writes: readonly DocumentWrite[]): void {
    for (const { tablet } of writes) this.rows.of(tablet).written += 1;
  }

  /** A watched query has to run again because the writer wrote to this table. */
  invalidated(tablet: TabletId, { componentPath, path }: QuerySpec): void {
    const query = measuredName(componentPath, parseFunctionPath(path));
    const writer = this.#writer;
    const mutation = writer === null ? "" : measuredName(writer.component.componentPath, writer.info.path);
    const key = `${mutation}\n${tablet}\n${query}`;
    const found = this.#invalidations.get(key);
    if (found !== undefined) found.count += 1;
    else if (this.#invalidations.size < invalidationsMax)
      this.#invalidations.set(key, { tablet, query, count: 1 });
  }

  /** Null when there is nothing to tell yet. */
  take(nowMs: number, catalog: Catalog, deployment: LoadedDeployment): EngineMeasures | null {
    if (nowMs - this.#reportedMs < measuresIntervalMs) return null;
    if (this.rows.isEmpty && this.#invalidations.size === 0) return null;
    this.#reportedMs = nowMs;
    const paths = new Map(
      [...deployment.components.values()].map(({ namespace, componentPath }) => [namespace, componentPath]),
    );
    const nameOf = (tablet: TabletId): string | null => {
      const table = catalog.tableByTablet(tablet);
      if (table === null || table.system) return null;
      const path = paths.get(table.namespace) ?? "";
      return path === "" ? table.name : `${path}/${table.name}`;
    };
    const tables = this.rows.take().flatMap(([tablet, { read, written }]) => {
      const table = nameOf(tablet);
      return table === null || read + written === 0 ? [] : [{ table, read, written }];
    });
    const invalidations = [...this.#invalidations].flatMap(([key, { tablet, query, count }]) => {
      const table = nameOf(tablet);
      const mutation = key.slice(0, key.indexOf("\n"));
      return table === null ? [] : [{ mutation: mutation === "" ? null : mutation, table, query, count }];
    });
    this.#invalidations.clear();
    return { tables, invalidations };
  }
}

/** "component/path:fn", as the charts name functions. */
function measuredName(componentPath: string, path: FunctionPath): string {
  const name = strippedPath(path);
  return componentPath === "" ? name : `${componentPath}/${name}`;
}
