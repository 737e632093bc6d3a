import { existsSync, globSync, readFileSync, statSync } from "node:fs";
import path from "node:path";

// docs/compatibility.md says of each feature which test shows it: those tests have to exist. A row that works, wholly or
// partly, names at least one test file, a folder with tests, or "the same" as the row above.
const page = "docs/compatibility.md";
const states = /^(works|partly|not yet)\b/;
const problems: string[] = [];

const { scripts } = JSON.parse(readFileSync("package.json", "utf8")) as { scripts: Record<string, string> };

/** Test files that a text in backticks names; `folder`: where bare file names are looked for. */
function testsOf(name: string, folder: string): string[] {
  for (const base of [".", "packages/lenslet", folder]) {
    const target = path.join(base, name);
    if (existsSync(target) && statSync(target).isDirectory()) return globSync(`${target}/**/*.test.{ts,tsx}`);
    const files = globSync(target);
    if (files.length > 0) return files.filter((file) => /\.test\.tsx?$/.test(file));
  }
  return [];
}

function check(line: number, state: string, shownBy: string): void {
  const where = `${page}:${line}`;
  if (!states.test(state)) problems.push(`${where}: the state is "${state}"`);
  let folder = ".";
  let tests = shownBy.startsWith("the same") ? 1 : 0;
  for (const [, name = ""] of shownBy.matchAll(/`([^`]+)`/g)) {
    const script = /^npm run (\S+)/.exec(name)?.[1];
    const found = script === undefined ? testsOf(name, folder).length : script in scripts ? 1 : 0;
    const isPath = script !== undefined || name.includes("/") || /\.test\.tsx?$/.test(name);
    const isThere = found > 0 || [".", "packages/lenslet"].some((base) => existsSync(path.join(base, name)));
    if (isPath && !isThere) problems.push(`${where}: there is no test at \`${name}\``);
    tests += found;
    if (existsSync(name)) folder = name;
  }
  if (tests === 0 && !state.startsWith("not yet")) problems.push(`${where}: no test is named`);
}

const lines = readFileSync(page, "utf8").split("\n");
let hasTests = false;
let rows = 0;
for (const [i, line] of lines.entries()) {
  const cells = line.split(/(?<!\\)\|/).map((cell) => cell.trim());
  if (cells.length < 3) hasTests = false;
  else if (cells.at(-2) === "shown by") hasTests = true;
  else if (hasTests && !/^-+$/.test(cells[1] ?? "")) {
    rows += 1;
    check(i + 1, cells.at(-3) ?? "", cells.at(-2) ?? "");
  }
}
for (const problem of problems) process.stderr.write(`${problem}\n`);
process.stdout.write(`${rows} rows of ${page} name their tests\n`);
if (problems.length > 0 || rows === 0) process.exit(1);
