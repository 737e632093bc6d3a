import { comeOnline } from "./dom.ts";
import { ConvexHttpClient, type OptimisticLocalStore } from "convex/browser";
import { ConvexProvider, ConvexReactClient, useMutation, usePaginatedQuery, useQuery } from "convex/react";
import { useEffect } from "react";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { api } from "./api.ts";
import { type Backend, startBackend } from "./backend.ts";
import { ChannelModel, type ShownMessage } from "./channelModel.ts";
import { CuttingProxy } from "./cuttingProxy.ts";
import { Screen } from "./screens.tsx";
import { until } from "../support/until.ts";

const seed = Number(process.env["LENSLET_CLIENTS_SEED"] ?? 1);

let backend: Backend;
beforeAll(async () => {
  backend = await startBackend();
}, 120_000);
afterAll(async () => {
  await backend.server.dispose();
});

/** Ends what a test has opened, last first. */
async function withClosers(test: (closers: (() => unknown)[]) => Promise<void>): Promise<void> {
  const closers: (() => unknown)[] = [];
  try {
    await test(closers);
  } finally {
    for (const close of closers.reverse()) await close();
  }
}

type Send = (key: string, body: string) => Promise<number>;

/** A chat with optimistic sends, written as the documentation tells. */
function Chat(props: {
  readonly channel: string;
  readonly onShown: (version: number, messages: readonly ShownMessage[]) => void;
  readonly onReady: (send: Send) => void;
}) {
  const { channel, onShown, onReady } = props;
  const list = useQuery(api.messages.list, { channel });
  const sendMutation = useMutation(api.messages.send).withOptimisticUpdate(addPending);
  useEffect(() => {
    onReady((key, body) => sendMutation({ channel, key, body }));
  }, [channel, onReady, sendMutation]);
  if (list === undefined) return <p>loading</p>;
  const messages = list.messages as readonly ShownMessage[];
  onShown(list.version, messages);
  return (
    <ul>
      {messages.map(({ key, body, isPending }) => (
        <li key={key}>{isPending === true ? `${body} ...` : body}</li>
      ))}
    </ul>
  );
}

function addPending(
  store: OptimisticLocalStore,
  { channel, key, body }: { channel: string; key: string; body: string },
): void {
  const list = store.getQuery(api.messages.list, { channel });
  // After a reconnect the result may show the message before its mutation has been answered again.
  if (list === undefined || list.messages.some((message) => message.key === key)) return;
  const pending: ShownMessage = { key, body, isPending: true };
  store.setQuery(api.messages.list, { channel }, { ...list, messages: [...list.messages, pending] });
}

/** What the next render would show, whenever React gets to it. */
function isPending(client: ConvexReactClient, channel: string, key: string): boolean {
  const list = client.watchQuery(api.messages.list, { channel }).localQueryResult();
  const messages = (list?.messages ?? []) as readonly ShownMessage[];
  return messages.some((message) => message.key === key && message.isPending === true);
}

