import { readFileSync } from "node:fs";
import nodeModule from "node:module";
import { fileURLToPath } from "node:url";
import { transformSync } from "esbuild";

/** Lets Node load .tsx files. It strips types by itself, but JSX it does not know. Bun does, and has no hooks. */
export function registerTsx(): void {
  if (process.versions["bun"] !== undefined) return;
  nodeModule.registerHooks({
    load(url, context, nextLoad) {
      if (!url.startsWith("file:") || !url.endsWith(".tsx")) return nextLoad(url, context);
      const sourcefile = fileURLToPath(url);
      const { code } = transformSync(readFileSync(sourcefile, "utf8"), {
        loader: "tsx",
        jsx: "automatic",
        format: "esm",
        target: "node24",
        sourcemap: "inline",
        sourcefile,
      });
      return { format: "module", source: code, shortCircuit: true };
    },
  });
}
