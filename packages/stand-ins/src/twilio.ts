import { createHmac } from "node:crypto";
import { Service } from "./service.ts";

export interface Sms {
  readonly sid: string;
  readonly from: string;
  readonly to: string;
  readonly body: string;
}

export interface TwilioOptions {
  readonly accountSid: string;
  readonly authToken: string;
  readonly port?: number;
}

/** Twilio's API as far as one's own SMS go. `GET /outbox` lists what was sent. */
export async function startTwilio({
  accountSid,
  authToken,
  port = 0,
}: TwilioOptions): Promise<Service & { readonly outbox: readonly Sms[] }> {
  const outbox: Sms[] = [];
  const expected = `Basic ${Buffer.from(`${accountSid}:${authToken}`).toString("base64")}`;
  const service = await Service.start(({ method, path, headers, text }) => {
    if (method === "GET" && path === "/outbox") return { body: outbox };
    if (method !== "POST" || path !== `/2010-04-01/Accounts/${accountSid}/Messages.json`)
      return { status: 404, body: { code: 20404, message: `There is no ${method} ${path}` } };
    if (headers.authorization !== expected)
      return { status: 401, body: { code: 20003, message: "Authenticate" } };
    const parameters = new URLSearchParams(text);
    const [from, to, body] = ["From", "To", "Body"].map((name) => parameters.get(name) ?? "") as [
      string,
      string,
      string,
    ];
    if (!/^\+\d{7,15}$/.test(to) || body === "")
      return {
        status: 400,
        body: { code: 21211, message: `The 'To' number ${to} is not a valid phone number.` },
      };
    const sid = `SM${String(outbox.length + 1).padStart(32, "0")}`;
    outbox.push({ sid, from, to, body });
    return { status: 201, body: { sid, status: "queued" } };
  }, port);
  return Object.assign(service, { outbox });
}

/** Delivers an SMS to a webhook, signed as Twilio signs: HMAC-SHA-1 over the URL and the sorted parameters. */
export async function deliverSms(
  url: string,
  authToken: string,
  sms: Sms,
  signedUrl: string = url,
): Promise<Response> {
  const parameters: Record<string, string> = {
    MessageSid: sms.sid,
    From: sms.from,
    To: sms.to,
    Body: sms.body,
  };
  const text = Object.keys(parameters)
    .sort()
    .reduce((sum, name) => sum + name + (parameters[name] ?? ""), signedUrl);
  return await fetch(url, {
    method: "POST",
    headers: { "x-twilio-signature": createHmac("sha1", authToken).update(text).digest("base64") },
    body: new URLSearchParams(parameters),
  });
}
