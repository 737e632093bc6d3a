import { rmSync, writeFileSync } from "node:fs";
import { assert } from "../../base/assert.ts";
import { ActionHost } from "./actionHost.ts";
import { installEgressForFetch, installEgressForNode } from "./egress.ts";
import type { HostMessage, HostSettings, ServerMessage } from "./messages.ts";

/** Entry point of an action host process; see main/actionProcess.ts for the server's side. */
function main(): void {
  const settings = JSON.parse(process.argv[2] ?? "null") as HostSettings;
  const send = process.send?.bind(process);
  assert(send !== undefined, "an action host is a child process with a channel");
  // When memory runs short the system should take an action host rather than the server.
  try {
    writeFileSync("/proc/self/oom_score_adj", "500");
  } catch {
    // Not on this system.
  }
  installEgressForFetch(settings.egress);
  if (settings.kind === "node") installEgressForNode(settings.egress);
  const exit = process.exit.bind(process);
  const host = new ActionHost(settings, (messages: readonly HostMessage[]) => {
    // Fails only when the server is gone, and then this process ends too.
    send(messages, undefined, undefined, () => undefined);
  });
  process.on("message", (messages) => host.receive(messages as readonly ServerMessage[]));
  // Ctrl-C reaches the whole process group: the server decides when its action hosts end.
  process.on("SIGINT", () => undefined);
  process.on("SIGTERM", () => undefined);
  process.on("disconnect", () => {
    if (settings.moduleFolder !== null) rmSync(settings.moduleFolder, { recursive: true, force: true });
    exit(0);
  });
  // The channel is not for user code.
  delete (process as { send?: unknown }).send;
  process.argv.length = 1;
}

main();
