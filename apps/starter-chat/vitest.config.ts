import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

/** The functions, each in a deployment of its own that lives in the test's process. `npm test` measures what they cover. */
export default defineConfig({
  resolve: {
    alias: {
      "@lenslet/testing": fileURLToPath(new URL("../../packages/testing/src/index.ts", import.meta.url)),
    },
  },
  test: {
    name: "starter-chat",
    root: fileURLToPath(new URL(".", import.meta.url)),
    include: ["convex/**/*.test.ts"],
    environment: "edge-runtime",
    testTimeout: 60_000,
    expect: { poll: { timeout: 30_000 } },
    // What they print matters when they fail.
    silent: "passed-only",
    server: { deps: { inline: [/@convex-dev\//, /better-auth/] } },
    coverage: {
      provider: "v8",
      include: ["convex/functions/**/*.ts", "convex/model/**/*.ts"],
      exclude: ["**/*.test.ts"],
      reporter: ["text", "json-summary"],
      reportsDirectory: fileURLToPath(new URL("../../.artifacts/starter-chat-coverage", import.meta.url)),
      thresholds: {
        // Document 000: backend functions 80 %, critical business logic 90 %.
        statements: 80,
        branches: 80,
        functions: 80,
        lines: 80,
        "convex/model/{access,identity,accounts,shares,cascade,validation,parts,files}.ts": {
          statements: 90,
          branches: 90,
          functions: 90,
          lines: 90,
        },
      },
    },
  },
});
