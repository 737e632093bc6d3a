import { defineConfig } from "vitest/config";

/** Tests that start servers, browsers or processes that run wild. One file at a time: they share the machine. */
const servers = [
  "packages/lenslet/src/{main,log/postgres}/**/*.test.ts",
  "packages/lenslet/{crash,fuzz}/**/*.test.ts",
  "conformance/*/*.test.{ts,tsx}",
  "apps/*/{tests,cli/__tests__}/**/*.test.{ts,tsx}",
];

export default defineConfig({
  test: {
    pool: "forks",
    execArgv: ["--experimental-vm-modules", "--disable-warning=ExperimentalWarning"],
    testTimeout: 60_000,
    hookTimeout: 120_000,
    // Of one wait. Vitest's own second is over, now and then, on a machine that does something else meanwhile.
    expect: { poll: { timeout: 30_000 } },
    projects: [
      // Functions of an app, in process; `npm test` measures what they cover (scripts/test.ts).
      "apps/starter-chat/vitest.config.ts",
      {
        extends: true,
        test: {
          name: "rooms",
          include: ["packages/lenslet/{src,sim}/**/*.test.ts", "packages/stand-ins/src/**/*.test.ts"],
          exclude: servers,
          sequence: { groupOrder: 0 },
        },
      },
      {
        extends: true,
        test: {
          name: "testing",
          environment: "edge-runtime",
          include: ["packages/testing/**/*.test.ts"],
          sequence: { groupOrder: 0 },
        },
      },
      {
        extends: true,
        // Apps' functions in process, on the engine of packages/testing.
        test: {
          name: "apps",
          include: ["apps/*/packages/*/{convex,lint}/**/*.test.ts"],
          // Component packages ship their test helpers as TypeScript.
          server: { deps: { inline: [/@convex-dev/] } },
          sequence: { groupOrder: 0 },
        },
      },
      {
        extends: true,
        test: { name: "servers", include: servers, maxWorkers: 1, sequence: { groupOrder: 1 } },
      },
    ],
  },
});
