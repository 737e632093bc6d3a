import type { EngineApi } from "../engine/api.ts";
import type { CodeVersionJson } from "../engine/systemOperations.ts";
import type { HostCode, HostKind } from "../runner/actionHost/messages.ts";

/** Code versions kept on this thread; each may be several megabytes. Every component definition has its own. */
const codesMax = 64;

/** The code that actions run, as the engine has it, fetched once for each version. */
export class ActionCode {
  readonly #engine: EngineApi;
  readonly #known = new Map<string, Readonly<Record<HostKind, HostCode>>>();
  readonly #loading = new Map<string, Promise<void>>();

  constructor(engine: EngineApi) {
    this.#engine = engine;
  }

  /** Null when the component has other code by now. Rejects with LensletError. */
  async get(componentPath: string, codeId: string, kind: HostKind): Promise<HostCode | null> {
    const known = this.#known.get(codeId);
    if (known !== undefined) return known[kind];
    let loading = this.#loading.get(componentPath);
    if (loading === undefined) {
      loading = this.#load(componentPath).finally(() => this.#loading.delete(componentPath));
      this.#loading.set(componentPath, loading);
    }
    await loading;
    return this.#known.get(codeId)?.[kind] ?? null;
  }

  async #load(componentPath: string): Promise<void> {
    const text = await this.#engine.system("code.load", JSON.stringify({ componentPath }));
    const code = JSON.parse(text) as CodeVersionJson;
    this.#known.delete(code.id);
    this.#known.set(code.id, { isolate: forHost(code, "isolate"), node: forHost(code, "node") });
    const [oldest] = this.#known.keys();
    if (this.#known.size > codesMax && oldest !== undefined) this.#known.delete(oldest);
  }
}

function forHost(code: CodeVersionJson, kind: HostKind): HostCode {
  return { ...code, modules: code.modules.filter(({ environment }) => environment === kind) };
}
