import { scheduledFunctionsTable, storageTable } from "../store/systemTables.ts";
import { resolveSource } from "../transaction/querySource.ts";
import type { Value } from "../values/value.ts";
import { indexProblem, type FilterProblem, parseDocumentFilters } from "./documentFilters.ts";
import type { SystemFunction } from "./systemFunction.ts";
import {
  namespaceOfArgument,
  optionalStringArgument,
  pageOfSource,
  stringArgument,
} from "./systemFunctionArguments.ts";

/** What one page looks through for documents that pass its filters (reference dashboard.md §3). */
const pageLimits = { rowsMax: 10_000, bytesMax: 5_000_000 };

/** The page shows the server's own tables of files and jobs as functions see them. */
const publicNames: Readonly<Record<string, string>> = {
  _file_storage: storageTable.name,
  _scheduled_jobs: scheduledFunctionsTable.name,
};

export const dataFunctions: Readonly<Record<string, SystemFunction>> = {
  "paginatedTableDocuments:default": (tx, context, args) => {
    const namespace = namespaceOfArgument(tx, args);
    const given = stringArgument(args, "table");
    const name = Object.hasOwn(publicNames, given) ? (publicNames[given] as string) : given;
    const text = optionalStringArgument(args, "filters");
    const table = tx.table(namespace, name);
    const filters = parseDocumentFilters(text, name, table);
    if ("error" in filters) return problemPage(filters);
    let source;
    try {
      source = resolveSource(tx, namespace, filters.source);
    } catch (error) {
      return problemPage(indexProblem(error));
    }
    const operators = [{ filter: filters.matches }];
    const query = { source, operators, text: ["dashboard", name, text] };
    return pageOfSource(tx, context, query, args["paginationOpts"], pageLimits);
  },
};

/** The dashboard knows such a row by the `_id` that it lacks. */
function problemPage({ filter, error }: FilterProblem): Value {
  return { page: [{ filter, error }], isDone: true, continueCursor: "" };
}
