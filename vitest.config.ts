import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: [
      "packages/*/src/**/*.test.ts",
      "packages/*/{crash,fuzz,sim}/**/*.test.ts",
      "conformance/**/*.test.{ts,tsx}",
      "apps/*/tests/**/*.test.ts",
    ],
    pool: "forks",
    execArgv: ["--experimental-vm-modules", "--disable-warning=ExperimentalWarning"],
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
});
