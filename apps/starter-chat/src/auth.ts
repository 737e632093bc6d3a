import { useCallback, useMemo, useSyncExternalStore } from "react";

/** Whoever is signed in at this window. */
export interface Person {
  readonly name: string;
  readonly email: string;
}

/** Why a sign-in did not work, in words for the person. */
export class SignInError extends Error {}

const storageKey = "starter-chat.person";
const retryDelayMsMax = 5000;
let issuerUrl = "";
const listeners = new Set<() => void>();
let person = readPerson();
let token: { readonly of: Person; readonly text: string } | null = null;

/** Names the deployment whose development issuer signs people in. */
export function configureAuth(convexUrl: string): void {
  issuerUrl = `${convexUrl.replace(/\/$/, "")}/lenslet/dev-issuer/token`;
}

/**
 * Signs in through the development issuer, which asks for no password.
 *
 * @throws SignInError
 */
export async function signIn(next: Person): Promise<void> {
  token = { of: next, text: await requestToken(next) };
  setPerson(next);
}

export function signOut(): void {
  token = null;
  setPerson(null);
}

export function usePerson(): Person | null {
  return useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => person,
  );
}

/** The hook ConvexProviderWithAuth asks for tokens. Tokens last an hour; the client asks again before that. */
export function useDevAuth(): {
  isLoading: boolean;
  isAuthenticated: boolean;
  fetchAccessToken: (options: { forceRefreshToken: boolean }) => Promise<string | null>;
} {
  const current = usePerson();
  const fetchAccessToken = useCallback(
    async ({ forceRefreshToken }: { forceRefreshToken: boolean }) => {
      if (current === null) return null;
      if (!forceRefreshToken && token?.of === current) return token.text;
      return await tokenWhenReachable(current);
    },
    [current],
  );
  return useMemo(
    () => ({ isLoading: false, isAuthenticated: current !== null, fetchAccessToken }),
    [current, fetchAccessToken],
  );
}

/** Waits out a server that is restarting: giving up would sign the person out. Ends when they sign out. */
async function tokenWhenReachable(of: Person): Promise<string | null> {
  for (let delayMs = 250; ; delayMs = Math.min(delayMs * 2, retryDelayMsMax)) {
    if (person !== of) return null;
    try {
      const text = await requestToken(of);
      token = { of, text };
      return text;
    } catch (error) {
      if (!(error instanceof Unreachable)) return null;
      await new Promise((resolve) => setTimeout(resolve, delayMs));
    }
  }
}

class Unreachable extends SignInError {}

async function requestToken({ name, email }: Person): Promise<string> {
  let response: Response;
  try {
    response = await fetch(issuerUrl, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ name, email }),
    });
  } catch {
    throw new Unreachable("The server cannot be reached. Is it running?");
  }
  if (response.status >= 500) throw new Unreachable("The server has a problem. Please try again.");
  if (response.status === 404)
    throw new SignInError("This server has no development sign-in. Start it with `lenslet dev`.");
  const body: unknown = await response.json().catch(() => null);
  if (response.ok && isRecord(body) && typeof body["token"] === "string") return body["token"];
  throw new SignInError("The server did not take this name and e-mail address. Please check them.");
}

function setPerson(next: Person | null): void {
  person = next;
  // This window remembers its own person, so that two windows can be two people; a new one starts as the last.
  for (const storage of [sessionStorage, localStorage]) {
    if (next === null) storage.removeItem(storageKey);
    else storage.setItem(storageKey, JSON.stringify(next));
  }
  for (const listener of listeners) listener();
}

function readPerson(): Person | null {
  try {
    const stored: unknown = JSON.parse(
      sessionStorage.getItem(storageKey) ?? localStorage.getItem(storageKey) ?? "null",
    );
    if (!isRecord(stored) || typeof stored["name"] !== "string" || typeof stored["email"] !== "string")
      return null;
    const found = { name: stored["name"], email: stored["email"] };
    sessionStorage.setItem(storageKey, JSON.stringify(found));
    return found;
  } catch {
    return null;
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}
