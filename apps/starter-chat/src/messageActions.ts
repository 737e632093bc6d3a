import { useMutation } from "convex/react";
import { useCallback, useMemo } from "react";
import { api } from "../convex/_generated/api.js";
import type { Message } from "../convex/model/views.ts";
import { joinFences } from "./fences.ts";
import type { MessageActions } from "./messageItem.tsx";
import { useDeleteMessage } from "./messageMutations.ts";
import { useAttempt, useToast } from "./toasts.tsx";

/** What can be done with a message. One object while nothing of it changes: every message gets it. */
export function useMessageActions(
  onEdit: (message: Message) => void,
  onReply: (message: Message) => void,
  onHistory: (message: Message) => void,
): MessageActions {
  const deleteMessage = useDeleteMessage();
  const attempt = useAttempt();
  const toast = useToast();
  const onDelete = useCallback(
    (message: Message) => attempt(() => deleteMessage({ messageId: message._id })),
    [attempt, deleteMessage],
  );
  const onCopy = useCallback(
    (message: Message) => {
      const text = joinFences(message.parts.filter((part) => part.type === "text" || part.type === "code"));
      navigator.clipboard.writeText(text).then(
        () => toast("Copied."),
        () => toast("The browser did not allow copying.", "error"),
      );
    },
    [toast],
  );
  const cancelAnswer = useMutation(api.functions.mutations.assistant.cancelAnswer);
  const regenerateAnswer = useMutation(api.functions.mutations.assistant.regenerateAnswer);
  const onStop = useCallback(
    ({ _id: messageId }: Message) => attempt(() => cancelAnswer({ messageId })),
    [attempt, cancelAnswer],
  );
  const onRegenerate = useCallback(
    ({ _id: messageId }: Message) => attempt(() => regenerateAnswer({ messageId })),
    [attempt, regenerateAnswer],
  );
  return useMemo(
    () => ({ onEdit, onReply, onHistory, onDelete, onCopy, onStop, onRegenerate }),
    [onEdit, onReply, onHistory, onDelete, onCopy, onStop, onRegenerate],
  );
}
