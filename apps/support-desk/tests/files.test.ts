import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { codeOf } from "../../../conformance/support/failures.ts";
import { deliverSms } from "../../../packages/stand-ins/src/twilio.ts";
import { api } from "../packages/convex/_generated/api.js";
import type { Id } from "../packages/convex/_generated/dataModel.js";
import { DeskServer, eventually, type Person, twilioAccount } from "./support/desk.ts";

/** Files in conversations, what people may do with their data, and several bots. */

let desk: DeskServer;
let admin: Person;
let sam: Person;

beforeAll(async () => {
  desk = await DeskServer.start();
  await desk.customer("Ada", "admin@example.com");
  admin = await desk.signIn("admin@example.com");
  sam = await desk.signIn("sam@example.com");
  const me = await sam.client.query(api.agents.getMe, { token: sam.token });
  if (me === null) throw new Error("Sam is an agent");
  await admin.client.mutation(api.agents.updateAgent, { token: admin.token, agentId: me._id, loadMax: 50 });
});
afterAll(() => desk?.close());

const picture = Buffer.from(
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==",
  "base64",
);

async function upload(person: Person, body: Uint8Array<ArrayBuffer>, type = "image/png") {
  const url = await person.client.mutation(api.attachments.uploadUrl, { token: person.token });
  const sent = await fetch(url, { method: "POST", headers: { "content-type": type }, body });
  return ((await sent.json()) as { storageId: Id<"_storage"> }).storageId;
}

async function begin(person: Person, content = "Hello, I want to talk to a real person") {
  return await person.client.mutation(api.conversations.createConversation, { token: person.token, content });
}

async function userId({ client, token }: Person): Promise<Id<"users">> {
  const me = await client.query(api.users.getCurrentUser, { token });
  if (me === null) throw new Error("nobody is signed in");
  return me._id;
}

async function rows(table: string): Promise<Record<string, unknown>[]> {
  const text = await desk.convex("data", table, "--limit", "2000", "--format", "jsonArray");
  return text.trim() === "" || text.includes("There are no documents") ? [] : (JSON.parse(text) as []);
}

