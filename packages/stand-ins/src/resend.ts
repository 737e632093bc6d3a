import { Service } from "./service.ts";

export interface Mail {
  readonly id: string;
  readonly from: string;
  readonly to: readonly string[];
  readonly subject: string;
  readonly text?: string;
  readonly html?: string;
}

const outboxMax = 1_000;

/** Resend's API as far as sending goes. `GET /outbox` lists what was sent, the newest last. */
export async function startResend(port = 0): Promise<Service & { readonly outbox: readonly Mail[] }> {
  const outbox: Mail[] = [];
  const keep = (fields: Omit<Mail, "id" | "to"> & { to: string | readonly string[] }): { id: string } => {
    const id = `mail-${outbox.length + 1}`;
    const to = typeof fields.to === "string" ? [fields.to] : fields.to;
    outbox.push({ ...fields, id, to });
    if (outbox.length > outboxMax) outbox.shift();
    return { id };
  };
  const service = await Service.start(({ method, path, headers, text }) => {
    if (method === "GET" && path === "/outbox") return { body: outbox };
    if (headers.authorization === undefined)
      return { status: 401, body: { name: "missing_api_key", message: "Missing API key" } };
    if (method === "POST" && path === "/emails") return { body: keep(JSON.parse(text) as never) };
    if (method === "POST" && path === "/emails/batch")
      return { body: { data: (JSON.parse(text) as never[]).map(keep) } };
    return { status: 404, body: { name: "not_found", message: `There is no ${method} ${path}` } };
  }, port);
  return Object.assign(service, { outbox });
}
