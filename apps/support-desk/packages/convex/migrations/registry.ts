import type { Doc } from "../_generated/dataModel.js";
import type { MutationCtx } from "../_generated/server.js";
import { backfillPriorityRank } from "./backfillPriorityRank.ts";

/** A change of every row of a table. `migrate` may meet a row that it has changed already. */
export interface Migration {
  readonly table: "conversations";
  readonly migrate: (ctx: MutationCtx, row: Doc<"conversations">) => Promise<void>;
}

/** Every migration there has been, by name, oldest first. */
export const migrations = { backfillPriorityRank } satisfies Record<string, Migration>;

export type MigrationName = keyof typeof migrations;
export const migrationNames = Object.keys(migrations) as MigrationName[];