describe("files in a conversation", () => {
  it("are seen by both sides, with words or without", async () => {
    const ben = await desk.customer("Ben");
    const conversationId = await begin(ben);
    const storageId = await upload(ben, picture);
    await ben.client.mutation(api.messages.sendMessage, {
      token: ben.token,
      conversationId,
      content: "",
      attachment: { storageId, name: " broken.png " },
    });
    for (const { client, token } of [ben, sam]) {
      const messages = await client.query(api.messages.subscribeToMessages, { token, conversationId });
      const file = messages.find(({ attachment }) => attachment !== undefined)?.attachment;
      expect(file).toMatchObject({ name: "broken.png", contentType: "image/png", size: picture.length });
      const fetched = await fetch(file?.url ?? "");
      expect(Buffer.from(await fetched.arrayBuffer()).equals(picture)).toBe(true);
    }
  });

  it("begin one too, and whoever takes over reads of them", async () => {
    const ben = await desk.customer("Ben");
    const conversationId = await ben.client.mutation(api.conversations.createConversation, {
      token: ben.token,
      content: "",
      attachment: { storageId: await upload(ben, Buffer.from("a log"), "text/plain"), name: "log.txt" },
    });
    const conversation = await eventually(async () => {
      const about = { token: sam.token, conversationId };
      const row = await sam.client.query(api.conversations.getConversation, about);
      return row.status === "queued" && row;
    });
    expect(conversation).toMatchObject({ subject: "log.txt" });
    expect(conversation.summary).toContain("[file: log.txt]");
  });

  it("are refused when they are none of ours", async () => {
    const ben = await desk.customer("Ben");
    const conversationId = await begin(ben);
    const send = (storageId: Id<"_storage">, name = "file") =>
      codeOf(
        ben.client.mutation(api.messages.sendMessage, {
          token: ben.token,
          conversationId,
          content: "look",
          attachment: { storageId, name },
        }),
      );
    const once = await upload(ben, picture);
    expect(await send(once)).toBe("no error");
    expect(await send(once), "a file is in one message only").toBe("invalid");
    expect(await send(await upload(ben, Buffer.from("<script>"), "text/html"))).toBe("invalid");
    expect(await send(await upload(ben, Buffer.from("<svg/>"), "image/svg+xml"))).toBe("invalid");
    expect(await send(await upload(ben, Buffer.alloc(10_000_001)))).toBe("invalid");
    expect(await send(await upload(ben, picture), "  ")).toBe("invalid");
    expect(await codeOf(desk.client().mutation(api.attachments.uploadUrl, { token: "nobody" }))).toBe(
      "unauthenticated",
    );
    // Given up: gone with the next sweep, once they are a day old; those in messages stay.
    expect(await desk.server.call("attachments:forgetUploads", {})).toBe(0);
  });

  it("reach a phone as a link", async () => {
    const from = "+491700000099";
    const message = { sid: "SM-file", from, to: "+15005550006", body: "I want to talk to a real person" };
    await deliverSms(`${desk.server.siteUrl}/twilio/sms`, twilioAccount.authToken, message);
    const waiting = await eventually(async () => {
      const queue = await sam.client.query(api.conversations.listByStatus, {
        token: sam.token,
        status: "queued",
      });
      return queue.find(({ channel }) => channel === "sms");
    });
    await sam.client.mutation(api.agents.setStatus, { token: sam.token, status: "online" });
    const about = { token: sam.token, conversationId: waiting._id };
    await sam.client.mutation(api.messages.sendMessage, {
      ...about,
      content: "The way to us",
      attachment: { storageId: await upload(sam, picture), name: "map.png" },
    });
    const sent = await eventually(() =>
      desk.twilio.outbox.find(({ to, body }) => to === from && /way/.test(body)),
    );
    expect(sent.body).toMatch(/^The way to us\nhttp.*\/api\/storage\//);
    await sam.client.mutation(api.conversations.updateConversation, { ...about, status: "resolved" });
    await sam.client.mutation(api.agents.setStatus, { token: sam.token, status: "offline" });
  });
});

describe("files of an MMS", () => {
  /** One that somebody has sent, at the address that Twilio gives it. */
  const sent = (name: string, file: { contentType: string; bytes: Uint8Array; failures?: number }) => {
    const path = `/2010-04-01/Accounts/${twilioAccount.accountSid}/Messages/MM/Media/${name}`;
    desk.twilio.media.set(path, file);
    return { url: `https://api.twilio.com${path}`, contentType: file.contentType };
  };
  const deliver = (sid: string, from: string, body: string, media: ReturnType<typeof sent>[]) =>
    deliverSms(`${desk.server.siteUrl}/twilio/sms`, twilioAccount.authToken, {
      sid,
      from,
      to: "+15005550006",
      body,
      media,
    });
  /** What staff see of the conversation that a delivery has come to. */
  const seen = async (sid: string) => {
    const row = (await rows("messages")).find(({ externalId }) => externalId === sid);
    const conversationId = row?.["conversationId"] as Id<"conversations">;
    return () => sam.client.query(api.messages.subscribeToMessages, { token: sam.token, conversationId });
  };

  it("are fetched with the account's key and shown, each once", async () => {
    const media = [
      sent("one", { contentType: "image/png", bytes: picture }),
      // Not there at the first attempt.
      sent("two", { contentType: "text/plain; charset=utf-8", bytes: Buffer.from("a log"), failures: 1 }),
    ];
    for (let times = 0; times < 2; times++)
      expect((await deliver("MM-1", "+491700000088", "", media)).status).toBe(200);
    const look = await seen("MM-1");
    const files = await eventually(async () => {
      const found = (await look()).flatMap(({ attachment }) => attachment ?? []);
      return found.length === 2 && found;
    });
    expect(files.map(({ name, contentType }) => [name, contentType])).toEqual([
      ["picture.png", "image/png"],
      ["text.txt", "text/plain"],
    ]);
    for (const [at, bytes] of [picture, Buffer.from("a log")].entries()) {
      const fetched = await fetch(files[at]?.url ?? "");
      expect(Buffer.from(await fetched.arrayBuffer()).equals(bytes)).toBe(true);
    }
    const messages = await look();
    expect(messages.filter(({ isFileArriving }) => isFileArriving)).toEqual([]);
    expect(messages.filter(({ author }) => author === "customer")).toHaveLength(2);
    // The address at Twilio is nobody's business.
    expect(JSON.stringify(messages)).not.toContain("api.twilio.com");
  });

  it("are refused when they are none that we take, or not at Twilio's; the words are there all the same", async () => {
    const media = [
      sent("page", { contentType: "text/html", bytes: Buffer.from("<script>") }),
      { url: `${desk.mail.url}/outbox`, contentType: "image/png" },
    ];
    await deliver("MM-2", "+491700000089", "I want to talk to a real person", media);
    const look = await seen("MM-2");
    const notices = await eventually(async () => {
      const found = (await look()).filter(({ content }) => content.includes("could not be fetched:"));
      return found.length === 2 && found.map(({ content }) => content).toSorted((a, b) => a.localeCompare(b));
    });
    expect(notices[0]).toContain("It is not at an address of Twilio's.");
    expect(notices[1]).toContain("Pictures, PDFs and plain text, please.");
    const said = (await look()).filter(({ author }) => author === "customer").map(({ content }) => content);
    expect(said).toEqual(["I want to talk to a real person", "(a file that could not be fetched)"]);
  });

  it("are left alone by what looks for uploads that nobody has used", async () => {
    expect(await desk.server.call("attachments:forgetUploads")).toBe(0);
  });
});

describe("webhooks", () => {
  it("that come many times at once, and in any order, are taken once each", async () => {
    const from = "+491700000077";
    const parts = ["first", "second", "third"];
    const deliveries = parts.flatMap((body, i) =>
      Array.from({ length: 8 }, () => ({ body, sid: `SM-many-${i}` })),
    );
    // The last one first.
    const answers = await Promise.all(
      deliveries.toReversed().map(({ body, sid }) =>
        deliverSms(`${desk.server.siteUrl}/twilio/sms`, twilioAccount.authToken, {
          sid,
          from,
          to: "+15005550006",
          body: `${body}, I want to talk to a real person`,
        }),
      ),
    );
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]));
    const taken = (await rows("messages")).filter(({ externalId }) =>
      String(externalId).startsWith("SM-many-"),
    );
    expect(taken).toHaveLength(3);
    expect(new Set(taken.map(({ externalId }) => externalId))).toEqual(
      new Set(["SM-many-0", "SM-many-1", "SM-many-2"]),
    );
    expect(new Set(taken.map(({ conversationId }) => conversationId)).size).toBe(1);
    const users = (await rows("users")).filter(({ phone }) => phone === from);
    expect(users).toHaveLength(1);
  });
});

