/** Chance, injected everywhere outside main/ and the action host. */
export interface Random {
  /** `length` random bytes (cryptographic in production, seeded in simulation). */
  bytes(length: number): Uint8Array;
}

/** Lower-case hex of `byteLength` random bytes. */
export function randomHex(random: Random, byteLength: number): string {
  return Buffer.from(random.bytes(byteLength)).toString("hex");
}