describe("ConvexReactClient over a line that is cut again and again", () => {
  const tabs = 3;
  const sendsPerTab = 30;

  it(`shows what the model says, optimistic sends included (seed ${seed})`, { timeout: 120_000 }, () =>
    withClosers(async (closers) => {
      const channel = "react";
      const model = new ChannelModel();
      const proxy = await CuttingProxy.start({
        targetPort: backend.server.port,
        seed,
        bytesMax: 10_000,
        onCut: () => setTimeout(comeOnline, 20),
      });
      closers.push(() => proxy.close());
      const senders: Send[] = [];
      const clients: ConvexReactClient[] = [];
      const screens = Array.from({ length: tabs }, (_, tab) => {
        const client = new ConvexReactClient(proxy.url, { logger: false, unsavedChangesWarning: false });
        clients.push(client);
        const screen = new Screen(
          <ConvexProvider client={client}>
            <Chat
              channel={channel}
              onShown={(version, messages) => model.shown(`tab ${tab}`, { version, messages })}
              onReady={(send) => (senders[tab] = send)}
            />
          </ConvexProvider>,
        );
        closers.push(
          () => client.close(),
          () => screen.close(),
        );
        return screen;
      });
      await until("every tab is ready", () => screens.every((screen) => screen.texts("ul").length === 1));

      await Promise.all(
        screens.map(async (_, tab) => {
          for (let n = 0; n < sendsPerTab; n++) {
            const [key, body] = [`react-${tab}-${n}`, `${tab} says ${n}`];
            const answer = (senders[tab] as Send)(key, body);
            expect(
              isPending(clients[tab] as ConvexReactClient, channel, key),
              `${key} is shown at once`,
            ).toBe(true);
            const version = await answer;
            model.answered(version, { type: "send", key, body });
            if (n === sendsPerTab / 2) await until("the line was cut", () => proxy.cuts >= 2 * tabs);
          }
        }),
      );
      proxy.heal();
      expect(model.versions).toBe(tabs * sendsPerTab);
      const final = await new ConvexHttpClient(backend.server.url).query(api.messages.list, { channel });
      expect(final).toEqual(model.final());
      const bodies = final.messages.map(({ body }) => body).join("\n");
      await until("every tab shows it", () =>
        screens.every((screen) => screen.texts("li").join("\n") === bodies),
      );
      expect(model.check()).toEqual([]);
      expect(screens.flatMap(({ errors }) => errors)).toEqual([]);
    }),
  );

  it("takes an optimistic message back when the mutation fails", () =>
    withClosers(async (closers) => {
      const channel = "rollback";
      const model = new ChannelModel();
      const client = new ConvexReactClient(backend.server.url, {
        logger: false,
        unsavedChangesWarning: false,
      });
      let send: Send | undefined;
      const screen = new Screen(
        <ConvexProvider client={client}>
          <Chat
            channel={channel}
            onShown={(version, messages) => model.shown("tab", { version, messages })}
            onReady={(ready) => (send = ready)}
          />
        </ConvexProvider>,
      );
      closers.push(
        () => client.close(),
        () => screen.close(),
      );
      await until("the tab is ready", () => screen.texts("ul").length === 1);
      const good = (send as Send)("good", "hello").then((version) =>
        model.answered(version, { type: "send", key: "good", body: "hello" }),
      );
      const refused = (send as Send)("bad", "refuse");
      expect(isPending(client, channel, "bad")).toBe(true);
      await expect(refused).rejects.toMatchObject({ data: { code: "refused", key: "bad" } });
      await good;
      await until("only the good one is left", () => screen.texts("li").join() === "hello");
      expect(model.check()).toEqual([]);
    }));

  it(
    `pages through a history that grows, without holes or doubles (seed ${seed})`,
    { timeout: 120_000 },
    () =>
      withClosers(async (closers) => {
        const channel = "pages";
        const http = new ConvexHttpClient(backend.server.url, { logger: false });
        const send = (n: number) =>
          http.mutation(api.messages.send, { channel, key: `pages-${n}`, body: "" });
        for (let n = 1; n <= 40; n++) await send(n);
        const proxy = await CuttingProxy.start({
          targetPort: backend.server.port,
          seed,
          bytesMax: 8_000,
          onCut: () => setTimeout(comeOnline, 20),
        });
        closers.push(() => proxy.close());
        const client = new ConvexReactClient(proxy.url, { logger: false, unsavedChangesWarning: false });
        const problems: string[] = [];
        let newest = 0;
        const screen = new Screen(
          <ConvexProvider client={client}>
            <History
              channel={channel}
              onShown={(positions) => {
                const [first = 0] = positions;
                if (positions.some((position, i) => position !== first - i))
                  problems.push(`shows ${positions.join()}`);
                if (positions.length > 0 && first < newest)
                  problems.push(`went back from ${newest} to ${first}`);
                newest = Math.max(newest, first);
              }}
            />
          </ConvexProvider>,
        );
        closers.push(
          () => client.close(),
          () => screen.close(),
        );
        for (let n = 41; n <= 100; n++) {
          await send(n);
          if (n % 20 === 0) await until("the line was cut again", () => proxy.cuts >= n / 20 - 1);
        }
        proxy.heal();
        const all = Array.from({ length: 100 }, (_, i) => String(100 - i)).join();
        const isWhole = () => screen.texts("li").join() === all && screen.texts("p").join() === "Exhausted";
        await until("the whole history is shown", isWhole);
        expect(problems).toEqual([]);
        expect(screen.errors).toEqual([]);
      }),
  );
});

/** Loads one page after the other until there is no more. */
function History(props: {
  readonly channel: string;
  readonly onShown: (positions: readonly number[]) => void;
}) {
  const { results, status, loadMore } = usePaginatedQuery(
    api.messages.page,
    { channel: props.channel },
    { initialNumItems: 9 },
  );
  useEffect(() => {
    if (status === "CanLoadMore") loadMore(9);
  }, [status, loadMore, results.length]);
  props.onShown(results.map(({ position }) => position));
  return (
    <>
      <p>{status}</p>
      <ul>
        {results.map(({ key, position }) => (
          <li key={key}>{position}</li>
        ))}
      </ul>
    </>
  );
}