it("limits hold exactly when calls come all at once", async () => {
  const ben = await desk.customer("Ben");
  // Ten an hour: none comes back while the calls run.
  const codes = await Promise.all(
    Array.from({ length: 40 }, () =>
      codeOf(
        desk.client().mutation(api.conversations.createConversation, {
          token: ben.token,
          content: "I want to talk to a real person",
        }),
      ),
    ),
  );
  expect(codes.filter((code) => code === "no error")).toHaveLength(10);
  expect(codes.filter((code) => code === "rate_limited")).toHaveLength(30);
});

describe("a person's data", () => {
  it("is given to them as one file, and to nobody else", async () => {
    const [ben, eve] = [await desk.customer("Ben"), await desk.customer("Eve")];
    const conversationId = await begin(ben, "What does a broken laptop screen cost?");
    await ben.client.mutation(api.messages.sendMessage, {
      token: ben.token,
      conversationId,
      content: "Here it is",
      attachment: { storageId: await upload(ben, picture), name: "screen.png" },
    });
    await eventually(async () =>
      (await desk.said(ben, conversationId)).some((line) => line.startsWith("bot:")),
    );
    const url = await ben.client.action(api.privacy.exportData, { token: ben.token });
    const text = await (await fetch(url)).text();
    const data = JSON.parse(text) as Record<string, Record<string, unknown>[]>;
    expect(data).toMatchObject({
      user: { name: "Ben", email: ben.email },
      conversations: [{ _id: conversationId, subject: "What does a broken laptop screen cost?" }],
      sessions: [{ ip: "127.0.0.1" }],
    });
    expect(data["messages"]?.map(({ author }) => author)).toEqual(
      expect.arrayContaining(["customer", "bot"]),
    );
    expect(JSON.stringify(data["messages"])).toContain("screen.png");
    expect(data["events"]?.map(({ event }) => event)).toEqual(
      expect.arrayContaining(["user_created", "conversation_created", "message_received"]),
    );
    expect(text).not.toMatch(/tokenHash|refreshHash|codeHash/);
    const theirs = { token: eve.token, userId: await userId(ben) };
    expect(await codeOf(eve.client.action(api.privacy.exportData, theirs))).toBe("forbidden");
    expect(await codeOf(sam.client.action(api.privacy.exportData, { ...theirs, token: sam.token }))).toBe(
      "forbidden",
    );
    const byAdmin = await admin.client.action(api.privacy.exportData, { ...theirs, token: admin.token });
    expect((await fetch(byAdmin)).status).toBe(200);
  });

  it(
    "goes with their account, in steps, through a kill -9; nobody else's does",
    { timeout: 120_000 },
    async () => {
      const [ben, eve] = [await desk.customer("Ben"), await desk.customer("Eve")];
      const [bens, eves] = [await begin(ben), await begin(eve)];
      const storageId = await upload(ben, picture);
      const said = { token: ben.token, conversationId: bens };
      await ben.client.mutation(api.messages.sendMessage, {
        ...said,
        content: "look",
        attachment: { storageId, name: "a.png" },
      });
      const [shown] = (await ben.client.query(api.messages.subscribeToMessages, said)).filter(
        ({ attachment }) => attachment !== undefined,
      );
      const id = await userId(ben);
      const about = { token: eve.token, userId: id };
      expect(await codeOf(eve.client.mutation(api.privacy.deleteUser, about))).toBe("forbidden");
      expect(await codeOf(sam.client.mutation(api.privacy.deleteUser, { token: sam.token }))).toBe(
        "forbidden",
      );
      const eventsBefore = (await rows("analytics")).length;
      await ben.client.mutation(api.privacy.deleteUser, { token: ben.token });
      await desk.server.kill9();
      await desk.server.start();
      // At once: nobody can sign in, and the address is free.
      expect(await ben.client.query(api.auth.validateSession, { token: ben.token })).toBeNull();
      await eventually(async () => {
        const state = await sam.client.query(api.privacy.deletion, { token: sam.token, userId: id });
        return state?.status === "completed";
      }, 60_000);
      for (const table of ["users", "conversations", "messages", "sessions", "analytics"])
        expect(JSON.stringify(await rows(table)), table).not.toMatch(
          new RegExp(`${id}|${bens}|${ben.email}`),
        );
      expect((await fetch(shown?.attachment?.url ?? "")).status).toBe(404);
      // The figures still count what there was: nothing was deleted, and the end of a conversation is an event.
      expect((await rows("analytics")).length).toBeGreaterThanOrEqual(eventsBefore);
      expect(
        await eve.client.query(api.conversations.getConversation, { token: eve.token, conversationId: eves }),
      ).toMatchObject({ customer: { name: "Eve" } });
      const again = await desk.client().mutation(api.users.createUser, { name: "Ben", email: ben.email });
      expect(again.status).toBe("created");
    },
  );

  it("of a customer can be deleted by an admin, and the person who had them is free again", async () => {
    const ben = await desk.customer("Ben");
    const conversationId = await begin(ben);
    const about = { token: sam.token, conversationId };
    await sam.client.mutation(api.conversations.escalateConversation, about);
    await sam.client.mutation(api.conversations.takeConversation, about);
    const before = await sam.client.query(api.agents.getMe, { token: sam.token });
    const id = await userId(ben);
    await admin.client.mutation(api.privacy.deleteUser, { token: admin.token, userId: id });
    await eventually(async () => (await rows("users")).every(({ _id }) => _id !== id));
    const after = await sam.client.query(api.agents.getMe, { token: sam.token });
    expect(after?.load).toBe((before?.load ?? 0) - 1);
    expect(await codeOf(sam.client.query(api.conversations.getConversation, about))).toBe("not_found");
  });
});

