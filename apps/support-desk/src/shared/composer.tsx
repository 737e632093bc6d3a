import { useId, useState } from "react";
import { failureText } from "./failures.ts";
import { acceptedFiles, sizeText, type Uploaded, useUpload } from "./uploads.ts";

/** Enter sends, Shift+Enter breaks the line. What could not be sent stays in the field, with its file. */
export function Composer({
  label,
  token,
  send,
  disabled = false,
}: {
  label: string;
  token: string;
  send: (message: { content: string; attachment?: Uploaded }) => Promise<unknown>;
  disabled?: boolean;
}) {
  const [text, setText] = useState("");
  const [file, setFile] = useState<File | null>(null);
  const upload = useUpload(token);
  const [failure, setFailure] = useState<string | null>(null);
  const [isSending, setSending] = useState(false);
  const id = useId();
  const submit = async () => {
    const content = text.trim();
    if ((content === "" && file === null) || isSending) return;
    setSending(true);
    setFailure(null);
    setText("");
    setFile(null);
    try {
      await send({ content, ...(file === null ? {} : { attachment: await upload(file) }) });
    } catch (error) {
      setFailure(failureText(error));
      setText(content);
      setFile(file);
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
      {file !== null && (
        <p className="draft-file">
          <span>
            {file.name} <small>{sizeText(file.size)}</small>
          </span>
          <button type="button" aria-label={`Leave out ${file.name}`} onClick={() => setFile(null)}>
            ✕
          </button>
        </p>
      )}
      {isSending && (
        <p className="hidden" role="status">
          Sending…
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
        onPaste={(event) => {
          const [pasted] = event.clipboardData.files;
          if (pasted === undefined) return;
          event.preventDefault();
          setFile(pasted);
        }}
        onKeyDown={(event) => {
          if (event.key !== "Enter" || event.shiftKey || event.nativeEvent.isComposing) return;
          event.preventDefault();
          void submit();
        }}
      />
      <div className="composer-buttons">
        <label className="attach" title="Attach a picture, PDF or text file">
          <svg viewBox="0 0 20 20" width="18" height="18" aria-hidden="true">
            <path
              d="M13.5 6.5 7.8 12.2a1.6 1.6 0 0 0 2.3 2.3l6-6a3.4 3.4 0 0 0-4.8-4.8l-6.2 6.2a5 5 0 0 0 7.1 7.1l5.3-5.3"
              fill="none"
              stroke="currentColor"
              strokeWidth="1.6"
              strokeLinecap="round"
            />
          </svg>
          <span className="hidden">Attach a file</span>
          <input
            type="file"
            className="hidden"
            accept={acceptedFiles}
            disabled={disabled}
            onChange={(event) => {
              setFile(event.target.files?.[0] ?? null);
              event.target.value = "";
            }}
          />
        </label>
        <button
          type="submit"
          className="primary"
          disabled={disabled || isSending || (text.trim() === "" && file === null)}
        >
          Send
        </button>
      </div>
    </form>
  );
}
