/** A query that takes longer than this is reported. */
export const slowQueryMs = 1_000;

/**
 * Runs something and reports it when it is slow or fails. For actions: within queries and mutations time stands still,
 * so that they give the same result when they run again.
 *
 * @param name what stands in the log
 */
export async function trackQueryPerformance<T>(name: string, fn: () => Promise<T>): Promise<T> {
  const start = Date.now();
  try {
    const result = await fn();
    const duration = Date.now() - start;
    if (duration > slowQueryMs) console.warn(`Slow query: ${name} took ${duration}ms`);
    return result;
  } catch (error) {
    console.error(`Query failed: ${name}`, error);
    throw error;
  }
}
