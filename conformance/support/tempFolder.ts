import fs from "node:fs";
import os from "node:os";
import path from "node:path";

const folders: string[] = [];
process.on("exit", () => {
  if (process.env["LENSLET_KEEP_TEMP"] !== undefined) return;
  for (const folder of folders) fs.rmSync(folder, { recursive: true, force: true });
});

/** A new empty folder, removed when this process ends (kept when LENSLET_KEEP_TEMP is set, to look at a failure). */
export function tempFolder(name: string): string {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), `lenslet-${name}-`));
  folders.push(folder);
  return folder;
}
