import { badRequest } from "../../lenslet/src/base/errors.ts";
import type { SchemaJson } from "../../lenslet/src/deploy/schemaTypes.ts";
import type { Namespace } from "../../lenslet/src/store/store.ts";
import type { JsonObject } from "../../lenslet/src/transaction/syscallArguments.ts";
import type { Transaction } from "../../lenslet/src/transaction/transaction.ts";

/** `1.0/actions/vectorSearch` by comparing with every document. */
export function vectorSearch(
  args: JsonObject,
  tx: Transaction,
  namespace: Namespace,
  schema: SchemaJson | null,
): string {
  throw badRequest(
    "NotAvailableYet",
    `Vector search is not available: ${JSON.stringify(args).length} ${namespace} ${schema === null} ${tx.readOnly}`,
  );
}
