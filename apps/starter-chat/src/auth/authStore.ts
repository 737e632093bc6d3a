import { convexClient, crossDomainClient } from "@convex-dev/better-auth/client/plugins";
import { createAuthClient } from "better-auth/client";
import { limits } from "../../convex/model/limits.ts";
import { AuthFailure } from "../failures.ts";

/** Whoever is signed in in this browser. */
export interface Person {
  readonly name: string;
  readonly email: string;
  readonly emailVerified: boolean;
}

/** What the page needs to know of the sign-in. A new object whenever anything of it changes. */
export interface AuthState {
  readonly sessionId: string | null;
  readonly person: Person | null;
  /** Why nobody is signed in, if that was not their own wish. */
  readonly notice: string | null;
}

/** Says that somebody is signed in here, for the first paint and for other windows. */
const personKey = "starter-chat.person";
const signedOut: AuthState = { sessionId: null, person: null, notice: null };
const retryMsMax = 5_000;

const texts: Readonly<Record<string, string>> = {
  INVALID_EMAIL_OR_PASSWORD: "There is no account with this address and password.",
  USER_ALREADY_EXISTS: "There is an account with this address already. Sign in instead.",
  USER_ALREADY_EXISTS_USE_ANOTHER_EMAIL: "There is an account with this address already. Sign in instead.",
  INVALID_PASSWORD: "That is not your password.",
  PASSWORD_TOO_SHORT: `A password has at least ${limits.passwordLengthMin} characters.`,
  PASSWORD_TOO_LONG: `A password has at most ${limits.passwordLengthMax} characters.`,
  INVALID_TOKEN: "This link has been used, or is too old. Ask for a new one.",
  INVALID_EMAIL: "Please enter a valid e-mail address.",
};

function makeClient(siteUrl: string) {
  return createAuthClient({ baseURL: siteUrl, plugins: [crossDomainClient(), convexClient()] });
}

interface Answer<T> {
  readonly data: T | null;
  readonly error: { readonly code?: string; readonly status: number; readonly message?: string } | null;
}

/**
 * The sign-in of this browser. Who it was is remembered, so a page that opens without a connection is still theirs;
 * only the server's word that the session is over ends it, never silence.
 */
export class AuthStore {
  readonly #client: ReturnType<typeof makeClient>;
  readonly #listeners = new Set<() => void>();
  #state: AuthState;
  #token: { readonly sessionId: string; readonly text: string } | null = null;

  constructor(siteUrl: string) {
    this.#client = makeClient(siteUrl);
    this.#state = this.#remembered();
    // Another window has signed in or out.
    window.addEventListener("storage", ({ key }) => {
      if (key === personKey) this.#become(this.#remembered());
    });
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  readonly state = (): AuthState => this.#state;

  /** Asks the server whether the session goes on, and what is new about the person. */
  async refresh(): Promise<void> {
    if (this.#state.sessionId === null && this.#remembered().sessionId === null) return;
    const answer = await this.#ask(() => this.#client.getSession());
    if (answer.error === null) this.#become(sessionIn(answer.data) ?? signedOut);
  }

  /** @throws AuthFailure */
  async signUp(name: string, email: string, password: string): Promise<void> {
    orThrow(await this.#ask(() => this.#client.signUp.email({ name, email, password })));
    await this.#begin();
  }

  /** @throws AuthFailure */
  async signIn(email: string, password: string): Promise<void> {
    orThrow(await this.#ask(() => this.#client.signIn.email({ email, password })));
    await this.#begin();
  }

  /**
   * Ends the session. Without a connection it is forgotten here, and ends by itself.
   *
   * @param notice why, if it was not the person's own wish
   */
  async signOut(notice: string | null = null): Promise<void> {
    await this.#ask(() => this.#client.signOut());
    this.#become({ ...signedOut, notice });
  }

  /** Sends a mail with a link, if there is such an account; whether there is, it does not say. @throws AuthFailure */
  async requestPasswordReset(email: string): Promise<void> {
    orThrow(await this.#ask(() => this.#client.requestPasswordReset({ email })));
  }

  /** @throws AuthFailure */
  async resetPassword(token: string, newPassword: string): Promise<void> {
    orThrow(await this.#ask(() => this.#client.resetPassword({ token, newPassword })));
  }

  /** @throws AuthFailure */
  async changePassword(currentPassword: string, newPassword: string): Promise<void> {
    const change = { currentPassword, newPassword, revokeOtherSessions: false };
    orThrow(await this.#ask(() => this.#client.changePassword(change)));
  }

  /** Sends the mail that asks whether the address is right once more. @throws AuthFailure */
  async resendVerification(): Promise<void> {
    const email = this.#state.person?.email ?? "";
    orThrow(await this.#ask(() => this.#client.sendVerificationEmail({ email })));
  }

  /**
   * A token for the deployment. Waits out a server that is restarting: giving up would sign the person out. Null once
   * they are signed out.
   */
  async token(isForced: boolean): Promise<string | null> {
    const { sessionId } = this.#state;
    if (sessionId === null) return null;
    if (!isForced && this.#token?.sessionId === sessionId) return this.#token.text;
    for (
      let delayMs = 250;
      this.#state.sessionId === sessionId;
      delayMs = Math.min(2 * delayMs, retryMsMax)
    ) {
      const { data, error } = await this.#ask<{ token?: string }>(() => this.#client.convex.token());
      if (typeof data?.token === "string") {
        this.#token = { sessionId, text: data.token };
        return data.token;
      }
      if (error === null || (error.status >= 400 && error.status < 500)) {
        this.#become({ ...signedOut, notice: "You have been signed out. Please sign in again." });
        return null;
      }
      await new Promise((resolve) => setTimeout(resolve, delayMs));
    }
    return null;
  }

  async #begin(): Promise<void> {
    const next = sessionIn(orThrow(await this.#ask(() => this.#client.getSession())));
    if (next === null)
      throw new AuthFailure("Signing in did not work. Does this browser keep cookies and storage?");
    this.#become(next);
  }

  async #ask<T>(call: () => Promise<unknown>): Promise<Answer<T>> {
    try {
      return (await call()) as Answer<T>;
    } catch {
      return { data: null, error: { status: 0 } };
    }
  }

  #become(next: AuthState): void {
    if (JSON.stringify(next) === JSON.stringify(this.#state)) return;
    if (next.sessionId !== this.#state.sessionId) this.#token = null;
    this.#state = next;
    if (next.person === null) localStorage.removeItem(personKey);
    else localStorage.setItem(personKey, JSON.stringify(next.person));
    for (const listener of this.#listeners) listener();
  }

  #remembered(): AuthState {
    return sessionIn(this.#client.getSessionData()) ?? signedOut;
  }
}

function sessionIn(value: unknown): AuthState | null {
  if (!isRecord(value) || !isRecord(value["session"]) || !isRecord(value["user"])) return null;
  const { id } = value["session"];
  const { name, email, emailVerified } = value["user"];
  if (typeof id !== "string" || typeof name !== "string" || typeof email !== "string") return null;
  return { sessionId: id, person: { name, email, emailVerified: emailVerified === true }, notice: null };
}

function orThrow<T>({ data, error }: Answer<T>): T | null {
  if (error === null) return data;
  if (error.status === 0) throw new AuthFailure("The server cannot be reached. Is it running?");
  if (error.status === 429)
    throw new AuthFailure(error.message ?? "Too many attempts. Please wait a moment.");
  if (error.status >= 500) throw new AuthFailure("The server has a problem. Please try again.");
  throw new AuthFailure(texts[error.code ?? ""] ?? error.message ?? "That did not work. Please try again.");
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}
