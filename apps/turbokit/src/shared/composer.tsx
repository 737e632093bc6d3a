import { useState } from "react";
import { Icon } from "../shell/icons.tsx";
import { Failure, useAttempt } from "./feedback.tsx";

/** Enter sends, Shift+Enter breaks the line. What could not be sent stays in the field. */
export function Composer({
  label,
  send,
  initial = "",
}: {
  label: string;
  initial?: string;
  send: (text: string) => Promise<unknown>;
}) {
  const [text, setText] = useState(initial);
  const { run, failure, isBusy } = useAttempt();
  const submit = async () => {
    const content = text.trim();
    if (content === "" || isBusy) return;
    setText("");
    if (!(await run(() => send(content)))) setText(content);
  };
  return (
    <form
      className="composer"
      onSubmit={(event) => {
        event.preventDefault();
        void submit();
      }}
    >
      <Failure text={failure} />
      <div>
        <textarea
          aria-label={label}
          rows={1}
          placeholder={label}
          value={text}
          maxLength={4000}
          onChange={(event) => setText(event.target.value)}
          onKeyDown={(event) => {
            if (event.key !== "Enter" || event.shiftKey || event.nativeEvent.isComposing) return;
            event.preventDefault();
            void submit();
          }}
        />
        <button
          type="submit"
          className="primary square"
          aria-label="Send"
          disabled={isBusy || text.trim() === ""}
        >
          <Icon name="send" />
        </button>
      </div>
    </form>
  );
}
