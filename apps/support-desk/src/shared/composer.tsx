import { useId, useState } from "react";
import { failureText } from "./failures.ts";

/** Enter sends, Shift+Enter breaks the line. What could not be sent stays in the field. */
export function Composer({
  label,
  send,
  disabled = false,
}: {
  label: string;
  send: (content: string) => Promise<unknown>;
  disabled?: boolean;
}) {
  const [text, setText] = useState("");
  const [failure, setFailure] = useState<string | null>(null);
  const [isSending, setSending] = useState(false);
  const id = useId();
  const submit = async () => {
    const content = text.trim();
    if (content === "" || isSending) return;
    setSending(true);
    setFailure(null);
    setText("");
    try {
      await send(content);
    } catch (error) {
      setFailure(failureText(error));
      setText(content);
    } finally {
      setSending(false);
    }
  };
  return (
    <form
      className="composer"
      onSubmit={(event) => {
        event.preventDefault();
        void submit();
      }}
    >
      {failure !== null && (
        <p className="failure" role="alert">
          {failure}
        </p>
      )}
      <label className="hidden" htmlFor={id}>
        {label}
      </label>
      <textarea
        id={id}
        rows={2}
        placeholder={label}
        value={text}
        maxLength={8000}
        disabled={disabled}
        onChange={(event) => setText(event.target.value)}
        onKeyDown={(event) => {
          if (event.key !== "Enter" || event.shiftKey || event.nativeEvent.isComposing) return;
          event.preventDefault();
          void submit();
        }}
      />
      <button type="submit" className="primary" disabled={disabled || text.trim() === ""}>
        Send
      </button>
    </form>
  );
}
