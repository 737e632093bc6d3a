import fs from "node:fs";
import path from "node:path";
import { check, type Problem } from "./rules.ts";
import type { SourceTexts } from "./sources.ts";

/** Checks the functions folder at this place. */
export function checkFolder(folder: string): Problem[] {
  return check(readFolder(folder));
}

/** The functions folder at this place, tests and generated files apart. */
export function readFolder(folder: string): SourceTexts {
  const files = fs
    .globSync("**/*.{ts,tsx}", { cwd: folder })
    .map((file) => file.replaceAll(path.sep, "/"))
    .filter(
      (file) =>
        !file.startsWith("_generated/") && !file.startsWith("test/") && !/\.(test|d)\.tsx?$/.test(file),
    )
    .toSorted((a, b) => a.localeCompare(b));
  return new Map(files.map((file) => [file, fs.readFileSync(path.join(folder, file), "utf8")]));
}
