import { useState } from "react";
import { CheckIcon, CopyIcon } from "./icons.tsx";

const copiedMs = 1500;

/** Copies a text, and shows for a moment that it has. */
export function CopyButton({
  label,
  title,
  text,
  onRefused = () => {},
}: {
  label: string;
  title?: string;
  text: string;
  /** The browser does not allow it. */
  onRefused?: () => void;
}) {
  const [isCopied, setCopied] = useState(false);
  const copy = async () => {
    await navigator.clipboard.writeText(text);
    setCopied(true);
    setTimeout(() => setCopied(false), copiedMs);
  };
  return (
    <button
      type="button"
      className="icon-button small"
      aria-label={isCopied ? "Copied" : label}
      title={title}
      onClick={() => void copy().catch(onRefused)}
    >
      {isCopied ? <CheckIcon /> : <CopyIcon />}
    </button>
  );
}
