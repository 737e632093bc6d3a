import fs from "node:fs";
import path from "node:path";
import { LensletError } from "../base/errors.ts";

/**
 * One process per data folder. The lock is a file that names its owner; a file whose owner is gone (kill -9, power
 * loss) is taken over. SQLite's exclusive lock on the store guards the same thing once more.
 */
export function lockDataFolder(folder: string): () => void {
  const file = path.join(folder, "lock");
  for (let attempt = 0; attempt < 2; attempt++) {
    try {
      fs.writeFileSync(file, `${process.pid}\n`, { flag: "wx" });
      return () => fs.rmSync(file, { force: true });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
      const owner = Number(fs.readFileSync(file, "utf8"));
      if (isAlive(owner)) {
        throw new LensletError(
          "Conflict",
          "DataFolderLocked",
          `${folder} is in use by another Lenslet process (pid ${owner}). Stop that one, or choose another folder with --data.`,
        );
      }
      fs.rmSync(file, { force: true });
    }
  }
  throw new LensletError("Conflict", "DataFolderLocked", `${folder} is being opened by another process.`);
}

function isAlive(pid: number): boolean {
  if (!Number.isInteger(pid) || pid <= 0 || pid === process.pid) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}
