/** A small seeded generator (xorshift32), so that every system gets the same pairs in the same order. */
export function seededRandom(seed: number): () => number {
  let state = seed | 0 || 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}

/**
 * Pairs of different account numbers below `accounts`, as [from, to, from, to, ...]. Number n is drawn with a weight
 * of 1/(n+1)^alpha: uniform at alpha 0; at alpha 1.5 the first account is in most transfers.
 */
export function accountPairs(accounts: number, alpha: number, pairs: number, seed: number): Uint32Array {
  const random = seededRandom(seed);
  const draw = alpha === 0 ? () => Math.floor(random() * accounts) : zipfDraw(accounts, alpha, random);
  const result = new Uint32Array(pairs * 2);
  for (let at = 0; at < result.length; at += 2) {
    const from = draw();
    let to = draw();
    while (to === from) to = draw();
    result[at] = from;
    result[at + 1] = to;
  }
  return result;
}

function zipfDraw(accounts: number, alpha: number, random: () => number): () => number {
  const cumulated = new Float64Array(accounts);
  let sum = 0;
  for (let rank = 0; rank < accounts; rank++) {
    sum += (rank + 1) ** -alpha;
    cumulated[rank] = sum;
  }
  return () => {
    const target = random() * sum;
    let low = 0;
    let high = accounts - 1;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((cumulated[middle] ?? 0) < target) low = middle + 1;
      else high = middle;
    }
    return low;
  };
}
