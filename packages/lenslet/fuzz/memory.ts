import fs from "node:fs";

/** Resident set of a process; 0 where the system does not tell, which skips nothing but the bound. */
export function residentMib({ pid }: { readonly pid: number }): number {
  try {
    const status = fs.readFileSync(`/proc/${pid}/status`, "utf8");
    return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1024;
  } catch {
    return 0;
  }
}
