import { v } from "convex/values";
import { internal } from "../../_generated/api.js";
import { internalAction } from "../../_generated/server.js";
import type { Mail } from "../../model/mail.ts";

const attemptsMax = 4;
const retryMs = 5_000;

/**
 * Sends a mail through Resend's API, with `RESEND_API_KEY` and `MAIL_FROM` of the deployment. What fails for a while is
 * tried again, ever later. Without a key the mail is printed in the log, which is where a developer looks.
 */
export const deliver = internalAction({
  args: { to: v.string(), subject: v.string(), text: v.string(), attempt: v.number() },
  returns: v.null(),
  handler: async (ctx, { attempt, ...mail }) => {
    const key = process.env.RESEND_API_KEY ?? "";
    if (key === "") {
      console.info(
        `Mail to ${mail.to} (RESEND_API_KEY is not set)\nSubject: ${mail.subject}\n\n${mail.text}`,
      );
      return null;
    }
    const failure = await post(key, mail);
    if (failure === null) return null;
    if (!failure.isPassing || attempt >= attemptsMax) {
      console.error(`A mail to ${mail.to} could not be sent: ${failure.text}`);
      return null;
    }
    const again = { ...mail, attempt: attempt + 1 };
    await ctx.scheduler.runAfter(
      retryMs * 4 ** (attempt - 1),
      internal.functions.actions.mail.deliver,
      again,
    );
    return null;
  },
});

/** Null: it is out. A passing failure is one that may be gone when it is tried again. */
async function post(key: string, mail: Mail): Promise<{ isPassing: boolean; text: string } | null> {
  const from = process.env.MAIL_FROM ?? "";
  try {
    const response = await fetch("https://api.resend.com/emails", {
      method: "POST",
      headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
      body: JSON.stringify({ from: from === "" ? "Starter chat <onboarding@resend.dev>" : from, ...mail }),
    });
    if (response.ok) return null;
    const text = `${response.status} ${(await response.text()).slice(0, 300)}`;
    return { isPassing: response.status === 429 || response.status >= 500, text };
  } catch (error) {
    return { isPassing: true, text: String(error) };
  }
}
