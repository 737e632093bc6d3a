import { fileURLToPath } from "node:url";
import { checkFolder } from "./folder.ts";

// `node lint/main.ts [folder]`: checks the backend's rules (README.md). `npm run check` of the repository runs it too.

const [folder = fileURLToPath(new URL("../convex", import.meta.url))] = process.argv.slice(2);
const problems = checkFolder(folder);
for (const { file, line, rule, message } of problems)
  process.stdout.write(`convex/${file}:${line}  ${rule}  ${message}\n`);
process.stdout.write(problems.length === 0 ? "No problems.\n" : `${problems.length} problems.\n`);
process.exit(problems.length === 0 ? 0 : 1);
