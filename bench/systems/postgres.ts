import fs from "node:fs";
import path from "node:path";
import type { Child } from "../harness/children.ts";
import { freePort } from "../harness/machine.ts";
import type { Bench } from "./context.ts";

/** One PostgreSQL cluster for all peers of a run, on the core of the systems under test. */
export class Postgres {
  /** Version and durability settings, as the server reports them. */
  readonly facts: string;
  readonly #child: Child;

  private constructor(child: Child, facts: string) {
    this.#child = child;
    this.facts = facts;
  }

  static async start(bench: Bench): Promise<Postgres> {
    bench.say("starting PostgreSQL");
    const parent = bench.folder("postgres");
    fs.chmodSync(parent, 0o755);
    const child = bench.children.spawnModule(
      "PostgreSQL",
      new URL("../peers/postgres.ts", import.meta.url),
      bench.cores.server,
      { folder: path.join(parent, "data"), port: await freePort() },
    );
    await child.call("start");
    return new Postgres(child, await child.call("facts"));
  }

  get pids(): readonly number[] {
    return this.#child.pids;
  }

  /** Returns its connection string. */
  createDatabase(name: string): Promise<string> {
    return this.#child.call("createDatabase", name);
  }
}
