import { useState } from "react";
import { useAttempt, useToast } from "../toasts.tsx";
import { useAuthState, useAuthStore } from "./authProvider.tsx";
import { forgetMailLink, verification } from "./mailLinks.ts";

/** A line for whoever has not confirmed their address yet, or just has; nothing for everybody else. */
export function VerifyNotice() {
  const store = useAuthStore();
  const { person } = useAuthState();
  const [link, setLink] = useState(verification);
  const [wasSent, setSent] = useState(false);
  const show = useToast();
  const attempt = useAttempt();
  if (person === null) return null;
  if (link === "done")
    return (
      <div className="notice" role="status">
        <span>Thank you, {person.email} is confirmed. Others can share chats with you now.</span>
        <button
          type="button"
          className="link"
          onClick={() => {
            forgetMailLink();
            setLink(null);
          }}
        >
          Close
        </button>
      </div>
    );
  if (person.emailVerified) return null;
  return (
    <div className="notice" role="status">
      <span>
        {link === "failed" ? "That link has been used, or is too old. " : ""}
        Confirm {person.email}, and others can share chats with you: the link is in your mail.
      </span>
      <button
        type="button"
        className="link"
        disabled={wasSent}
        onClick={() =>
          attempt(async () => {
            await store.resendVerification();
            setSent(true);
            show("The mail is on its way.");
          })
        }
      >
        {wasSent ? "Sent" : "Send it again"}
      </button>
    </div>
  );
}
