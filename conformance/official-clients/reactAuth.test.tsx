import { comeOnline } from "./dom.ts";
import {
  ConvexProviderWithAuth,
  ConvexReactClient,
  useConvexAuth,
  useMutation,
  useQuery,
} from "convex/react";
import { useCallback, useEffect, useMemo, useSyncExternalStore } from "react";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { api } from "./api.ts";
import { type Backend, startBackend } from "./backend.ts";
import { CuttingProxy } from "./cuttingProxy.ts";
import { Issuer } from "./issuer.ts";
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

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

/** An identity provider's client library: who is signed in, and the tokens it hands out. */
class Session {
  user: string | null = null;
  /** Tokens handed out, in order. */
  readonly tokens: string[] = [];
  readonly #mint: (user: string) => Promise<string>;
  readonly #listeners = new Set<() => void>();
  #cached: { readonly user: string; readonly token: string } | null = null;

  constructor(mint: (user: string) => Promise<string>) {
    this.#mint = mint;
  }

  signIn(user: string | null): void {
    this.user = user;
    this.#cached = null;
    for (const listener of this.#listeners) listener();
  }

  async fetch(forceRefreshToken: boolean): Promise<string | null> {
    const { user } = this;
    if (user === null) return null;
    if (forceRefreshToken || this.#cached?.user !== user) {
      const token = await this.#mint(user);
      this.#cached = { user, token };
      if (this.tokens.at(-1) !== token) this.tokens.push(token);
    }
    return this.#cached.token;
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };
}

/** What one render showed; every render is kept. */
interface Seen {
  readonly isAuthenticated: boolean;
  readonly isLoading: boolean;
  /** Subject; null for nobody, undefined while loading. */
  readonly who: string | null | undefined;
  readonly notesOf: string | null | undefined;
}

interface Tab {
  readonly session: Session;
  readonly screen: Screen;
  readonly client: ConvexReactClient;
  readonly seen: Seen[];
  addNote(text: string): Promise<string>;
  now(): Seen | undefined;
}

function openTab(url: string, session: Session, leewayS: number): Tab {
  const client = new ConvexReactClient(url, {
    logger: false,
    unsavedChangesWarning: false,
    authRefreshTokenLeewaySeconds: leewayS,
  });
  const seen: Seen[] = [];
  let addNote: ((text: string) => Promise<string>) | undefined;

  function useAuth() {
    const user = useSyncExternalStore(session.subscribe, () => session.user);
    const fetchAccessToken = useCallback(
      ({ forceRefreshToken }: { forceRefreshToken: boolean }) => session.fetch(forceRefreshToken),
      // A new function for a new user makes the client ask for a token anew.
      [user],
    );
    return useMemo(
      () => ({ isLoading: false, isAuthenticated: user !== null, fetchAccessToken }),
      [user, fetchAccessToken],
    );
  }

  function Profile() {
    const { isAuthenticated, isLoading } = useConvexAuth();
    const who = useQuery(api.viewer.whoAmI);
    const notes = useQuery(api.viewer.myNotes);
    const add = useMutation(api.viewer.addNote);
    useEffect(() => {
      addNote = (text) => add({ text });
    }, [add]);
    const subject = who === undefined || who === null ? who : who.subject;
    seen.push({ isAuthenticated, isLoading, who: subject, notesOf: notes?.owner });
    return (
      <section>
        <h1>{who === undefined ? "..." : (subject ?? "nobody")}</h1>
        {notes?.texts.map((text, i) => (
          <li key={i}>{text}</li>
        ))}
      </section>
    );
  }

  const screen = new Screen(
    <ConvexProviderWithAuth client={client} useAuth={useAuth}>
      <Profile />
    </ConvexProviderWithAuth>,
  );
  closers.push(
    () => client.close(),
    () => screen.close(),
  );
  return {
    session,
    screen,
    client,
    seen,
    addNote: async (text) => await (addNote as NonNullable<typeof addNote>)(text),
    now: () => seen.at(-1),
  };
}

function isSignedIn(tab: Tab, user: string): boolean {
  return tab.now()?.isAuthenticated === true && tab.screen.texts("h1")[0] === user;
}

function isNobody(tab: Tab): boolean {
  const now = tab.now();
  return now?.isAuthenticated === false && !now.isLoading && tab.screen.texts("h1")[0] === "nobody";
}

/** Two queries of one client never show two people at once. */
function mixed(tab: Tab): Seen[] {
  return tab.seen.filter(({ who, notesOf }) => who !== undefined && notesOf !== undefined && who !== notesOf);
}

describe("ConvexProviderWithAuth", () => {
  it(
    "signs in, refreshes its token again and again unnoticed, and signs out",
    { timeout: 90_000 },
    async () => {
      const session = new Session((user) => backend.issuer.token(user, { lifetimeS: 4 }));
      const tab = openTab(backend.server.url, session, 3);
      await until("nobody is shown", () => isNobody(tab));
      session.signIn("ada");
      await until("ada is signed in", () => isSignedIn(tab, "ada"));
      const firstSignedIn = tab.seen.length - 1;
      expect(await tab.addNote("first")).toBe("ada");
      // The first is confirmed and replaced at once; each of the others is replaced shortly before it expires.
      await until("the token has been refreshed four times", () => session.tokens.length >= 6);
      expect(await tab.addNote("after refreshes")).toBe("ada");
      await until("both notes are shown", () => tab.screen.texts("li").join() === "first,after refreshes");
      const meanwhile = tab.seen.slice(firstSignedIn);
      expect(meanwhile.filter(({ isAuthenticated, who }) => !isAuthenticated || who !== "ada")).toEqual([]);
      expect(tab.client.connectionState().connectionCount).toBe(1);

      session.signIn(null);
      await until("nobody is signed in", () => isNobody(tab));
      expect(tab.screen.texts("li")).toEqual([]);
      await expect(tab.addNote("refused")).rejects.toThrow(/Sign in first/);
      expect(mixed(tab)).toEqual([]);
      expect(tab.screen.errors).toEqual([]);
    },
  );

  it("stays signed in over a line that is cut again and again", { timeout: 90_000 }, async () => {
    const proxy = await CuttingProxy.start({
      targetPort: backend.server.port,
      seed,
      bytesMax: 6000,
      onCut: () => setTimeout(comeOnline, 20),
    });
    closers.push(() => proxy.close());
    const session = new Session((user) => backend.issuer.token(user, { lifetimeS: 4 }));
    const tab = openTab(proxy.url, session, 3);
    session.signIn("bea");
    await until("bea is signed in", () => isSignedIn(tab, "bea"));
    const firstSignedIn = tab.seen.length - 1;
    const texts: string[] = [];
    while (proxy.cuts < 5 || session.tokens.length < 5) {
      texts.push(`note ${texts.length}`);
      expect(await tab.addNote(texts.at(-1) as string)).toBe("bea");
    }
    proxy.heal();
    await until("all notes are shown, once", () => tab.screen.texts("li").join() === texts.join());
    const meanwhile = tab.seen.slice(firstSignedIn);
    expect(meanwhile.filter(({ isAuthenticated, who }) => !isAuthenticated || who !== "bea")).toEqual([]);
    expect(mixed(tab)).toEqual([]);
  });

  it("changes from one user to another without ever mixing them", async () => {
    const session = new Session((user) => backend.issuer.token(user, { lifetimeS: 60 }));
    const tab = openTab(backend.server.url, session, 10);
    const users = ["cyd", "dora", "cyd", "emil", "dora"];
    for (const [i, user] of users.entries()) {
      session.signIn(user);
      await until(`${user} is signed in`, () => isSignedIn(tab, user));
      expect(await tab.addNote(`${i} of ${user}`)).toBe(user);
    }
    await until("dora's notes are shown", () => tab.screen.texts("li").join() === "1 of dora,4 of dora");
    expect(mixed(tab)).toEqual([]);
    expect(new Set(tab.seen.flatMap(({ who }) => who ?? []))).toEqual(new Set(users));
  });

  it("is signed out when its token expires and there is no other", { timeout: 90_000 }, async () => {
    const { issuer } = backend;
    const only = await issuer.token("finn", { lifetimeS: 3 });
    const session = new Session(() => Promise.resolve(only));
    const tab = openTab(backend.server.url, session, 1);
    session.signIn("finn");
    await until("finn is signed in", () => isSignedIn(tab, "finn"));
    // The server looks at the token when it is asked for something.
    const asking = setInterval(() => tab.addNote("late").catch(() => {}), 300);
    closers.push(() => clearInterval(asking));
    await until("nobody is signed in", () => isNobody(tab));
    clearInterval(asking);
    await expect(tab.addNote("too late")).rejects.toThrow(/Sign in first/);
    expect(mixed(tab)).toEqual([]);
  });

  it.each<[string, (user: string) => Promise<string>]>([
    ["signed by somebody else", async (user) => (await Issuer.create()).token(user, { lifetimeS: 60 })],
    ["for another application", (user) => backend.issuer.token(user, { lifetimeS: 60, audience: "else" })],
    ["that has expired", (user) => backend.issuer.token(user, { lifetimeS: -60 })],
  ])("goes on as nobody with a token %s", async (_name, mint) => {
    const session = new Session(mint);
    const tab = openTab(backend.server.url, session, 10);
    session.signIn("mallory");
    await until("it has been tried", () => session.tokens.length > 0);
    await until("nobody is signed in", () => isNobody(tab));
    expect(tab.seen.filter(({ isAuthenticated, who }) => isAuthenticated || who === "mallory")).toEqual([]);
    await expect(tab.addNote("refused")).rejects.toThrow(/Sign in first/);
  });
});
