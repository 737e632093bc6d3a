import { useEffect, useState } from "react";
import { CopyButton } from "./copyButton.tsx";
import type { Run } from "./highlighter.ts";

/** Longer code is shown in one colour: colouring it would hold the page up. */
const highlightCharsMax = 50_000;

export function CodeBlock({
  language,
  filename,
  code,
}: {
  language: string;
  filename: string;
  code: string;
}) {
  const runs = useHighlighted(language, code);
  const name = [language, filename].filter((text) => text !== "").join(" · ");
  return (
    <figure className="code-part">
      <figcaption>
        <span>{name === "" ? "code" : name}</span>
        <CopyButton label="Copy code" text={code} />
      </figcaption>
      {/* Long lines scroll sideways, also by keyboard. */}
      <pre tabIndex={0} role="region" aria-label={name === "" ? "Code" : `Code, ${name}`}>
        <code>
          {runs === null
            ? code
            : runs.map(({ kind, text }, index) =>
                kind === null ? (
                  text
                ) : (
                  <span key={index} className={`hl-${kind}`}>
                    {text}
                  </span>
                ),
              )}
        </code>
      </pre>
    </figure>
  );
}

type Highlight = (language: string, code: string) => Run[] | null;
let loaded: Highlight | null = null;

/** The code in colours, once the colours are here; null until then, and where there are none. */
function useHighlighted(language: string, code: string): Run[] | null {
  const [highlight, setHighlight] = useState<Highlight | null>(() => loaded);
  const isWanted = language !== "" && code.length <= highlightCharsMax;
  useEffect(() => {
    if (!isWanted || highlight !== null) return;
    let isGone = false;
    import("./highlighter.ts").then(
      (module) => {
        loaded = module.highlight;
        if (!isGone) setHighlight(() => module.highlight);
      },
      // Without a connection the code stays in one colour.
      () => {},
    );
    return () => {
      isGone = true;
    };
  }, [isWanted, highlight]);
  return isWanted && highlight !== null ? highlight(language, code) : null;
}
