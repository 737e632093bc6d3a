import fs from "node:fs";

/**
 * Sets variables in a dotenv file: lines of the same name are replaced where they stand, the rest is left as it is.
 * Returns the names whose value changed.
 */
export function setEnvVariables(file: string, variables: Readonly<Record<string, string>>): string[] {
  const before = fs.existsSync(file) ? fs.readFileSync(file, "utf8") : "";
  const lines = before === "" ? [] : before.replace(/\n$/, "").split("\n");
  const changed: string[] = [];
  for (const [name, value] of Object.entries(variables)) {
    const line = `${name}=${quote(value)}`;
    const at = lines.findIndex((existing) => existing.trimStart().startsWith(`${name}=`));
    if (at >= 0 && lines[at] === line) continue;
    changed.push(name);
    if (at >= 0) lines[at] = line;
    else lines.push(line);
  }
  if (changed.length > 0) fs.writeFileSync(file, `${lines.join("\n")}\n`);
  return changed;
}

/** The value of a variable in a dotenv file, or null. */
export function getEnvVariable(file: string, name: string): string | null {
  if (!fs.existsSync(file)) return null;
  for (const line of fs.readFileSync(file, "utf8").split("\n")) {
    const match = /^\s*([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*?)\s*$/.exec(line);
    if (match?.[1] !== name) continue;
    const value = match[2] ?? "";
    return /^(['"])(.*?)\1/.exec(value)?.[2] ?? value.replace(/\s+#.*$/, "");
  }
  return null;
}

/** An admin key holds a `|`, which shells that source the file would take for a pipe. */
function quote(value: string): string {
  return /^[A-Za-z0-9_./:@-]*$/.test(value) ? value : `'${value}'`;
}
