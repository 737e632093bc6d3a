import { expect, it } from "vitest";
import type { Deployment } from "./world.ts";

/** Agents and what they look up. */
export function aiPackages(app: () => Deployment): void {
  it("agent: calls a tool, keeps the thread, streams deltas", async () => {
    const { threadId, text } = (await app().call("ai:ask", { prompt: "What is tea?" })) as Record<
      string,
      string
    >;
    expect(text).toBe("Tea it is.");
    await app().call("ai:recite", { threadId });
    const { messages } = (await app().call("ai:thread", { threadId })) as { messages: { role: string }[] };
    expect(messages.map(({ role }) => role)).toEqual([
      "assistant",
      "user",
      "assistant",
      "tool",
      "assistant",
      "user",
    ]);
    expect(messages[0]).toMatchObject({ text: "Roses are red" });
    const { streams } = (await app().call("ai:thread", { threadId })) as {
      streams: { streamId: string; status: string }[];
    };
    const [stream] = streams;
    expect(stream).toMatchObject({ status: "finished", agentName: "poet" });
    const cursors = [{ streamId: stream?.streamId, cursor: 0 }];
    const deltas = await app().call("ai:deltas", { threadId, streamArgs: { kind: "deltas", cursors } });
    expect(JSON.stringify(deltas)).toContain("Roses");
  });

  it("agent: finds earlier messages by words and by meaning, of one thread or of all of a user's", async () => {
    const tell = (userId: string, ...texts: string[]) => app().call("recall:tell", { userId, texts });
    const find = (by: "text" | "vector", text: string, where: Readonly<Record<string, unknown>>) =>
      app().call("recall:find", { by, text, ...where });
    const kettle = "The kettle whistles at dawn";
    const bicycle = "My bicycle has a flat tyre";
    const kitchen = await tell("ann", kettle, "Sugar is in the cupboard");
    const shed = await tell("ann", bicycle, "The ladder leans on the wall");
    await tell("bob", "A kettle of another kind");
    const ann = { userId: "ann" };
    // Words as they are written, and the beginning of the last one.
    expect(await find("text", "kett", ann)).toEqual([kettle]);
    expect(await find("text", "whistling", ann)).toEqual([]);
    expect(await find("vector", "whistling kettles", ann)).toEqual([kettle]);
    expect(await find("vector", "tyres of bicycles", ann)).toEqual([bicycle]);
    expect(await find("vector", "kettle", { userId: "bob" })).toEqual(["A kettle of another kind"]);
    expect(await find("text", "kettle", { ...ann, threadId: kitchen })).toEqual([kettle]);
    expect(await find("text", "kettle", { ...ann, threadId: shed })).toEqual([]);
    expect(await find("vector", "flat tyre", { ...ann, threadId: shed })).toEqual([bicycle]);
    // And a question brings up what it is about, in a thread that knows nothing yet.
    expect(await app().call("recall:ask", { ...ann, prompt: "When does the kettle whistle?" })).toBe(
      "Noted.",
    );
    const [recalled] = (await app().events("recalled")) as string[][];
    expect(recalled).toContain(kettle);
    expect(recalled).not.toContain("A kettle of another kind");
  });

  it("rag: finds what is nearest", async () => {
    expect(await app().call("ai:remember", { key: "a", text: "zebras gallop" })).toBe("ready");
    expect(await app().call("ai:remember", { key: "b", text: "moon soil" })).toBe("ready");
    expect(await app().call("ai:find", { query: "zebra" })).toEqual(["zebras gallop"]);
    expect(await app().call("ai:find", { query: "moons" })).toEqual(["moon soil"]);
  });
}
