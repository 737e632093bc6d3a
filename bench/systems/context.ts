import fs from "node:fs";
import path from "node:path";
import { Children } from "../harness/children.ts";
import type { Cores } from "../harness/machine.ts";
import type { Options } from "../harness/options.ts";
import type { Section } from "../workloads/report.ts";
import { Lenslet, profileSwitch } from "./lenslet.ts";
import { Postgres } from "./postgres.ts";

const profileWriteMs = 3000;

/** What the workloads of one run share. */
export interface Bench {
  readonly options: Options;
  readonly cores: Cores;
  readonly children: Children;
  /** Says what is being done, on stderr. */
  readonly say: (text: string) => void;
  /** Prints the table of a section as soon as it is measured. */
  readonly publish: (section: Section) => void;
  /** A new folder inside the temporary one. */
  folder(name: string): string;
  postgres(): Promise<Postgres>;
  /** A fresh server with the bench's convex/ folder pushed. */
  lenslet(): Promise<Lenslet>;
  /** Runs `measure`, and profiles our server meanwhile if that is wanted. */
  profiling<Result>(measure: () => Promise<Result>): Promise<Result>;
}

export function createBench(
  options: Options,
  cores: Cores,
  scratchFolder: string,
  children: Children,
  say: (text: string) => void,
  publish: (section: Section) => void,
): Bench {
  let postgres: Promise<Postgres> | null = null;
  const bench: Bench = {
    options,
    cores,
    children,
    say,
    publish,
    folder(name) {
      return fs.mkdtempSync(path.join(scratchFolder, `${name}-`));
    },
    postgres: () => (postgres ??= Postgres.start(bench)),
    lenslet: () => Lenslet.start(bench),
    async profiling(measure) {
      if (options.profileFolder === null) return measure();
      const file = profileSwitch(options.profileFolder);
      fs.writeFileSync(file, "");
      const result = await measure();
      fs.rmSync(file);
      // Its threads look for the file a few times per second, and then write what they have.
      await new Promise((resolve) => setTimeout(resolve, profileWriteMs));
      return result;
    },
  };
  return bench;
}
