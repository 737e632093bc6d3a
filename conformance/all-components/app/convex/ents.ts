import { addEntRules, entsTableFactory, getEntDefinitions } from "convex-ents";
import { customCtx, customMutation, customQuery } from "convex-helpers/server/customFunctions";
import { v } from "convex/values";
import {
  mutation as baseMutation,
  query as baseQuery,
  type MutationCtx,
  type QueryCtx,
} from "./_generated/server";
import { entSchema } from "./schema";

const definitions = getEntDefinitions(entSchema);
/** Letters marked as secret are for nobody, and none can be changed to nothing. */
const rules = () =>
  addEntRules(definitions, {
    letters: {
      read: async (letter) => letter.secret !== true,
      write: async ({ value }) => value === undefined || value.text !== "",
    },
  });

const query = customQuery(
  baseQuery,
  customCtx(async (ctx: QueryCtx) => ({ table: entsTableFactory(ctx as never, rules()), db: undefined })),
);
const mutation = customMutation(
  baseMutation,
  customCtx(async (ctx: MutationCtx) => ({ table: entsTableFactory(ctx as never, rules()), db: undefined })),
);

export const join = mutation({
  args: { name: v.string(), email: v.string(), clubs: v.array(v.string()) },
  handler: async (ctx, { name, email, clubs }) => {
    const ids = await ctx.table("clubs").insertMany(clubs.map((title) => ({ title })));
    const member = await ctx.table("members").insert({ name, email, clubs: ids }).get();
    await ctx.table("badges").insert({ code: `#${member.name}`, memberId: member._id });
    return member._id;
  },
});
export const write = mutation({
  args: { email: v.string(), text: v.string(), secret: v.optional(v.boolean()) },
  handler: async (ctx, { email, text, secret }) => {
    const member = await ctx.table("members").getX("email", email);
    await ctx
      .table("letters")
      .insert({ text, memberId: member._id, ...(secret === undefined ? {} : { secret }) });
  },
});
export const rename = mutation({
  args: { email: v.string(), to: v.string() },
  handler: async (ctx, { email, to }) => {
    const member = await ctx.table("members").getX("email", email);
    await member.patch({ email: to });
  },
});
export const leave = mutation({
  args: { email: v.string() },
  handler: async (ctx, { email }) => {
    await ctx.table("members").getX("email", email).delete();
  },
});
export const profile = query({
  args: { email: v.string() },
  handler: async (ctx, { email }) => {
    const member = await ctx.table("members").get("email", email);
    if (member === null) return null;
    const clubs = await member.edge("clubs");
    return {
      name: member.name,
      level: member.level,
      badge: (await member.edge("badge"))?.code ?? null,
      letters: (await member.edge("letters").order("desc")).map(({ text }) => text),
      clubs: clubs.map(({ title }) => title),
      fellows: await Promise.all(clubs.map(async (club) => (await club.edge("members")).length)),
    };
  },
});
export const author = query({
  args: { text: v.string() },
  handler: async (ctx, { text }) =>
    (
      await ctx
        .table("letters", "by_text", (q) => q.eq("text", text))
        .firstX()
        .edge("member")
    ).name,
});
export const letters = query({
  args: { cursor: v.union(v.string(), v.null()) },
  handler: async (ctx, { cursor }) => {
    const { page, isDone, continueCursor } = await ctx.table("letters").paginate({ numItems: 2, cursor });
    return { texts: page.map(({ text }) => text), isDone, continueCursor };
  },
});
export const counts = query({
  args: {},
  handler: async (ctx) => {
    const count = async (table: "members" | "badges" | "letters" | "clubs") =>
      (await ctx.table(table)).length;
    return [await count("members"), await count("badges"), await count("letters"), await count("clubs")];
  },
});
