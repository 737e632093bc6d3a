/** How many a query returns: what was asked for, within 1 and the limit; nonsense is the limit. */
export function clampCount(asked: number, countMax: number): number {
  return Number.isFinite(asked) ? Math.min(countMax, Math.max(1, Math.floor(asked))) : countMax;
}
