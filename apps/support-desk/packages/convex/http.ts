import { httpRouter } from "convex/server";
import { internal } from "./_generated/api.js";
import { httpAction } from "./_generated/server.js";
import { env } from "./env.ts";
import { limits } from "./model/limits.ts";
import { sameText, twilioSignature } from "./model/tokens.ts";

const http = httpRouter();

const bodyLengthMax = 16_384;

/** Incoming SMS. Twilio signs the address it calls and all parameters; whatever is not signed rightly is refused. */
http.route({
  path: "/twilio/sms",
  method: "POST",
  handler: httpAction(async (ctx, request) => {
    const text = await request.text();
    if (text.length > bodyLengthMax) return new Response("Too long", { status: 413 });
    const parameters = Object.fromEntries(new URLSearchParams(text));
    const { authToken } = env.twilio();
    // Behind a proxy the address that Twilio called is not the one that arrives here.
    const url = process.env.TWILIO_WEBHOOK_URL ?? request.url;
    const expected = await twilioSignature(authToken, url, parameters);
    if (!sameText(expected, request.headers.get("x-twilio-signature") ?? ""))
      return new Response("Wrong signature", { status: 403 });
    const { From: from, Body: body, MessageSid: messageSid } = parameters;
    if (from === undefined || body === undefined || messageSid === undefined)
      return new Response("From, Body and MessageSid are needed", { status: 400 });
    await ctx.runMutation(internal.sms.receiveSms, { from, body, messageSid, media: mediaOf(parameters) });
    // The answer comes as a message of its own, when there is one.
    return new Response('<?xml version="1.0" encoding="UTF-8"?><Response></Response>', {
      headers: { "content-type": "text/xml" },
    });
  }),
});

/** The files of an MMS: they stay with Twilio until somebody fetches them. */
function mediaOf(parameters: Readonly<Record<string, string>>): { url: string; contentType: string }[] {
  const count = Math.min(Number(parameters["NumMedia"] ?? 0) || 0, limits.filesPerSmsMax);
  return Array.from({ length: count }, (_, at) => ({
    url: parameters[`MediaUrl${at}`] ?? "",
    contentType: parameters[`MediaContentType${at}`] ?? "",
  })).filter(({ url }) => url !== "");
}

/** For load balancers and monitors. */
http.route({
  path: "/health",
  method: "GET",
  handler: httpAction(() => Promise.resolve(Response.json({ ok: true }))),
});

export default http;
