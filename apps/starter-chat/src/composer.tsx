import {
  type KeyboardEvent,
  type Ref,
  useEffect,
  useId,
  useImperativeHandle,
  useLayoutEffect,
  useRef,
  useState,
} from "react";
import { allowedFileTypes } from "../convex/model/files.ts";
import { limits } from "../convex/model/limits.ts";
import { preview } from "../convex/model/parts.ts";
import type { Message } from "../convex/model/views.ts";
import { AttachmentDrafts, type FilePart, type useAttachmentDrafts } from "./attachments.tsx";
import { failureText } from "./failures.ts";
import { joinFences } from "./fences.ts";
import { withoutMarks } from "./format.ts";
import { AssistantIcon, AttachIcon, CheckIcon, CloseIcon, SendIcon } from "./icons.tsx";

export interface ComposerControl {
  focus(): void;
}

/** What was typed in each chat and not sent yet. */
const drafts = new Map<string, string>();

/** Where one types. Enter sends, Shift+Enter starts a new line, Arrow up in an empty field edits the last message. */
export function Composer({
  ref,
  draftKey,
  editing,
  replyTo,
  assistant,
  attachments,
  onSend,
  onCancel,
  onEditLast,
  onTyping,
}: {
  ref: Ref<ComposerControl>;
  draftKey: string;
  editing: Message | null;
  replyTo: Message | null;
  /** Whether the assistant answers what is sent; null where it cannot. */
  assistant: { readonly isOn: boolean; readonly onToggle: () => void } | null;
  attachments: ReturnType<typeof useAttachmentDrafts>;
  onSend: (text: string, files: readonly FilePart[]) => Promise<void>;
  onCancel: () => void;
  onEditLast: () => void;
  /** Something is being written; or no longer. */
  onTyping: (isTyping: boolean) => void;
}) {
  const [draft, setDraft] = useState(() => drafts.get(draftKey) ?? "");
  const [edited, setEdited] = useState("");
  const [failure, setFailure] = useState<string | null>(null);
  const fieldRef = useRef<HTMLTextAreaElement>(null);
  const hintId = useId();
  const text = editing === null ? draft : edited;
  const files = attachments.drafts.flatMap(({ part }) => (part === null ? [] : [part]));
  const isUploading = attachments.drafts.some(({ part, failure }) => part === null && failure === null);
  const canSend = !isUploading && (text.trim() !== "" || (editing === null && files.length > 0));

  useImperativeHandle(ref, () => ({ focus: () => fieldRef.current?.focus() }), []);

  useEffect(() => {
    // On a touch screen this would open the keyboard over the chat one wants to read.
    if (window.matchMedia("(hover: hover)").matches) fieldRef.current?.focus();
  }, []);

  useEffect(() => {
    if (editing === null) return;
    setEdited(joinFences(editing.parts.filter((part) => part.type === "text" || part.type === "code")));
    fieldRef.current?.focus();
  }, [editing]);

  useLayoutEffect(() => {
    const field = fieldRef.current;
    if (field === null) return;
    field.style.height = "auto";
    field.style.height = `${field.scrollHeight}px`;
  }, [text]);

  const type = (value: string) => {
    if (editing !== null) setEdited(value);
    else {
      setDraft(value);
      drafts.set(draftKey, value);
      onTyping(value !== "");
    }
  };

  const send = () => {
    if (!canSend) return;
    setFailure(null);
    const wasEditing = editing !== null;
    if (!wasEditing) {
      type("");
      attachments.clear();
    }
    onSend(text, wasEditing ? [] : files).catch((error: unknown) => {
      setFailure(failureText(error));
      // What was not accepted must not be lost; what has been typed since wins.
      if (wasEditing) return;
      setDraft((since) => (since === "" ? text : since));
    });
  };

  const onKeyDown = (event: KeyboardEvent<HTMLTextAreaElement>) => {
    // Enter also ends the choice of a character in Chinese or Japanese input.
    if (event.nativeEvent.isComposing) return;
    if (event.key === "Enter" && !event.shiftKey) {
      event.preventDefault();
      send();
    } else if (event.key === "Escape") {
      event.preventDefault();
      onCancel();
    } else if (event.key === "ArrowUp" && text === "" && editing === null) {
      event.preventDefault();
      onEditLast();
    }
  };

  const context = editing ?? replyTo;
  return (
    <form
      className="composer"
      aria-label="Write a message"
      onSubmit={(event) => {
        event.preventDefault();
        send();
      }}
    >
      {failure !== null && (
        <p className="form-failure" role="alert">
          {failure}
        </p>
      )}
      <div className="composer-box">
        {context !== null && (
          <div className="composer-context">
            <span className="composer-context-text">
              <strong>
                {editing === null
                  ? `Reply to ${context.author?.name ?? "a deleted account"}`
                  : "Edit message"}
              </strong>
              <span>{withoutMarks(preview(context.content))}</span>
            </span>
            <button type="button" className="icon-button small" aria-label="Cancel" onClick={onCancel}>
              <CloseIcon />
            </button>
          </div>
        )}
        <AttachmentDrafts drafts={attachments.drafts} onRemove={(key) => attachments.remove(key)} />
        <div className="composer-row">
          {editing === null && (
            <label className="icon-button attach">
              <AttachIcon />
              <span className="visually-hidden">Attach files</span>
              <input
                type="file"
                multiple
                className="visually-hidden"
                accept={allowedFileTypes.join()}
                onChange={(event) => {
                  attachments.add(event.target.files ?? []);
                  event.target.value = "";
                }}
              />
            </label>
          )}
          {assistant !== null && editing === null && (
            <button
              type="button"
              className="icon-button assistant-toggle"
              aria-pressed={assistant.isOn}
              aria-label="The assistant answers"
              title={assistant.isOn ? "The assistant answers what you write" : "Let the assistant answer"}
              onClick={assistant.onToggle}
            >
              <AssistantIcon />
            </button>
          )}
          <textarea
            ref={fieldRef}
            rows={1}
            aria-label="Message"
            aria-describedby={hintId}
            placeholder="Write a message"
            maxLength={limits.contentLengthMax}
            value={text}
            onChange={(event) => type(event.target.value)}
            onKeyDown={onKeyDown}
            onPaste={(event) => {
              if (event.clipboardData.files.length === 0 || editing !== null) return;
              event.preventDefault();
              attachments.add(event.clipboardData.files);
            }}
          />
          <button
            type="submit"
            className="send"
            aria-label={editing === null ? "Send" : "Save"}
            disabled={!canSend}
          >
            {editing === null ? <SendIcon /> : <CheckIcon />}
          </button>
        </div>
      </div>
      <p className="composer-hint" id={hintId}>
        <kbd>Enter</kbd> sends, <kbd>Shift</kbd> <kbd>Enter</kbd> for a new line, <kbd>?</kbd> outside the
        field for all keys
      </p>
    </form>
  );
}
