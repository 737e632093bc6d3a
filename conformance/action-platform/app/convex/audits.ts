import { actionGeneric, log, mutationGeneric, queryGeneric } from "convex/server";

export const write = mutationGeneric({
  handler: async (_ctx, { what, fail }: { what: string; fail?: boolean }) => {
    await log.audit({
      what,
      list: [1, { deep: true }],
      request: log.vars.requestId,
      ip: log.vars.ip,
      agent: log.vars.userAgent,
      at: log.vars.now,
      actor: log.vars.convexActor,
    });
    if (fail === true) throw new Error("after all");
  },
});
export const read = queryGeneric({
  handler: async (_ctx, { what }: { what: string }) => {
    await log.audit({ what });
    return what;
  },
});
export const many = mutationGeneric({
  handler: async (_ctx, { lines, bytes }: { lines: number; bytes: number }) => {
    for (let i = 0; i < lines; i++) await log.audit({ text: "x".repeat(bytes) });
  },
});
export const fromAction = actionGeneric({
  handler: async () => {
    await log.audit({ what: "never" });
  },
});
