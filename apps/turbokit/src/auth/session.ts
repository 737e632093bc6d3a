import { useCallback, useMemo, useSyncExternalStore } from "react";
import { arriveSignedIn, leaveToSignIn, type OidcClient, renewTokens, type Tokens } from "./oidc.ts";

const storageKey = "turbokit:tokens";
const callbackPath = "/callback";
/** A token that is valid for less than this is exchanged before it is used. */
const spareMs = 30_000;

type State =
  | { readonly status: "starting" }
  | { readonly status: "out"; readonly failure: string | null }
  | { readonly status: "in"; readonly tokens: Tokens };

/** Who this browser is signed in as. All its windows share that, through the storage. */
class Session {
  readonly #client: OidcClient;
  readonly #listeners = new Set<() => void>();
  #state: State = { status: "starting" };

  constructor(client: OidcClient) {
    this.#client = client;
    window.addEventListener("storage", ({ key }) => {
      if (key === storageKey) this.#become(stored());
    });
  }

  get state(): State {
    return this.#state;
  }

  subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  /** To be called once, before anything is shown: takes up what the provider, or an earlier visit, has left. */
  async start(): Promise<void> {
    if (window.location.pathname !== callbackPath) return this.#become(stored());
    try {
      const query = new URLSearchParams(window.location.search);
      const { tokens, returnTo } = await arriveSignedIn(this.#client, query);
      window.history.replaceState(null, "", returnTo);
      this.#keep(tokens);
    } catch (error) {
      window.history.replaceState(null, "", "/");
      this.#set({ status: "out", failure: (error as Error).message });
    }
  }

  async signIn(): Promise<void> {
    const { pathname, search } = window.location;
    await leaveToSignIn(this.#client, pathname + search);
  }

  signOut(): void {
    this.#keep(null);
  }

  /** A token that the server will take, or null when one has to sign in. */
  async token(isForced: boolean): Promise<string | null> {
    const before = stored();
    if (before === null) return null;
    if (!isForced && before.expiresAtMs - Date.now() > spareMs) return before.idToken;
    // A refresh token is good once: two windows must not use the same one.
    return await navigator.locks.request(storageKey, async () => {
      const now = stored();
      if (now === null) return null;
      if (now.idToken !== before.idToken) return now.idToken;
      try {
        const renewed = await renewTokens(this.#client, now);
        this.#keep(renewed);
        return renewed?.idToken ?? null;
      } catch {
        // The provider is away. What is still valid goes on being used.
        return now.expiresAtMs > Date.now() ? now.idToken : null;
      }
    });
  }

  #keep(tokens: Tokens | null): void {
    if (tokens === null) localStorage.removeItem(storageKey);
    else localStorage.setItem(storageKey, JSON.stringify(tokens));
    this.#become(tokens);
  }

  #become(tokens: Tokens | null): void {
    const wasIn = this.#state.status === "in";
    if (tokens === null) this.#set({ status: "out", failure: null });
    // Renewed tokens are the same session: nothing has to be shown anew.
    else if (!wasIn) this.#set({ status: "in", tokens });
  }

  #set(state: State): void {
    this.#state = state;
    for (const listener of this.#listeners) listener();
  }
}

function stored(): Tokens | null {
  try {
    return JSON.parse(localStorage.getItem(storageKey) ?? "null") as Tokens | null;
  } catch {
    return null;
  }
}

export const session = new Session({
  issuer: ((import.meta.env["VITE_CLERK_JWT_ISSUER_DOMAIN"] as string | undefined) ?? "").replace(/\/$/, ""),
  clientId: (import.meta.env["VITE_CLERK_CLIENT_ID"] as string | undefined) ?? "convex",
  redirectUri: `${window.location.origin}${callbackPath}`,
});

export function useSession(): State {
  return useSyncExternalStore(session.subscribe, () => session.state);
}

/** For `ConvexProviderWithAuth`. */
export function useAuth() {
  const { status } = useSession();
  const fetchAccessToken = useCallback(
    ({ forceRefreshToken }: { forceRefreshToken: boolean }) => session.token(forceRefreshToken),
    [],
  );
  return useMemo(
    () => ({ isLoading: status === "starting", isAuthenticated: status === "in", fetchAccessToken }),
    [status, fetchAccessToken],
  );
}
