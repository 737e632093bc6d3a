import { v } from "convex/values";
import { internalAction } from "./_generated/server.js";
import { env } from "./env.ts";

/** Sends a sign-in code through Resend. Without a key it is printed in the function log, which is enough to try it. */
export const sendCode = internalAction({
  args: { to: v.string(), name: v.string(), code: v.string() },
  returns: v.null(),
  handler: async (_ctx, { to, name, code }) => {
    const mail = env.mail();
    if (mail === null) {
      console.log(`Code for ${to}: ${code} (no RESEND_API_KEY is set, so no mail was sent)`);
      return null;
    }
    const response = await fetch(`${mail.baseUrl}/emails`, {
      method: "POST",
      headers: { authorization: `Bearer ${mail.apiKey}`, "content-type": "application/json" },
      body: JSON.stringify({
        from: mail.from,
        to: [to],
        subject: `${code} is your code`,
        text: `Hello ${name},\n\nyour code is ${code}. It is valid for 15 minutes.\n\nIf you did not ask for it, ignore this mail.\n`,
      }),
    });
    if (!response.ok) throw new Error(`Resend answered ${response.status}: ${await response.text()}`);
    return null;
  },
});
