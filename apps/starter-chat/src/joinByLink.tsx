import { useMutation } from "convex/react";
import { useEffect, useState } from "react";
import { api } from "../convex/_generated/api.js";
import { failureText } from "./failures.ts";
import { PaneLoading } from "./loading.tsx";
import { openChat } from "./route.ts";

/** Takes the chat of a link into one's own list, and opens it. */
export function JoinByLink({ token }: { token: string }) {
  const joinByToken = useMutation(api.functions.mutations.shares.joinByToken);
  const [failure, setFailure] = useState<string | null>(null);
  useEffect(() => {
    joinByToken({ token }).then(openChat, (error: unknown) => setFailure(failureText(error)));
  }, [joinByToken, token]);
  if (failure === null) return <PaneLoading label="Opening the chat of the link" />;
  return (
    <div className="empty">
      <h1>This link does not work</h1>
      <p className="muted" role="alert">
        {failure}
      </p>
      <button type="button" onClick={() => openChat(null)}>
        To your chats
      </button>
    </div>
  );
}
