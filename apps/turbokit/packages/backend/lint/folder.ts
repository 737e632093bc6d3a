import fs from "node:fs";
import path from "node:path";
import { check, type Problem } from "./rules.ts";

/** Checks the functions folder at this place, tests and generated files apart. */
export function checkFolder(folder: string): Problem[] {
  const files = fs
    .globSync("**/*.{ts,tsx}", { cwd: folder })
    .map((file) => file.replaceAll(path.sep, "/"))
    .filter(
      (file) =>
        !file.startsWith("_generated/") && !file.startsWith("test/") && !/\.(test|d)\.tsx?$/.test(file),
    )
    .toSorted((a, b) => a.localeCompare(b));
  return check(new Map(files.map((file) => [file, fs.readFileSync(path.join(folder, file), "utf8")])));
}
