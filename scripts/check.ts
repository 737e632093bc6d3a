import { runSteps } from "./steps.ts";

// Everything that must hold before a commit lands, in the order of what fails fastest.
await runSteps([
  { name: "format", command: ["prettier", "--check", "--log-level", "warn", "."] },
  { name: "types", command: ["node", "scripts/types.ts"] },
  { name: "lint", command: ["oxlint", "--type-aware", "--deny-warnings"] },
  { name: "room order", command: ["node", "scripts/room-order.ts"] },
  { name: "compatibility page", command: ["node", "scripts/compatibility.ts"] },
  { name: "backend rules", command: ["node", "apps/turbokit/packages/backend/lint/main.ts"] },
  { name: "dead code", command: ["knip", "--no-progress"] },
  { name: "tests", command: ["node", "--disable-warning=ExperimentalWarning", "scripts/test.ts"] },
]);
