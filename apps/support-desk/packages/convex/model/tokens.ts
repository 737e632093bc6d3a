/** Secrets and their hashes. Everything here works in queries and mutations: no key generation, no I/O. */

/** 256 random bits, URL-safe. */
export function newToken(): string {
  return toBase64Url(crypto.getRandomValues(new Uint8Array(32)));
}

/** Six decimal digits, each as likely as the others. */
export function newCode(): string {
  for (;;) {
    const [number = 0] = crypto.getRandomValues(new Uint32Array(1));
    // The rest of the range would favour low codes.
    if (number < 4_294_000_000) return String(number % 1_000_000).padStart(6, "0");
  }
}

/** HMAC-SHA-256 with the deployment's secret, hex: worthless to whoever has only the database. */
export async function hashToken(secret: string, token: string): Promise<string> {
  const key = await importKey(secret, "SHA-256");
  return toHex(new Uint8Array(await crypto.subtle.sign("HMAC", key, new TextEncoder().encode(token))));
}

/** SHA-256, hex. */
export async function hashText(text: string): Promise<string> {
  return toHex(new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text))));
}

/** Equal in time that does not tell where they differ. */
export function sameText(a: string, b: string): boolean {
  if (a.length !== b.length) return false;
  let difference = 0;
  for (let position = 0; position < a.length; position++)
    difference |= a.charCodeAt(position) ^ b.charCodeAt(position);
  return difference === 0;
}

/**
 * Twilio's X-Twilio-Signature: base64 of HMAC-SHA-1 over the URL followed by all parameters, sorted by name, each name
 * directly followed by its value.
 */
export async function twilioSignature(
  authToken: string,
  url: string,
  parameters: Readonly<Record<string, string>>,
): Promise<string> {
  const text = Object.keys(parameters)
    .sort()
    .reduce((sum, name) => sum + name + (parameters[name] ?? ""), url);
  const key = await importKey(authToken, "SHA-1");
  const bytes = new Uint8Array(await crypto.subtle.sign("HMAC", key, new TextEncoder().encode(text)));
  return btoa(String.fromCharCode(...bytes));
}

function importKey(secret: string, hash: "SHA-1" | "SHA-256"): Promise<CryptoKey> {
  const bytes = new TextEncoder().encode(secret);
  return crypto.subtle.importKey("raw", bytes, { name: "HMAC", hash }, false, ["sign"]);
}

function toHex(bytes: Uint8Array): string {
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

function toBase64Url(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes))
    .replaceAll("+", "-")
    .replaceAll("/", "_")
    .replace(/=+$/, "");
}
