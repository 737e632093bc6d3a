import { type ReactNode, useEffect, useId, useRef } from "react";
import { Icon } from "../shell/icons.tsx";

/** A modal dialog: the browser keeps the focus in it, closes it on Escape and gives the focus back. */
export function Dialog({
  title,
  close,
  isWide = false,
  children,
}: {
  title: string;
  close: () => void;
  isWide?: boolean;
  children: ReactNode;
}) {
  const dialog = useRef<HTMLDialogElement>(null);
  const titleId = useId();
  useEffect(() => {
    const element = dialog.current;
    element?.showModal();
    // Where somebody wants to begin; the browser would take the button that closes it.
    element?.querySelector<HTMLElement>("input:not([type=radio]), textarea, h2")?.focus();
    return () => element?.close();
  }, []);
  return (
    <dialog
      ref={dialog}
      className={isWide ? "dialog wide" : "dialog"}
      aria-labelledby={titleId}
      onCancel={(event) => {
        event.preventDefault();
        close();
      }}
      onClick={(event) => {
        // On the backdrop, not in the dialog.
        if (event.target === dialog.current) close();
      }}
    >
      <div className="dialog-body">
        <header>
          <h2 id={titleId} tabIndex={-1}>
            {title}
          </h2>
          <button type="button" className="quiet square" aria-label="Close" onClick={close}>
            <Icon name="close" />
          </button>
        </header>
        {children}
      </div>
    </dialog>
  );
}
