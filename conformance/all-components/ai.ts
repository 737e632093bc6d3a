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

  it("rag: finds what is nearest", async () => {
    expect(await app().call("ai:remember", { key: "a", text: "zebras gallop" })).toBe("ready");
    expect(await app().call("ai:remember", { key: "b", text: "moon soil" })).toBe("ready");
    expect(await app().call("ai:find", { query: "zebra" })).toEqual(["zebras gallop"]);
    expect(await app().call("ai:find", { query: "moons" })).toEqual(["moon soil"]);
  });
}
