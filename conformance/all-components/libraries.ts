import { expect, it } from "vitest";
import type { Deployment } from "./world.ts";

interface Page {
  readonly page: readonly number[];
  readonly isDone: boolean;
  readonly continueCursor: string;
}

/** Libraries that an app's own functions are written with. */
export function libraryPackages(app: () => Deployment): void {
  const call = (name: string, args?: Readonly<Record<string, unknown>>) => app().call(name, args);

  /** All pages of a query, joined. */
  async function pages(name: string, numItems: number, args: object = {}): Promise<number[]> {
    const found: number[] = [];
    let cursor: string | null = null;
    for (;;) {
      const page = (await call(name, { ...args, paginationOpts: { numItems, cursor } })) as Page;
      found.push(...page.page);
      if (page.isDone) return found;
      cursor = page.continueCursor;
    }
  }

  it("convex-ents: unique fields, edges of every kind, rules, pages, deletion along edges", async () => {
    const ada = { name: "Ada", email: "ada@example.com", clubs: ["chess", "tea"] };
    await call("ents:join", ada);
    await expect(call("ents:join", { ...ada, clubs: ["golf"] })).rejects.toThrow(
      'In table "members" cannot create a duplicate document with field "email" of value `ada@example.com`',
    );
    await call("ents:join", { name: "Bob", email: "bob@example.com", clubs: [] });
    await expect(call("ents:rename", { email: "bob@example.com", to: "ada@example.com" })).rejects.toThrow(
      "cannot create a duplicate document",
    );
    for (const text of ["one", "two", "three"]) await call("ents:write", { email: "ada@example.com", text });
    await call("ents:write", { email: "bob@example.com", text: "hidden", secret: true });
    await expect(call("ents:write", { email: "ada@example.com", text: "" })).rejects.toThrow("Cannot insert");
    expect(await call("ents:profile", { email: "ada@example.com" })).toEqual({
      name: "Ada",
      level: 1,
      badge: "#Ada",
      letters: ["three", "two", "one"],
      clubs: ["chess", "tea"],
      fellows: [1, 1],
    });
    expect(await call("ents:author", { text: "two" })).toBe("Ada");
    const texts: unknown[] = [];
    for (let cursor: string | null = null, isDone = false; !isDone;) {
      const page = (await call("ents:letters", { cursor })) as {
        texts: string[];
        isDone: boolean;
        continueCursor: string;
      };
      texts.push(...page.texts);
      ({ isDone, continueCursor: cursor } = page);
    }
    expect(texts).toEqual(["one", "two", "three"]);
    expect(await call("ents:profile", { email: "nobody@example.com" })).toBeNull();
    await expect(call("ents:leave", { email: "nobody@example.com" })).rejects.toThrow(
      'Table "members" does not contain document with field "email" = `nobody@example.com`',
    );
    expect(await call("ents:counts")).toEqual([2, 2, 3, 2]);
    // Who may not read a letter may not delete it either, nor whoever it belongs to.
    await expect(call("ents:leave", { email: "bob@example.com" })).rejects.toThrow("Cannot update document");
    expect(await call("ents:counts")).toEqual([2, 2, 3, 2]);
    await call("ents:leave", { email: "ada@example.com" });
    // Her badge and her letters go with her; the clubs stay.
    expect(await call("ents:counts")).toEqual([1, 1, 0, 2]);
  });

  it("convex-helpers: triggers, relationships, row-level security, streams", async () => {
    const ann = await call("helpers:addAuthor", { name: "Ann" });
    const ben = await call("helpers:addAuthor", { name: "Ben" });
    const posts: unknown[] = [];
    for (let stars = 1; stars <= 6; stars++) {
      const [author, name] = stars % 3 === 0 ? [ben, "Ben"] : [ann, "Ann"];
      const title = `Post ${stars} by ${name}`;
      const tags = stars === 1 ? ["tea", "first"] : [];
      posts.push(await call("helpers:addPost", { author, title, isPublic: stars !== 4, stars, tags }));
    }
    await call("helpers:removePost", { id: posts[1] });
    expect(await call("helpers:bookOf", { name: "Ann" })).toEqual({
      count: 3,
      posts: [
        ["Post 1 by Ann", ["tea", "first"], null],
        ["Post 4 by Ann", [], null],
        ["Post 5 by Ann", [], null],
      ],
      found: 3,
    });

    expect(await call("helpers:titles", { as: "Ben" })).toEqual(
      [1, 3, 5, 6].map((stars) => expect.stringMatching(`^Post ${stars} `)),
    );
    expect(await call("helpers:titles", { as: "Ann" })).toHaveLength(5);
    await expect(call("helpers:star", { as: "Ben", id: posts[3], stars: 40 })).rejects.toThrow(
      "no read access or doc does not exist",
    );
    await expect(call("helpers:star", { as: "Ben", id: posts[0], stars: 10 })).rejects.toThrow(
      "write access not allowed",
    );
    await expect(call("helpers:titles")).rejects.toThrow("Object is missing the required field `as`");

    expect(await pages("helpers:odd", 2)).toEqual([1, 3, 5]);
    const paginationOpts = { numItems: 2, cursor: null };
    const both = (await call("helpers:twoPages", { paginationOpts })) as { cursor: string };
    expect(both).toMatchObject({ up: [1, 3], down: [6, 5] });
    expect(
      await call("helpers:twoPages", { paginationOpts: { numItems: 2, cursor: both.cursor } }),
    ).toMatchObject({
      up: [4, 5],
    });
    const merged = { names: ["Ann", "Ben"] };
    expect(await pages("helpers:merged", 2, merged)).toEqual([6, 5, 3, 1]);
    expect(await pages("helpers:merged", 10, merged)).toEqual([6, 5, 3, 1]);

    await call("helpers:migrate");
    await app().until("every post has a slug", async () => {
      const { isDone } = (await call("helpers:migrated")) as { isDone: boolean };
      return isDone;
    });
    expect(await call("helpers:migrated")).toEqual({ isDone: true, processed: 5 });
    expect(await call("helpers:bookOf", { name: "Ben" })).toMatchObject({
      posts: [
        ["Post 3 by Ben", [], "post-3-by-ben"],
        ["Post 6 by Ben", [], "post-6-by-ben"],
      ],
    });

    const checked = { email: "A@EXAMPLE.COM", post: posts[4] };
    expect(await call("helpers:checked", checked)).toEqual({ email: "a@example.com", stars: 10 });
    await expect(call("helpers:checked", { ...checked, email: "nobody" })).rejects.toThrow("ZodError");
    await expect(call("helpers:checked", { ...checked, times: 1000 })).rejects.toThrow("Too big");

    await call("helpers:removeAuthor", { name: "Ben" });
    expect(await call("helpers:titles", { as: "Ben" })).toHaveLength(2);
  });

  it("convex-helpers: validators, rate limits, sessions, custom actions, retries", async () => {
    expect(await call("helpers:sameValidator", { point: { x: 1 }, kind: "a" })).toEqual({ x: 1 });
    expect(await call("helpers:sameValidator", { point: { x: 1, tag: "t" }, kind: "b" })).toBeNull();
    await expect(call("helpers:sameValidator", { point: { y: 1 }, kind: "a" })).rejects.toThrow(
      "Object is missing the required field `x`",
    );

    const answers = [];
    for (let i = 0; i < 3; i++) answers.push(await call("helpers:ask", { key: "me" }));
    expect(answers).toEqual(["asked", "asked", "RateLimited false"]);
    await call("helpers:forgive", { key: "me" });
    expect(await call("helpers:ask", { key: "me" })).toBe("asked");

    expect(await call("helpers:visits", { sessionId: "s1" })).toBe(1);
    expect(await call("helpers:visits", { sessionId: "s1" })).toBe(2);
    expect(await call("helpers:visits", { sessionId: "s2" })).toBe(1);
    expect(await call("helpers:treasure", { key: "open sesame" })).toBe(11);
    await expect(call("helpers:treasure", { key: "please" })).rejects.toThrow("Invalid key");

    await call("helpers:tryShaky", { name: "shaky" });
    const outcomes = async () => (await call("helpers:outcomes")) as string[];
    await app().until("the third try has succeeded", async () => (await outcomes()).includes("success"));
    expect(await outcomes()).toEqual(["failed", "failed", "success"]);
  });
}
