import { common, createLowlight } from "lowlight";

// A chunk of its own: pages without code do not load it.

const lowlight = createLowlight(common);

/** A run of code in one colour; a run in the text's colour has no kind. */
export interface Run {
  readonly kind: string | null;
  readonly text: string;
}

/** The code in coloured runs, or null for a language that is not known. */
export function highlight(language: string, code: string): Run[] | null {
  if (!lowlight.registered(language.toLowerCase())) return null;
  const runs: Run[] = [];
  collect(lowlight.highlight(language.toLowerCase(), code).children, null, runs);
  return runs;
}

type Nodes = ReturnType<typeof lowlight.highlight>["children"];

function collect(nodes: Nodes, kind: string | null, runs: Run[]): void {
  for (const node of nodes) {
    if (node.type === "text") runs.push({ kind, text: node.value });
    else if (node.type === "element") {
      const names = node.properties["className"];
      const own = Array.isArray(names) ? String(names[0] ?? "").replace("hljs-", "") : null;
      collect(node.children as Nodes, own ?? kind, runs);
    }
  }
}
