import type { EngineApi, LiveQueryId, LiveQueryState } from "../engine/api.ts";

/**
 * Keeps one of the server's own queries open and hands over its value (decoded JSON) now and whenever it has changed;
 * what it shows is durable. Returns how to end it.
 */
export async function watchSystemQuery(
  engine: EngineApi,
  path: string,
  take: (value: unknown) => void,
  failed: (message: string) => void,
  args: Readonly<Record<string, string>> = {},
): Promise<() => void> {
  let query: LiveQueryId | null = null;
  const show = ({ result }: LiveQueryState): void => {
    if (result.ok) take(JSON.parse(result.valueJson));
    else failed(result.error.message);
  };
  const unsubscribe = engine.subscribe({
    published: (_ts, changed) => {
      for (const { id, state } of changed) if (id === query) show(state);
    },
    deploymentChanged: () => undefined,
    executed: () => undefined,
  });
  const opened = await engine.openQuery({
    target: { kind: "path", path, componentPath: "" },
    argsJson: JSON.stringify([args]),
    identity: { kind: "admin", actingAs: null },
    caller: "SyncWorker",
    requestId: "0000000000000000",
    journal: null,
  });
  query = opened.id;
  show(opened.state);
  return () => {
    unsubscribe();
    if (query !== null) engine.closeQuery(query);
    query = null;
  };
}
