import { type FormEvent, type ReactNode, useEffect, useId, useRef, useState } from "react";
import { CloseIcon } from "./icons.tsx";
import { failureText } from "./failures.ts";

/** A modal dialog: the browser keeps the focus inside, Escape and a click beside it close it. */
export function Dialog({
  title,
  onClose,
  size = "normal",
  children,
}: {
  title: string;
  onClose: () => void;
  size?: "normal" | "wide";
  children: ReactNode;
}) {
  const ref = useRef<HTMLDialogElement>(null);
  const titleId = useId();
  useEffect(() => {
    const dialog = ref.current;
    if (dialog !== null && !dialog.open) dialog.showModal();
    return () => dialog?.close();
  }, []);
  return (
    <dialog
      ref={ref}
      className={`dialog ${size}`}
      aria-labelledby={titleId}
      onCancel={(event) => {
        event.preventDefault();
        onClose();
      }}
      onMouseDown={(event) => {
        if (event.target === ref.current) onClose();
      }}
    >
      <div className="dialog-body">
        <header className="dialog-head">
          <h2 id={titleId}>{title}</h2>
          <button type="button" className="icon-button" aria-label="Close" onClick={onClose}>
            <CloseIcon />
          </button>
        </header>
        {children}
      </div>
    </dialog>
  );
}

/** Asks for one line of text. Stays open and says why if what was entered is refused. */
export function PromptDialog({
  title,
  label,
  initial,
  maxLength,
  action,
  onSubmit,
  onClose,
}: {
  title: string;
  label: string;
  initial: string;
  maxLength: number;
  action: string;
  onSubmit: (text: string) => Promise<unknown>;
  onClose: () => void;
}) {
  const [text, setText] = useState(initial);
  const { run, failure, isBusy } = useSubmit(onClose);
  const inputId = useId();
  return (
    <Dialog title={title} onClose={onClose}>
      <form onSubmit={(event) => run(event, () => onSubmit(text))}>
        <label htmlFor={inputId}>{label}</label>
        <input
          id={inputId}
          value={text}
          maxLength={maxLength}
          autoFocus
          onFocus={(event) => event.target.select()}
          onChange={(event) => setText(event.target.value)}
        />
        <FormFailure text={failure} />
        <div className="dialog-actions">
          <button type="button" onClick={onClose}>
            Cancel
          </button>
          <button type="submit" className="primary" disabled={isBusy || text.trim() === ""}>
            {action}
          </button>
        </div>
      </form>
    </Dialog>
  );
}

/** Asks before something that cannot be undone. */
export function ConfirmDialog({
  title,
  children,
  action,
  onConfirm,
  onClose,
}: {
  title: string;
  children: ReactNode;
  action: string;
  onConfirm: () => Promise<unknown>;
  onClose: () => void;
}) {
  const { run, failure, isBusy } = useSubmit(onClose);
  return (
    <Dialog title={title} onClose={onClose}>
      <form onSubmit={(event) => run(event, onConfirm)}>
        <div className="dialog-text">{children}</div>
        <FormFailure text={failure} />
        <div className="dialog-actions">
          <button type="button" onClick={onClose} autoFocus>
            Cancel
          </button>
          <button type="submit" className="danger" disabled={isBusy}>
            {action}
          </button>
        </div>
      </form>
    </Dialog>
  );
}

export function FormFailure({ text }: { text: string | null }) {
  return (
    <p className="form-failure" role="alert">
      {text}
    </p>
  );
}

/** The state of a form that is sent once at a time; `onDone` runs when it worked. */
export function useSubmit(onDone: () => void = () => {}) {
  const [failure, setFailure] = useState<string | null>(null);
  const [isBusy, setBusy] = useState(false);
  const run = (event: FormEvent, work: () => Promise<unknown>) => {
    event.preventDefault();
    if (isBusy) return;
    setBusy(true);
    setFailure(null);
    // A check that throws before there is a promise is a failure like any other.
    Promise.resolve()
      .then(work)
      .then(
        () => {
          setBusy(false);
          onDone();
        },
        (error: unknown) => {
          setBusy(false);
          setFailure(failureText(error));
        },
      );
  };
  return { run, failure, isBusy };
}
