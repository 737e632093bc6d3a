import { outboxPage } from "./outboxPage.ts";
import { Service, type ServiceRequest } from "./service.ts";
import { Deliveries, svixHeaders, type WebhookTarget } from "./webhooks.ts";

export interface Mail {
  readonly id: string;
  readonly from: string;
  readonly to: readonly string[];
  readonly subject: string;
  readonly text?: string;
  readonly html?: string;
}

const outboxMax = 1_000;
const batchesMax = 1_000;

export interface Resend {
  readonly url: string;
  readonly outbox: readonly Mail[];
  /** Where events about mails go, if anywhere. */
  readonly webhooks: Deliveries;
  close(): Promise<void>;
}

/**
 * Resend's API as far as sending goes. `GET /outbox` lists what was sent, the newest last; `GET /` shows it. With a webhook it tells of
 * each mail that it was sent and delivered; mail to `bounced@...` and `complained@...` fares accordingly.
 */
export async function startResend(port = 0, webhook?: WebhookTarget): Promise<Resend> {
  const outbox: Mail[] = [];
  const webhooks = new Deliveries(svixHeaders, webhook);
  /** By idempotency key: a batch that is sent again is not sent twice. */
  const batches = new Map<string, object>();
  let count = 0;
  const keep = (fields: Omit<Mail, "id" | "to"> & { to: string | readonly string[] }): { id: string } => {
    const id = `mail-${++count}`;
    const mail = { ...fields, id, to: typeof fields.to === "string" ? [fields.to] : fields.to };
    outbox.push(mail);
    if (outbox.length > outboxMax) outbox.shift();
    for (const event of fateOf(mail)) void webhooks.send(event);
    return { id };
  };
  const batch = ({ headers, text }: ServiceRequest): object => {
    const key = headers["idempotency-key"]?.toString();
    const known = key === undefined ? undefined : batches.get(key);
    if (known !== undefined) return known;
    const answer = { data: (JSON.parse(text) as never[]).map(keep) };
    if (key !== undefined && batches.size < batchesMax) batches.set(key, answer);
    return answer;
  };
  const service = await Service.start((request) => {
    const { method, path, headers, text } = request;
    if (method === "GET" && path === "/outbox") return { body: outbox };
    if (method === "GET" && path === "/")
      return { headers: { "content-type": "text/html; charset=utf-8" }, body: outboxPage(outbox) };
    if (headers.authorization === undefined)
      return { status: 401, body: { name: "missing_api_key", message: "Missing API key" } };
    if (method === "POST" && path === "/emails") return { body: keep(JSON.parse(text) as never) };
    if (method === "POST" && path === "/emails/batch") return { body: batch(request) };
    return { status: 404, body: { name: "not_found", message: `There is no ${method} ${path}` } };
  }, port);
  return {
    url: service.url,
    outbox,
    webhooks,
    close: async () => {
      await webhooks.close();
      await service.close();
    },
  };
}

function fateOf({ id, from, to, subject }: Mail): object[] {
  const event = (type: string, more: object = {}) => {
    const at = new Date().toISOString();
    return { type, created_at: at, data: { created_at: at, email_id: id, from, to, subject, ...more } };
  };
  const sent = event("email.sent");
  if (to.some((address) => address.startsWith("bounced")))
    return [
      sent,
      event("email.bounced", {
        bounce: { message: "There is no such mailbox.", type: "Permanent", subType: "General" },
      }),
    ];
  const delivered = [sent, event("email.delivered")];
  return to.some((address) => address.startsWith("complained"))
    ? [...delivered, event("email.complained")]
    : delivered;
}
