import {
  anyApi,
  type GenericDataModel,
  type GenericMutationCtx,
  internalMutationGeneric,
  mutationGeneric,
  queryGeneric,
} from "convex/server";
import { type GenericId, v } from "convex/values";

/** Mutations that read files, and write down what they have read. */

type Ctx = GenericMutationCtx<GenericDataModel>;
type FileId = GenericId<"_storage">;
const storageId = v.id("_storage");

async function textOf(ctx: Ctx, id: FileId): Promise<string> {
  const storage = ctx.storage as unknown as { get(id: FileId): Promise<Blob | null> };
  const blob = await storage.get(id);
  return blob === null ? "nothing" : await blob.text();
}

async function note(ctx: Ctx, id: FileId, name: string): Promise<void> {
  await ctx.db.insert("attachments", { storageId: id, name });
}

export const names = queryGeneric({
  args: {},
  handler: async (ctx) => (await ctx.db.query("attachments").collect()).map(({ name }) => name as string),
});

export const atOnce = mutationGeneric({
  args: { ids: v.array(storageId) },
  handler: async (ctx, { ids }) => {
    for (const id of ids) await note(ctx, id, "begun");
    return await Promise.all(ids.map((id) => textOf(ctx, id)));
  },
});

export const inTurn = mutationGeneric({
  args: { ids: v.array(storageId) },
  handler: async (ctx, { ids }) => {
    for (const id of ids) await note(ctx, id, await textOf(ctx, id));
    return await ctx.db
      .query("attachments")
      .collect()
      .then((all) => all.length);
  },
});

export const one = internalMutationGeneric({
  args: { id: storageId },
  handler: async (ctx, { id }) => {
    const text = await textOf(ctx, id);
    await note(ctx, id, text);
    return text;
  },
});
const oneReference = anyApi["readers"]!["one"]!;

export const nested = mutationGeneric({
  args: { ids: v.array(storageId) },
  handler: (ctx, { ids }): Promise<string[]> =>
    Promise.all(ids.map((id) => ctx.runMutation(oneReference as never, { id } as never))),
});

export const later = mutationGeneric({
  args: { id: storageId },
  handler: (ctx, { id }) => ctx.scheduler.runAfter(0, oneReference as never, { id } as never),
});
export const jobState = queryGeneric({
  args: { id: v.id("_scheduled_functions") },
  handler: async (ctx, { id }) => (await ctx.db.system.get(id))?.state.kind ?? null,
});

export const clear = mutationGeneric({
  args: {},
  handler: async (ctx) => {
    for (const { _id } of await ctx.db.query("attachments").collect()) await ctx.db.delete(_id);
  },
});
export const plain = mutationGeneric({ args: { text: v.string() }, handler: (_ctx, { text }) => text });
