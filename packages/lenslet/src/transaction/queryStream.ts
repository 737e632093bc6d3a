import type { StoredDocument } from "../store/store.ts";
import { toBoolean } from "./filter.ts";
import type { RowScan } from "./indexScan.ts";
import type { QueryOperator } from "./queryJson.ts";

/** The operators of a query at work: filters drop documents, limits end the stream. */
export class Pipeline {
  readonly #operators: readonly QueryOperator[];
  /** What each limit still lets through; filters have Infinity. */
  readonly #left: number[];

  constructor(operators: readonly QueryOperator[]) {
    this.#operators = operators;
    this.#left = operators.map((operator) => ("limit" in operator ? operator.limit : Infinity));
  }

  /** True when nothing further can pass, so that no further row need be read. */
  isFinished(): boolean {
    return this.#left.includes(0);
  }

  /** Whether a document passes. May throw EvalError. */
  accepts(document: StoredDocument): boolean {
    for (let i = 0; i < this.#operators.length; i++) {
      const operator = this.#operators[i] as QueryOperator;
      if ("filter" in operator) {
        if (!toBoolean(operator.filter(document.value))) return false;
      } else {
        this.#left[i] = (this.#left[i] as number) - 1;
      }
    }
    return true;
  }
}

/** A query being iterated with `queryStreamNext`. */
export class QueryStream {
  readonly #scan: RowScan | null;
  readonly #pipeline: Pipeline;

  /** `scan` null: the query is empty. */
  constructor(scan: RowScan | null, operators: readonly QueryOperator[]) {
    this.#scan = scan;
    this.#pipeline = new Pipeline(operators);
  }

  /** The next document, or null at the end. Throws read limits and EvalError. */
  next(): StoredDocument | null {
    if (this.#scan === null) return null;
    while (!this.#pipeline.isFinished()) {
      const row = this.#scan.next();
      if (row === null) return null;
      if (this.#pipeline.accepts(row.document)) return row.document;
    }
    return null;
  }
}
