export type TextOrCode =
  { type: "text"; text: string } | { type: "code"; language: string; code: string; filename?: string };

/**
 * Splits what was typed into text and code parts at ``` fences. The word after the fence is the language, the rest
 * of that line a file name. A fence that is not closed runs to the end, as people forget to close them.
 */
export function splitFences(typed: string): TextOrCode[] {
  const parts: TextOrCode[] = [];
  let text: string[] = [];
  let code: { readonly info: string; readonly fence: string; readonly lines: string[] } | null = null;
  const endText = () => {
    const joined = trimBlankLines(text.join("\n"));
    if (joined !== "") parts.push({ type: "text", text: joined });
    text = [];
  };
  const endCode = () => {
    if (code === null) return;
    const [language = "", ...rest] = code.info.split(/\s+/);
    const filename = rest.join(" ");
    parts.push({
      type: "code",
      language,
      code: code.lines.join("\n"),
      ...(filename === "" ? {} : { filename }),
    });
    code = null;
  };
  for (const line of typed.replace(/\r\n?/g, "\n").split("\n")) {
    const fence = /^\s{0,3}(`{3,})([^`]*)$/.exec(line);
    if (code !== null) {
      const closes =
        fence !== null && (fence[1] ?? "").length >= code.fence.length && fence[2]?.trim() === "";
      if (closes) endCode();
      else code.lines.push(line);
    } else if (fence !== null) {
      endText();
      code = { info: (fence[2] ?? "").trim(), fence: fence[1] ?? "", lines: [] };
    } else text.push(line);
  }
  endCode();
  endText();
  return parts;
}

/** The way back: what to type so that splitFences gives these parts. */
export function joinFences(parts: readonly TextOrCode[]): string {
  return parts
    .map((part) => {
      if (part.type === "text") return part.text;
      const fence = "`".repeat(Math.max(3, longestRun(part.code) + 1));
      const info = [part.language, part.filename ?? ""].join(" ").trim();
      return `${fence}${info}\n${part.code}\n${fence}`;
    })
    .join("\n");
}

function longestRun(code: string): number {
  return Math.max(0, ...[...code.matchAll(/^\s{0,3}(`{3,})/gm)].map((match) => (match[1] ?? "").length));
}

function trimBlankLines(text: string): string {
  return text.replace(/^(\s*\n)+/, "").trimEnd();
}
