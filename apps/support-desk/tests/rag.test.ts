import { globSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { isTwilios } from "../packages/convex/mms.ts";
import { chooseAgent, chooseBot, noMetrics } from "../packages/convex/model/agents.ts";
import { limits, rateRules } from "../packages/convex/model/limits.ts";
import { tokensAt } from "../packages/convex/model/rateLimit.ts";
import { hashToken, newCode, sameText, twilioSignature } from "../packages/convex/model/tokens.ts";
import { chunksOf, plainText } from "../packages/convex/rag/chunks.ts";
import { asksForPerson, citedPositions, promptOf } from "../packages/convex/rag/prompt.ts";

describe("passages", () => {
  it("hold every word of a document, in order, and none is too long", () => {
    const word = fc.stringMatching(/^[a-z0-9]{1,12}$/);
    const sentence = fc.array(word, { minLength: 1, maxLength: 40 }).map((words) => `${words.join(" ")}.`);
    const paragraph = fc
      .array(sentence, { minLength: 1, maxLength: 20, size: "max" })
      .map((all) => all.join(" "));
    const heading = word.map((text) => `# ${text}`);
    const document = fc
      .array(fc.oneof({ weight: 4, arbitrary: paragraph }, heading), {
        minLength: 1,
        maxLength: 12,
        size: "max",
      })
      .map((all) => all.join("\n\n"));
    fc.assert(
      fc.property(document, (text) => {
        const chunks = chunksOf(text);
        for (const chunk of chunks) expect(chunk.length).toBeLessThanOrEqual(limits.chunkLengthMax);
        // Each chunk begins with what the one before ended with; without that they are the document again.
        const words = (part: string) => part.split(/\s+/).filter((each) => each !== "");
        const all: string[] = [];
        for (const chunk of chunks) {
          const own = words(chunk);
          let shared = Math.min(own.length, all.length);
          while (shared > 0 && own.slice(0, shared).join(" ") !== all.slice(all.length - shared).join(" "))
            shared--;
          all.push(...own.slice(shared));
        }
        expect(all.length).toBeLessThanOrEqual(words(text).length);
        expect(new Set(all)).toEqual(new Set(words(text)));
      }),
      { numRuns: 60 },
    );
  });

  it("keep a heading with what follows", () => {
    expect(chunksOf("# Prices\n\nThey are low.")).toEqual(["# Prices\nThey are low."]);
    expect(chunksOf("   \n\n ")).toEqual([]);
    expect(chunksOf("# Only a heading")).toEqual(["# Only a heading"]);
  });

  it("of HTML have neither markup nor scripts", () => {
    const html =
      "<html><head><title>x</title></head><body><h2>A &amp; B</h2><ul><li>one<li>two</ul><script>alert(1)</script>" +
      "<p>5 &lt; 6 &#8364; &#x41; &unknown;</p><!-- no --></body></html>";
    expect(plainText("html", html)).toBe("## A & B\n\n- one\n- two\n\n5 < 6 € A &unknown;");
    expect(plainText("text", "a  \r\nb\n\n\n\nc")).toBe("a\nb\n\nc");
  });
});

describe("prompts", () => {
  it("quote passages by number, and say when there are none", () => {
    const [system, question] = promptOf(
      [{ title: "Prices", content: "Low.", score: 1 }],
      [{ role: "user", content: "How much?" }],
      "Be Bitsy.",
    );
    expect(system?.content).toContain("Be Bitsy.\n\nPassages:\n\n[1] Prices\nLow.");
    expect(question).toEqual({ role: "user", content: "How much?" });
    expect(promptOf([], [], null)[0]?.content).toContain("(none)");
  });

  it("give citations back: each once, none that does not exist", () => {
    expect(citedPositions("As in [2] and [1], see [2] and [9] and [0].", 3)).toEqual([1, 0]);
    expect(citedPositions("nothing", 3)).toEqual([]);
  });

  it("notice who wants a person", () => {
    for (const text of ["Can I talk to a human?", "a REAL PERSON please", "I want to speak with an agent"])
      expect(asksForPerson(text)).toBe(true);
    for (const text of ["Is the keyboard made for humanities students?", "What is your address?"])
      expect(asksForPerson(text)).toBe(false);
  });
});

describe("rate limits", () => {
  it("give back what time has earned, up to the size of the bucket", () => {
    const rule = rateRules.messagePerUser;
    expect(tokensAt(null, rule, 0)).toBe(20);
    expect(tokensAt({ tokens: 0, updatedAt: 0 }, rule, 3_000)).toBeCloseTo(1);
    expect(tokensAt({ tokens: 19.5, updatedAt: 0 }, rule, 60_000)).toBe(20);
    // A clock that was set back takes nothing away.
    expect(tokensAt({ tokens: 5, updatedAt: 10_000 }, rule, 0)).toBe(5);
  });
});

describe("secrets", () => {
  it("are six digits, hashes that depend on the key, and Twilio's signature", async () => {
    expect(newCode()).toMatch(/^\d{6}$/);
    expect(await hashToken("a", "x")).toMatch(/^[0-9a-f]{64}$/);
    expect(await hashToken("a", "x")).not.toBe(await hashToken("b", "x"));
    expect([sameText("abc", "abc"), sameText("abc", "abd"), sameText("abc", "ab")]).toEqual([
      true,
      false,
      false,
    ]);
    // Twilio's own example in its documentation of the header.
    const url = "https://mycompany.com/myapp.php?foo=1&bar=2";
    const parameters = {
      CallSid: "CA1234567890ABCDE",
      Caller: "+14158675310",
      Digits: "1234",
      From: "+14158675310",
      To: "+18005551212",
    };
    expect(await twilioSignature("12345", url, parameters)).toBe("GvWf1cFY/Q7PnoempGyD5oXAezc=");
  });
});

describe("the choice of an agent", () => {
  const agent = (name: string, skills: string[], load: number) =>
    ({
      _id: name,
      _creationTime: 0,
      name,
      kind: "human",
      skills,
      status: "online",
      load,
      loadMax: 3,
      metrics: noMetrics,
    }) as never;
  it("goes by skills, then by load; who is full is passed over", () => {
    const choose = (skills: string[], ...all: never[]) =>
      (chooseAgent(all, skills) as { name: string } | null)?.name;
    expect(choose([], agent("a", [], 2), agent("b", [], 1))).toBe("b");
    expect(choose(["x"], agent("a", [], 0), agent("b", ["x"], 2))).toBe("b");
    expect(choose(["x"], agent("a", [], 0), agent("b", ["x"], 3))).toBe("a");
    expect(choose([], agent("a", [], 3))).toBeUndefined();
    expect(choose([])).toBeUndefined();
  });

  it("that is a bot goes by what the text speaks of, then by who has had the fewest", () => {
    const bot = (name: string, skills: string[], conversations: number) =>
      ({ _id: name, name, skills, metrics: { ...noMetrics, conversations } }) as never;
    const choose = (text: string, ...all: never[]) => (chooseBot(all, text) as { name: string } | null)?.name;
    const [all, printers, both] = [
      bot("all", [], 3),
      bot("printers", ["printer"], 9),
      bot("both", ["printer", "scanner"], 9),
    ];
    expect(choose("My PRINTER is on fire", all, printers)).toBe("printers");
    expect(choose("printer and scanner", printers, both, all)).toBe("both");
    expect(choose("my printer", printers, bot("fresh", ["printer"], 1))).toBe("fresh");
    expect(choose("hello", printers, all)).toBe("all");
    expect(choose("hello")).toBeUndefined();
  });
});

it("the account's key goes to Twilio only", () => {
  const base = "https://api.twilio.com";
  for (const url of ["https://api.twilio.com/2010-04-01/x", "https://mcs.us1.twilio.com/v1/x"])
    expect(isTwilios(url, base), url).toBe(true);
  for (const url of [
    "http://api.twilio.com/x",
    "https://api.twilio.com.example.com/x",
    "https://eviltwilio.com/x",
    "https://api.twilio.com@example.com/x",
    "file:///etc/passwd",
    "nonsense",
  ])
    expect(isTwilios(url, base), url).toBe(false);
  expect(isTwilios("http://127.0.0.1:9/x", "http://127.0.0.1:9")).toBe(true);
});

describe("the schema", () => {
  it("has nine tables and more than thirty indexes, and every index is used", () => {
    const folder = fileURLToPath(new URL("../packages/convex", import.meta.url));
    const schema = readFileSync(`${folder}/schema.ts`, "utf8");
    const tables = schema.split(/^ {2}(?=\w+: defineTable)/m).slice(1);
    expect(new Set(tables.map((text) => text.split(":")[0]))).toEqual(
      new Set([
        "agents",
        "analytics",
        "conversations",
        "knowledge",
        "messages",
        "rateLimits",
        "sessions",
        "users",
        "workflows",
      ]),
    );
    const code = globSync(`${folder}/**/*.ts`)
      .filter((file) => !file.includes("_generated") && !file.endsWith("schema.ts"))
      .map((file) => readFileSync(file, "utf8"))
      .join("\n");
    let count = 0;
    for (const text of tables) {
      const table = text.split(":")[0] ?? "";
      for (const [, index] of text.matchAll(/\.(?:index|searchIndex|vectorIndex)\("(\w+)"/g)) {
        count += 1;
        const query = new RegExp(
          `query\\("${table}"\\)\\s*\\.with(?:Search)?Index\\("${index}"|vectorSearch\\("${table}", "${index}"`,
        );
        expect(query.test(code) || usedOnVariable(code, table, index ?? ""), `${table}.${index}`).toBe(true);
      }
    }
    expect(count).toBeGreaterThan(30);
  });
});

/** `const rows = ctx.db.query("t"); ... rows.withIndex("i")` */
function usedOnVariable(code: string, table: string, index: string): boolean {
  const names = [...code.matchAll(new RegExp(`const (\\w+) = ctx\\.db\\.query\\("${table}"\\)`, "g"))].map(
    ([, name]) => name,
  );
  return names.some((name) => new RegExp(`\\b${name}\\s*\\.withIndex\\("${index}"`).test(code));
}
