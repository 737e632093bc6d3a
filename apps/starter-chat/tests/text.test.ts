import { renderToStaticMarkup } from "react-dom/server";
import { createElement } from "react";
import { describe, expect, it } from "vitest";
import { withoutMarks } from "../src/format.ts";
import { highlight } from "../src/highlighter.ts";
import { splitAtHits } from "../src/hits.ts";
import { Markdown, safeHref } from "../src/markdown.tsx";
import { parseRoute } from "../src/route.ts";
import { shortcutOf } from "../src/shortcuts.ts";

const html = (text: string) => renderToStaticMarkup(createElement(Markdown, { text }));

describe("a message's Markdown", () => {
  it("gives emphasis, lists, quotes, tables and links their form", () => {
    expect(html("**bold** and _italic_ and `code`")).toBe(
      "<p><strong>bold</strong> and <em>italic</em> and <code>code</code></p>",
    );
    expect(html("- one\n- two")).toBe("<ul><li>one</li><li>two</li></ul>");
    expect(html("3. three\n4. four")).toBe('<ol start="3"><li>three</li><li>four</li></ol>');
    expect(html("> said")).toBe('<blockquote class="said-quote"><p>said</p></blockquote>');
    expect(html("|a|\n|-|\n|1|")).toContain("<th>a</th>");
    expect(html("# Title")).toBe("<h3>Title</h3>");
    expect(html("see https://example.com/a")).toContain('href="https://example.com/a"');
  });

  it("keeps line breaks, and takes nothing for a heading or code that is not meant so", () => {
    expect(html("one\ntwo")).toBe("<p>one<br/>two</p>");
    expect(html("one\n---")).not.toMatch(/<h\d/);
    expect(html("    four spaces")).not.toContain("<pre");
  });

  it("lets nothing become markup of the page", () => {
    expect(html("<img src=x onerror=alert(1)>")).toBe("<p>&lt;img src=x onerror=alert(1)&gt;</p>");
    expect(html("<b>a</b>\n\n<script>alert(1)</script>")).not.toMatch(/<(b|script)>/);
    for (const href of [
      "javascript:alert(1)",
      "data:text/html,x",
      "vbscript:x",
      " java\nscript:alert(1)",
      "/path",
    ]) {
      expect(safeHref(href)).toBeNull();
      expect(html(`[click](<${href}>)`)).not.toContain("<a");
    }
    // A picture elsewhere would tell that place who reads.
    expect(html("![pixel](https://example.com/p.png)")).not.toContain("<img");
  });

  it("shows what is made to be slow, or too deep, as it was typed", () => {
    for (const text of [">".repeat(5000), "1. ".repeat(5000), "- ".repeat(5000), "*a ".repeat(10_000)])
      expect(html(text)).toContain("plain-text");
  });
});

describe("a preview", () => {
  it("has no marks of Markdown", () => {
    expect(withoutMarks("## Two ways 1. **Retry** with `a_b` > so - and ~~not~~ 2 * 3 #4")).toBe(
      "Two ways 1. Retry with a_b so and not 2 3 #4",
    );
  });
});

describe("hits of a search", () => {
  it("are where a word begins with one of the query", () => {
    const hits = (text: string, query: string) =>
      splitAtHits(text, query)
        .map(({ text, isHit }) => (isHit ? `[${text}]` : text))
        .join("");
    expect(hits("Retry the retries, not the pretry.", "retr")).toBe("[Retry] the [retries], not the pretry.");
    expect(hits("Über alles über", "über")).toBe("[Über] alles [über]");
    expect(hits("a (b) c", "(b c")).toBe("a ([b]) [c]");
    expect(hits("nothing", "")).toBe("nothing");
  });
});

describe("colours of code", () => {
  it("say the whole code, in order", () => {
    const code = 'const a = "<b>"; // `x ${1}`';
    const runs = highlight("ts", code);
    expect(runs?.map(({ text }) => text).join("")).toBe(code);
    expect(runs).toContainEqual({ kind: "keyword", text: "const" });
    expect(highlight("no such language", code)).toBeNull();
  });
});

describe("addresses", () => {
  it("name a chat, a message in it, a link, or nothing", () => {
    expect(parseRoute("#/c/abc1")).toEqual({ kind: "chat", chatId: "abc1", messageId: null });
    expect(parseRoute("#/c/abc1/m/def2")).toEqual({ kind: "chat", chatId: "abc1", messageId: "def2" });
    expect(parseRoute("#/s/a-b_c")).toEqual({ kind: "shared", token: "a-b_c" });
    expect(parseRoute("#/join/t")).toEqual({ kind: "join", token: "t" });
    for (const hash of ["", "#/", "#/x/1", "#/c/", "#/c/%3Cb%3E"])
      expect(parseRoute(hash)).toEqual({ kind: "home" });
  });
});

describe("shortcuts", () => {
  const press = (key: string, modifiers: object = {}, code = "") => ({
    key,
    code,
    altKey: false,
    ctrlKey: false,
    metaKey: false,
    shiftKey: false,
    ...modifiers,
  });
  it("go by the key, and leave what one types alone", () => {
    expect(shortcutOf(press("k", { ctrlKey: true }), true)).toBe("search");
    expect(shortcutOf(press("k", { metaKey: true }), false)).toBe("search");
    expect(shortcutOf(press("k"), false)).toBeNull();
    expect(shortcutOf(press("?"), true)).toBeNull();
    expect(shortcutOf(press("?", { shiftKey: true }), false)).toBe("help");
    // What Alt makes of the key on a Mac does not matter.
    expect(shortcutOf(press("˜", { altKey: true }, "KeyN"), true)).toBe("newChat");
    expect(shortcutOf(press("n", { altKey: true, ctrlKey: true }, "KeyN"), true)).toBeNull();
  });
});
