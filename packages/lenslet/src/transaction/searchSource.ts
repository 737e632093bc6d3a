import { badRequest } from "../base/errors.ts";
import { filterKeyOf } from "../search/entry.ts";
import { type SearchQuery, searchQueryOf } from "../search/searchRead.ts";
import { tokenize } from "../search/tokenizer.ts";
import type { SearchIndex } from "../store/catalog.ts";
import type { SearchFilter } from "./queryJson.ts";

/** limits.md #62. */
const filterConditionsMax = 8;

/** What the filters of a search ask for. `label`: "table.index". Throws the errors of functions.md §16. */
export function resolveSearch(
  label: string,
  index: SearchIndex,
  filters: readonly SearchFilter[],
): SearchQuery {
  const searchField = index.searchField.join(".");
  const filterFields = index.filterFields.map((path) => path.join("."));
  let text: string | null = null;
  let conditions = 0;
  let isContradiction = false;
  const keys = new Map<number, string>();
  for (const filter of filters) {
    if (filter.type === "Search") {
      if (text !== null) throw duplicateSearch(label, filter.field);
      if (filter.field !== searchField) throw wrongSearchField(label, filter.field, searchField);
      ({ text } = filter);
      continue;
    }
    const position = filterFields.indexOf(filter.field);
    if (position === -1) throw wrongFilterField(label, filter.field);
    conditions += 1;
    const key = filterKeyOf(filter.value);
    if ((keys.get(position) ?? key) !== key) isContradiction = true;
    keys.set(position, key);
  }
  if (text === null) throw missingSearch(label, searchField);
  if (conditions > filterConditionsMax) {
    throw badRequest(
      "TooManyFilterConditionsInSearchQueryError",
      `Search query against ${label} has too many filter conditions. Max: ${filterConditionsMax} Actual: ${conditions}`,
    );
  }
  return searchQueryOf(isContradiction ? [] : tokenize(text), keys);
}

function missingSearch(label: string, searchField: string): Error {
  return badRequest(
    "MissingSearchFilterError",
    `Search query against ${label} does not contain any search filters. You must include a search filter like \`q.search("${searchField}", searchText)\`.`,
  );
}

function duplicateSearch(label: string, field: string): Error {
  return badRequest(
    "DuplicateSearchFiltersError",
    `Search query against ${label} contains multiple search filters against "${field}". Only one is allowed.`,
  );
}

function wrongSearchField(label: string, field: string, searchField: string): Error {
  return badRequest(
    "IncorrectSearchField",
    `Search query against ${label} contains a search filter against "${field}", which doesn't match the indexed \`searchField\` "${searchField}".`,
  );
}

function wrongFilterField(label: string, field: string): Error {
  return badRequest(
    "IncorrectFilterFieldError",
    `Search query against ${label} contains an equality filter on "${field}" but that field isn't indexed for filtering in \`filterFields\`.`,
  );
}
