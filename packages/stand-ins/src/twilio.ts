import { createHmac } from "node:crypto";
import { Service } from "./service.ts";

export interface Sms {
  readonly sid: string;
  readonly from: string;
  readonly to: string;
  readonly body: string;
  /** Addresses of its files; an SMS with some is an MMS. */
  readonly media?: readonly { readonly url: string; readonly contentType: string }[];
}

/** A file that somebody has sent. Twilio gives it to whoever has the account's key. */
export interface Media {
  readonly contentType: string;
  readonly bytes: Uint8Array;
  /** Answers before it is there, each of them a 503. Default: none. */
  readonly failures?: number;
}

export interface TwilioOptions {
  readonly accountSid: string;
  readonly authToken: string;
  readonly port?: number;
}

/**
 * Twilio's API as far as one's own SMS go, and the files of those that came in. `GET /outbox` lists what was sent; `media`
 * has the files by their path.
 */
export async function startTwilio({
  accountSid,
  authToken,
  port = 0,
}: TwilioOptions): Promise<
  Service & { readonly outbox: readonly Sms[]; readonly media: Map<string, Media> }
> {
  const outbox: Sms[] = [];
  const media = new Map<string, Media>();
  const expected = `Basic ${Buffer.from(`${accountSid}:${authToken}`).toString("base64")}`;
  const refused = { status: 401, body: { code: 20003, message: "Authenticate" } };
  const service = await Service.start(({ method, path, headers, text }) => {
    if (method === "GET" && path === "/outbox") return { body: outbox };
    const file = media.get(path);
    if (method === "GET" && file !== undefined) {
      if (headers.authorization !== expected) return refused;
      const { failures = 0, contentType, bytes } = file;
      if (failures > 0) media.set(path, { ...file, failures: failures - 1 });
      if (failures > 0) return { status: 503, body: "Not there yet" };
      return { headers: { "content-type": contentType }, body: bytes };
    }
    if (method !== "POST" || path !== `/2010-04-01/Accounts/${accountSid}/Messages.json`)
      return { status: 404, body: { code: 20404, message: `There is no ${method} ${path}` } };
    if (headers.authorization !== expected) return refused;
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
  return Object.assign(service, { outbox, media });
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
    NumMedia: String(sms.media?.length ?? 0),
  };
  for (const [at, { url: mediaUrl, contentType }] of (sms.media ?? []).entries()) {
    parameters[`MediaUrl${at}`] = mediaUrl;
    parameters[`MediaContentType${at}`] = contentType;
  }
  const text = Object.keys(parameters)
    .sort()
    .reduce((sum, name) => sum + name + (parameters[name] ?? ""), signedUrl);
  return await fetch(url, {
    method: "POST",
    headers: { "x-twilio-signature": createHmac("sha1", authToken).update(text).digest("base64") },
    body: new URLSearchParams(parameters),
  });
}
