import fs from "node:fs";
import path from "node:path";
import { Children } from "../harness/children.ts";
import type { Cores } from "../harness/machine.ts";
import type { Options } from "../harness/options.ts";
import { Lenslet } from "./lenslet.ts";
import { Postgres } from "./postgres.ts";

/** What the workloads of one run share. */
export interface Bench {
  readonly options: Options;
  readonly cores: Cores;
  readonly children: Children;
  /** Says what is being done, on stderr. */
  readonly say: (text: string) => void;
  /** A new folder inside the temporary one. */
  folder(name: string): string;
  postgres(): Promise<Postgres>;
  /** A fresh server with the bench's convex/ folder pushed. */
  lenslet(): Promise<Lenslet>;
}

export function createBench(
  options: Options,
  cores: Cores,
  scratchFolder: string,
  children: Children,
  say: (text: string) => void,
): Bench {
  let postgres: Promise<Postgres> | null = null;
  const bench: Bench = {
    options,
    cores,
    children,
    say,
    folder(name) {
      return fs.mkdtempSync(path.join(scratchFolder, `${name}-`));
    },
    postgres: () => (postgres ??= Postgres.start(bench)),
    lenslet: () => Lenslet.start(bench),
  };
  return bench;
}
