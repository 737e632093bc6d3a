import { useQuery } from "convex/react";
import { api } from "../convex/_generated/api.js";
import type { Message } from "../convex/model/views.ts";
import { Dialog } from "./dialog.tsx";
import { Loading } from "./loading.tsx";

/** What a message said before. */
export function HistoryDialog({ message, onClose }: { message: Message; onClose: () => void }) {
  const edits = useQuery(api.functions.queries.messages.getMessageHistory, { messageId: message._id });
  return (
    <Dialog title="Earlier versions" onClose={onClose}>
      {edits === undefined ? (
        <Loading />
      ) : (
        <ol className="history">
          {edits.toReversed().map((edit) => (
            <li key={edit.timestamp}>
              <p className="muted">until {new Date(edit.timestamp).toLocaleString()}</p>
              <p className="history-text">{edit.previousContent}</p>
            </li>
          ))}
        </ol>
      )}
    </Dialog>
  );
}
