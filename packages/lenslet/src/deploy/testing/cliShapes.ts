import type { z } from "zod";

/** For tests: the shapes that the CLI itself checks answers with. `file`: of its folder `deployApi`. */
export async function cliSchemas(file: string): Promise<Readonly<Record<string, z.ZodType>>> {
  const path = `../../../../../node_modules/convex/dist/esm/cli/lib/deployApi/${file}.js`;
  return (await import(new URL(path, import.meta.url).href)) as Readonly<Record<string, z.ZodType>>;
}

/** What the answer is after the CLI has parsed it, and so what it sends back. */
export function throughCli<T>(shape: z.ZodType | undefined, answer: T): T {
  if (shape === undefined) throw new Error("the CLI has no such shape");
  return shape.parse(JSON.parse(JSON.stringify(answer))) as T;
}
