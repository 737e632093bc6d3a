import { actionGeneric, anyApi, mutationGeneric, queryGeneric } from "convex/server";
import { type GenericId, v } from "convex/values";

const storageId = v.id("_storage");

export const uploadUrl = mutationGeneric({ args: {}, handler: (ctx) => ctx.storage.generateUploadUrl() });
export const uploadUrlFromAction = actionGeneric({
  args: {},
  handler: (ctx) => ctx.storage.generateUploadUrl(),
});

/** Takes what a client got from an upload; the validator knows the table. */
export const attach = mutationGeneric({
  args: { storageId, name: v.string() },
  handler: (ctx, args) => ctx.db.insert("attachments", args),
});

export const url = queryGeneric({
  args: { storageId: v.string() },
  handler: (ctx, args) => ctx.storage.getUrl(args.storageId),
});
export const urls = queryGeneric({
  args: {},
  handler: async (ctx) => {
    const attachments = await ctx.db.query("attachments").collect();
    return await Promise.all(
      attachments.map(async ({ name, storageId: id }) => ({ name, url: await ctx.storage.getUrl(id) })),
    );
  },
});

export const list = queryGeneric({ args: {}, handler: (ctx) => ctx.db.system.query("_storage").collect() });
export const get = queryGeneric({
  args: { storageId },
  handler: (ctx, args) => ctx.db.system.get(args.storageId),
});
export const page = queryGeneric({
  args: { paginationOpts: v.any() },
  handler: (ctx, { paginationOpts }) =>
    ctx.db.system.query("_storage").withIndex("by_creation_time").order("desc").paginate(paginationOpts),
});
export const metadata = queryGeneric({
  args: { storageId: v.string() },
  handler: (ctx, args) => ctx.storage.getMetadata(args.storageId),
});

export const remove = mutationGeneric({
  args: { storageId: v.string() },
  handler: (ctx, args) => ctx.storage.delete(args.storageId),
});
export const removeThenFail = mutationGeneric({
  args: { storageId },
  handler: async (ctx, args) => {
    await ctx.storage.delete(args.storageId);
    if ((await ctx.storage.getUrl(args.storageId)) !== null) throw new Error("it is still there");
    throw new Error("rolled back");
  },
});
export const removeFromAction = actionGeneric({
  args: { storageId },
  handler: (ctx, args) => ctx.storage.delete(args.storageId),
});

export const storeText = actionGeneric({
  args: { text: v.string(), type: v.optional(v.string()), sha256: v.optional(v.string()) },
  handler: async (ctx, { text, type, sha256 }) => {
    const blob = new Blob([text], type === undefined ? {} : { type });
    const id = await ctx.storage.store(blob, sha256 === undefined ? {} : { sha256 });
    await ctx.runMutation(anyApi["files"]!["attach"]!, { storageId: id, name: text.slice(0, 20) });
    return id;
  },
});
export const readText = actionGeneric({
  args: { storageId },
  handler: async (ctx, args) => {
    const blob = await ctx.storage.get(args.storageId);
    if (blob === null) return null;
    return { isBlob: blob instanceof Blob, type: blob.type, size: blob.size, text: await blob.text() };
  },
});
export const storeNothing = actionGeneric({
  args: {},
  handler: (ctx) => ctx.storage.store("not a blob" as unknown as Blob),
});
/** What calls with no storage id, or no file's, are told. */
export const misused = actionGeneric({
  args: { storageId: v.any() },
  handler: async (ctx, args) => {
    const calls = {
      get: () => ctx.storage.get(args.storageId as GenericId<"_storage">),
      getUrl: () => ctx.storage.getUrl(args.storageId as GenericId<"_storage">),
      delete: () => ctx.storage.delete(args.storageId as GenericId<"_storage">),
    };
    const told = Object.entries(calls).map(async ([name, call]) => {
      const answer = await call().catch((error: Error) => error.message);
      return [name, answer as string | null] as const;
    });
    return Object.fromEntries(await Promise.all(told));
  },
});
export const storeThenFail = actionGeneric({
  args: {},
  handler: async (ctx) => {
    await ctx.storage.store(new Blob(["kept whatever happens to the action"]));
    throw new Error("the action fails");
  },
});

/** Mutations store and read files in their transaction (1.48). */
export const storeInMutation = mutationGeneric({
  args: { text: v.string(), type: v.optional(v.string()), fail: v.optional(v.boolean()) },
  handler: async (ctx, { text, type, fail }) => {
    const storage = ctx.storage as unknown as MutationStorage;
    const id = await storage.store(new Blob([text], type === undefined ? {} : { type }));
    const own = await storage.get(id);
    if (own === null || (await own.text()) !== text) throw new Error("it is not there");
    if (fail === true) throw new Error("rolled back");
    return id;
  },
});
export const readInMutation = mutationGeneric({
  args: { storageId },
  handler: async (ctx, args) => {
    const blob = await (ctx.storage as unknown as MutationStorage).get(args.storageId);
    return blob === null ? null : { type: blob.type, text: await blob.text() };
  },
});
interface MutationStorage {
  store(blob: Blob): Promise<GenericId<"_storage">>;
  get(storageId: GenericId<"_storage">): Promise<Blob | null>;
}
