import { ConvexError } from "convex/values";
import { describe, expect, it } from "vitest";
import type { ErrorData } from "./errors.ts";
import { limits } from "./limits.ts";
import {
  checkEmail,
  checkModel,
  checkName,
  checkPreferences,
  checkSearch,
  checkSettings,
  checkSystemPrompt,
  checkTags,
  checkTitle,
  checkUrl,
  nameFromIdentity,
} from "./validation.ts";

/** The field a rule complains about; null if it accepts. */
function refusedField(check: () => unknown): string | null {
  try {
    check();
    return null;
  } catch (error) {
    const data = (error as ConvexError<ErrorData>).data;
    expect(data.code).toBe("invalid");
    expect(data.message).not.toBe("");
    return data.field ?? "";
  }
}

describe("users: name, 1 to 100 characters, no special characters except spaces and hyphens", () => {
  it.each(["A", "Ada Lovelace", "Jean-Luc", "José Ñandú", "王小明", "Agent 007", "x".repeat(100)])(
    "takes %j",
    (name) => expect(checkName(name)).toBe(name),
  );
  it.each(["", "   ", "x".repeat(101), "a@b", "O'Neil", "a_b", "<b>", "a.b", "smile 🙂"])(
    "refuses %j",
    (name) => expect(refusedField(() => checkName(name))).toBe("name"),
  );
  it("trims and joins runs of spaces", () => expect(checkName("  Ada \t Lovelace ")).toBe("Ada Lovelace"));
  it("makes a name that the rule takes out of any identity", () => {
    for (const identity of [
      { name: "O'Neil", subject: "1" },
      { name: "***", email: "ada.l@example.com", subject: "1" },
      { name: "x-".repeat(300), subject: "1" },
      { subject: "auth0|user123" },
      { subject: "|" },
    ])
      expect(refusedField(() => checkName(nameFromIdentity(identity)))).toBeNull();
    expect(nameFromIdentity({ name: "***", email: "ada.l@example.com", subject: "1" })).toBe("ada l");
  });
});

describe("users: e-mail", () => {
  it("lower-cases and trims", () => expect(checkEmail(" John@Example.COM ")).toBe("john@example.com"));
  it.each(["a@b.c", "first.last+tag@sub.example.org", "ü@exämple.de"])("takes %j", (email) =>
    expect(refusedField(() => checkEmail(email))).toBeNull(),
  );
  it.each([
    "",
    "a",
    "a@b",
    "@b.c",
    "a@",
    "a@b.",
    "a@.c",
    "a b@c.d",
    "a@b@c.d",
    "a@b..c",
    `${"x".repeat(320)}@b.c`,
    "<a@b.c>",
  ])("refuses %j", (email) => expect(refusedField(() => checkEmail(email))).toBe("email"));
});

describe("users: picture and preferences", () => {
  it("takes http(s) addresses only", () => {
    expect(checkUrl(" https://example.com/a.png ", "image")).toBe("https://example.com/a.png");
    for (const url of [
      "javascript:alert(1)",
      "data:image/png;base64,AA",
      "https://",
      "/a.png",
      "https://a b",
    ])
      expect(refusedField(() => checkUrl(url, "image"))).toBe("image");
  });
  it("checks language and model", () => {
    expect(checkPreferences({ theme: "dark", language: "pt-BR", defaultModel: "gpt-4" })).toEqual({
      theme: "dark",
      language: "pt-BR",
      defaultModel: "gpt-4",
    });
    expect(refusedField(() => checkPreferences({ language: "english please" }))).toBe("preferences.language");
    expect(refusedField(() => checkPreferences({ language: `en${"-abcdefgh".repeat(9)}` }))).toBe(
      "preferences.language",
    );
    expect(refusedField(() => checkPreferences({ defaultModel: "hal-9000" }))).toBe(
      "preferences.defaultModel",
    );
  });
});

describe("chats", () => {
  it("title: 1 to 200 characters", () => {
    expect(checkTitle("  Project \n Planning ")).toBe("Project Planning");
    expect(checkTitle("x".repeat(200))).toHaveLength(200);
    for (const title of ["", "  ", "x".repeat(201)])
      expect(refusedField(() => checkTitle(title))).toBe("title");
  });
  it("model: one of those offered", () => {
    expect(checkModel("gpt-4")).toBe("gpt-4");
    expect(refusedField(() => checkModel("GPT-4"))).toBe("model");
  });
  it("system prompt: at most 2,000 characters", () => {
    expect(checkSystemPrompt("x".repeat(2000))).toHaveLength(2000);
    expect(refusedField(() => checkSystemPrompt("x".repeat(2001)))).toBe("systemPrompt");
  });
  it.each([
    [{ temperature: 0 }, null],
    [{ temperature: 2 }, null],
    [{ temperature: 2.01 }, "settings.temperature"],
    [{ temperature: -0.01 }, "settings.temperature"],
    [{ temperature: Number.NaN }, "settings.temperature"],
    [{ maxTokens: 1 }, null],
    [{ maxTokens: 32_000 }, null],
    [{ maxTokens: 0 }, "settings.maxTokens"],
    [{ maxTokens: 32_001 }, "settings.maxTokens"],
    [{ maxTokens: 1.5 }, "settings.maxTokens"],
    [{ topP: 1 }, null],
    [{ topP: 1.1 }, "settings.topP"],
    [{ frequencyPenalty: -2, presencePenalty: 2 }, null],
    [{ frequencyPenalty: -2.1 }, "settings.frequencyPenalty"],
    [{ presencePenalty: Number.POSITIVE_INFINITY }, "settings.presencePenalty"],
  ])("settings %j: %j", (settings, field) => expect(refusedField(() => checkSettings(settings))).toBe(field));
  it("tags: at most 20, 1 to 50 characters, no doubles", () => {
    expect(checkTags([" a ", "b", "a"])).toEqual(["a", "b"]);
    expect(refusedField(() => checkTags([""]))).toBe("tags");
    expect(refusedField(() => checkTags(["x".repeat(51)]))).toBe("tags");
    expect(refusedField(() => checkTags(Array.from({ length: 21 }, (_, index) => `t${index}`)))).toBe("tags");
  });
});

describe("search", () => {
  it("needs something to search for", () => {
    expect(checkSearch(" plan ")).toBe("plan");
    expect(refusedField(() => checkSearch("  "))).toBe("query");
    expect(refusedField(() => checkSearch("x".repeat(limits.searchLengthMax + 1)))).toBe("query");
  });
});
