import { expect, it } from "vitest";
import type { Deployment } from "./world.ts";

/** What people share. */
export function peoplePackages(app: () => Deployment): void {
  it("presence: a user is there until they leave", async () => {
    const user = { room: "r", user: "u", session: "s", interval: 60_000 };
    const tokens = (await app().call("people:heartbeat", user)) as {
      roomToken: string;
      sessionToken: string;
    };
    const { roomToken, sessionToken } = tokens;
    expect(await app().call("people:inRoom", { roomToken })).toEqual([{ userId: "u", online: true }]);
    await app().call("people:leave", { sessionToken });
    expect(await app().call("people:inRoom", { roomToken })).toEqual([{ userId: "u", online: false }]);
  });

  it("persistent-text-streaming: what is streamed over HTTP is kept", async () => {
    const id = await app().call("people:createStream");
    const response = await fetch(`${app().server.siteUrl}/stream`, {
      method: "POST",
      body: JSON.stringify({ id }),
    });
    expect(await response.text()).toBe("One. Two. Three.");
    await app().until("the stream is kept", async () => {
      const { status } = (await app().call("people:streamBody", { id })) as { status: string };
      return status === "done";
    });
    expect(await app().call("people:streamBody", { id })).toEqual({
      text: "One. Two. Three.",
      status: "done",
    });
  });

  it("prosemirror-sync: orders steps", async () => {
    await app().call("people:submitSnapshot", { id: "doc", version: 1, content: "{}" });
    const steps = (clientId: string) =>
      app().call("people:submitSteps", { id: "doc", version: 1, clientId, steps: ["{}"] });
    expect(await steps("a")).toEqual({ status: "synced" });
    expect(await steps("b")).toEqual({ status: "needs-rebase", clientIds: ["a"], steps: ["{}"] });
    expect(await app().call("people:latestVersion", { id: "doc" })).toBe(2);
  });
}
