// Compiled by codegen.test.ts after `convex codegen`: what the generated types promise, and what they must refuse.
import type { FunctionArgs, FunctionReturnType } from "convex/server";
import { api, internal } from "../convex/_generated/api";
import type { DataModel, Doc, Id, TableNames } from "../convex/_generated/dataModel";

type Exactly<A> = [A] extends [never] ? "never" : 0 extends 1 & A ? "any" : A;
/** Assignable both ways, and neither of them `any`. */
type Same<A, B> = [Exactly<A>, Exactly<B>] extends [Exactly<B>, Exactly<A>] ? true : false;
function holds(_same: true): void {}

holds(true satisfies Same<TableNames, "users" | "messages" | "notes">);
holds(
  true satisfies Same<Doc<"notes">, { _id: Id<"notes">; _creationTime: number; text: string; rank: number }>,
);
holds(true satisfies Same<Doc<"users">["role"], "admin" | "member">);
holds(true satisfies Same<Doc<"users">["email"], string | undefined>);
holds(true satisfies Same<Doc<"messages">["likes"], bigint>);
holds(true satisfies Same<Doc<"messages">["attachment"], ArrayBuffer | null>);
holds(true satisfies Same<Doc<"messages">["weights"], Record<string, number>>);
holds(
  true satisfies Same<
    keyof DataModel["messages"]["indexes"],
    "by_id" | "by_creation_time" | "by_author" | "by_body"
  >,
);
holds(true satisfies Same<FunctionReturnType<typeof api.messages.list>, { body: string; likes: bigint }[]>);
holds(true satisfies Same<FunctionReturnType<typeof api.messages.send>, Id<"messages">>);
holds(true satisfies Same<FunctionArgs<typeof api.messages.send>, { author: Id<"users">; body: string }>);
holds(true satisfies Same<FunctionReturnType<typeof internal.messages.countAll>, number>);
holds(
  true satisfies Same<
    FunctionReturnType<typeof internal.admin.reports.usage.summary>,
    { users: number; greeting: string }
  >,
);
holds(true satisfies Same<FunctionReturnType<typeof api.notes.default>, Doc<"notes">[]>);
holds(true satisfies Same<FunctionReturnType<typeof api.actions.addTwice>, string[]>);
holds(true satisfies Same<FunctionReturnType<typeof api.node.paths.extension>, string>);

// @ts-expect-error Internal functions are not part of the public API.
api.messages.countAll satisfies unknown;
// @ts-expect-error Public functions are not part of the internal API.
internal.messages.send satisfies unknown;
// @ts-expect-error There is no such module.
api.nothing satisfies unknown;
// @ts-expect-error An id of one table is not an id of another.
({}) as Id<"notes"> satisfies Id<"users">;
// @ts-expect-error There is no such table.
({}) as Doc<"nothing"> satisfies unknown;
