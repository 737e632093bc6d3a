/** What Vite adds to modules, as far as the tests use it. Vite's own types bring those of browsers along. */
interface ImportMeta {
  glob(patterns: readonly string[]): Record<string, () => Promise<unknown>>;
}

/** The engine that the tests run on takes it from the types of browsers or of esbuild, whichever are there. */
declare namespace WebAssembly {
  interface Module {
    readonly [unused: string]: never;
  }
}
