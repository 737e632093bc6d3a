import { ConvexReactClient, useMutation } from "convex/react";
import { createContext, type ReactNode, useCallback, useContext, useEffect, useMemo, useState } from "react";
import { api } from "../../packages/convex/_generated/api.js";

/** Both tokens and when they end. Kept in this browser, one for customers and one for staff. */
export interface Tokens {
  readonly token: string;
  readonly expiresAt: number;
  readonly refreshToken: string;
  readonly refreshExpiresAt: number;
}

interface Session {
  readonly token: string | null;
  readonly begin: (tokens: Tokens) => void;
  readonly end: () => void;
}

const SessionContext = createContext<Session>({ token: null, begin: () => {}, end: () => {} });

/** A session is renewed this long before it ends. */
const renewBeforeMs = 60_000;

export const client = new ConvexReactClient(
  (import.meta.env["VITE_CONVEX_URL"] as string | undefined) ?? "http://127.0.0.1:3210",
);

export function useSession(): Session {
  return useContext(SessionContext);
}

/** Keeps the tokens, and exchanges them in time. Another window that did so first is noticed through the storage. */
export function SessionProvider({ name, children }: { name: "customer" | "staff"; children: ReactNode }) {
  const key = `support-desk:${name}`;
  const [tokens, setTokens] = useState<Tokens | null>(() => read(key));
  const refresh = useMutation(api.auth.refreshSession);
  const logout = useMutation(api.auth.logout);

  const keep = useCallback(
    (next: Tokens | null) => {
      if (next === null) localStorage.removeItem(key);
      else localStorage.setItem(key, JSON.stringify(next));
      setTokens(next);
    },
    [key],
  );

  useEffect(() => {
    const follow = (event: StorageEvent) => {
      if (event.key === key) setTokens(read(key));
    };
    window.addEventListener("storage", follow);
    return () => window.removeEventListener("storage", follow);
  }, [key]);

  useEffect(() => {
    if (tokens === null) return;
    const renew = async () => {
      // Two windows must not exchange one token: the second would look like a thief.
      await navigator.locks.request(key, async () => {
        const current = read(key);
        if (current === null || current.token !== tokens.token) {
          setTokens(current);
          return;
        }
        keep(await refresh({ refreshToken: current.refreshToken }));
      });
    };
    const delayMs = Math.max(0, tokens.expiresAt - Date.now() - renewBeforeMs);
    const timer = setTimeout(() => void renew().catch(() => keep(null)), delayMs);
    return () => clearTimeout(timer);
  }, [tokens, key, keep, refresh]);

  const isValid = tokens !== null && tokens.expiresAt > Date.now();
  const session = useMemo<Session>(
    () => ({
      token: isValid ? tokens.token : null,
      begin: keep,
      end: () => {
        if (tokens !== null) void logout({ token: tokens.token }).catch(() => {});
        keep(null);
      },
    }),
    [isValid, tokens, keep, logout],
  );
  return <SessionContext.Provider value={session}>{children}</SessionContext.Provider>;
}

function read(key: string): Tokens | null {
  try {
    const tokens = JSON.parse(localStorage.getItem(key) ?? "null") as Tokens | null;
    return tokens !== null && tokens.refreshExpiresAt > Date.now() ? tokens : null;
  } catch {
    return null;
  }
}
