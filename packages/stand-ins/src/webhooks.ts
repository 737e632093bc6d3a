import { createHmac, randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";

/** Where a service sends its events, and the secret with which it signs them. */
export interface WebhookTarget {
  readonly url: string;
  readonly secret: string;
}

/** How a service signs a body: the headers that go with it. */
export type Sign = (secret: string, text: string) => Readonly<Record<string, string>>;

const attemptsMax = 12;
const firstDelayMs = 100;
const delayMsMax = 5_000;

/**
 * Sends events to a webhook, one after the other and in order, each again until it is taken: an app that is down for a
 * while misses none. The real services give up after days, this one after about half a minute.
 */
export class Deliveries {
  /** Set it when the app's address is known. Without one, events are dropped. */
  target: WebhookTarget | null;
  readonly #sign: Sign;
  readonly #stopped = new AbortController();
  #queue: Promise<unknown> = Promise.resolve();

  constructor(sign: Sign, target: WebhookTarget | null = null) {
    this.#sign = sign;
    this.target = target;
  }

  /** Resolves when it has been taken, or given up. */
  send(event: object): Promise<void> {
    const { target } = this;
    if (target === null) return Promise.resolve();
    const sent = this.#queue.then(() => this.#deliver(target, JSON.stringify(event)));
    this.#queue = sent;
    return sent;
  }

  async close(): Promise<void> {
    this.#stopped.abort();
    await this.#queue;
  }

  async #deliver({ url, secret }: WebhookTarget, text: string): Promise<void> {
    const { signal } = this.#stopped;
    for (let attempt = 0; attempt < attemptsMax && !signal.aborted; attempt++) {
      const headers = { "content-type": "application/json", ...this.#sign(secret, text) };
      const answer = await fetch(url, { method: "POST", headers, body: text }).catch(() => null);
      await answer?.body?.cancel();
      // What is refused as such (forged, malformed) will not be taken later either.
      if (answer !== null && answer.status < 500 && answer.status !== 429) return;
      const delayMs = Math.min(delayMsMax, firstDelayMs * 2 ** attempt);
      // Ends early when it is closed.
      await sleep(delayMs, undefined, { signal }).catch(() => {});
    }
  }
}

/** As Svix signs, and with it Clerk and Resend: HMAC-SHA-256 over id, time and body, with the secret after "whsec_". */
export function svixHeaders(
  secret: string,
  text: string,
  { id = `msg_${randomUUID()}`, at = new Date() } = {},
): Record<string, string> {
  const timestamp = Math.floor(at.getTime() / 1000);
  const key = Buffer.from(secret.replace(/^whsec_/, ""), "base64");
  const signature = createHmac("sha256", key).update(`${id}.${timestamp}.${text}`).digest("base64");
  return { "svix-id": id, "svix-timestamp": String(timestamp), "svix-signature": `v1,${signature}` };
}

/** As Stripe signs: HMAC-SHA-256 over time and body. */
export function stripeHeaders(
  secret: string,
  text: string,
  { at = new Date() } = {},
): Record<string, string> {
  const timestamp = Math.floor(at.getTime() / 1000);
  const signature = createHmac("sha256", secret).update(`${timestamp}.${text}`).digest("hex");
  return { "stripe-signature": `t=${timestamp},v1=${signature}` };
}