describe("several bots", () => {
  it("share the work by what they know, and stand in for each other", async () => {
    const pia = await admin.client.mutation(api.agents.createAgent, {
      token: admin.token,
      name: "Pia",
      kind: "ai",
      skills: ["printer", "scanner"],
      instructions: "You are Pia. You know printers.",
    });
    const names = async (content: string, person: Person, more?: Id<"conversations">) => {
      const about = { token: person.token };
      const conversationId =
        more ?? (await person.client.mutation(api.conversations.createConversation, { ...about, content }));
      if (more !== undefined)
        await person.client.mutation(api.messages.sendMessage, { ...about, conversationId, content });
      const count = (list: readonly { author: string; state: string }[]) =>
        list.filter(({ author, state }) => author === "bot" && state === "sent").length;
      const wanted = more === undefined ? 1 : 2;
      const messages = await eventually(async () => {
        const list = await person.client.query(api.messages.subscribeToMessages, {
          ...about,
          conversationId,
        });
        return count(list) >= wanted && list;
      });
      return { conversationId, name: messages.findLast(({ author }) => author === "bot")?.agentName };
    };
    const ben = await desk.customer("Ben");
    // The one with the skill, although it is new; it keeps what it has begun.
    const printer = await names("My printer is broken. When are you open on Saturday?", ben);
    expect(printer.name).toBe("Pia");
    expect((await names("What does a broken laptop screen cost?", ben, printer.conversationId)).name).toBe(
      "Pia",
    );
    // Nobody has the skill: whoever has had the fewest conversations.
    expect((await names("What does a broken laptop screen cost?", ben)).name).toBe("Pia");
    await admin.client.mutation(api.agents.updateAgent, {
      token: admin.token,
      agentId: pia,
      status: "offline",
    });
    const other = await desk.customer("Ben");
    expect((await names("My printer is broken. When are you open on Saturday?", other)).name).toBe("Bitsy");
  });
});
