import { createECDH, createHash, createHmac, createPrivateKey, type KeyObject, sign } from "node:crypto";
import { badRequest } from "../base/errors.ts";
import { invalidArgument, isJsonObject, type JsonObject } from "../transaction/syscallArguments.ts";

/** The ES256 key that a deployment signs tokens with. */
export interface JwtKey {
  readonly privateKey: KeyObject;
  readonly keyId: string;
  readonly publicJwk: Readonly<Record<string, string>>;
}

const lifetimeSecondsMin = 1;
const lifetimeSecondsMax = 3600;
const reservedClaims: ReadonlySet<string> = new Set(["iss", "iat", "exp", "nbf"]);
const op = "signJwt";

const keys = new WeakMap<Uint8Array, JwtKey>();

/** The same secret always gives the same key, so that it lives and moves with the data folder's `instance.json`. */
export function jwtKeyOf(secret: Uint8Array): JwtKey {
  const known = keys.get(secret);
  if (known !== undefined) return known;
  const key = deriveKey(secret);
  keys.set(secret, key);
  return key;
}

function deriveKey(secret: Uint8Array): JwtKey {
  const curve = createECDH("prime256v1");
  let scalar: Buffer;
  for (let attempt = 0; ; attempt++) {
    try {
      // One secret in four billion is no number of the curve's group.
      scalar = createHmac("sha256", secret).update(`jwt-es256-${attempt}`).digest();
      curve.setPrivateKey(scalar);
      break;
    } catch (error) {
      if (attempt > 10) throw error;
    }
  }
  const point = curve.getPublicKey();
  const [x, y] = [point.subarray(1, 33), point.subarray(33)].map((part) => part.toString("base64url")) as [
    string,
    string,
  ];
  // Not curve.getPrivateKey(): it leaves out leading zeros, and a JWK wants all 32 bytes.
  const d = scalar.toString("base64url");
  const privateKey = createPrivateKey({ format: "jwk", key: { kty: "EC", crv: "P-256", x, y, d } });
  // RFC 7638
  const thumbprint = JSON.stringify({ crv: "P-256", kty: "EC", x, y });
  const keyId = createHash("sha256").update(thumbprint).digest("base64url");
  const publicJwk = { kty: "EC", crv: "P-256", x, y, kid: keyId, alg: "ES256", use: "sig" };
  return { privateKey, keyId, publicJwk };
}

/** What `{cloud}/.well-known/jwks.json` says; the first secret signs, what the others have signed is still good. */
export function jwksJson(secrets: readonly Uint8Array[]): string {
  return JSON.stringify({ keys: secrets.map((secret) => jwtKeyOf(secret).publicJwk) });
}

export function jwtIssuer(cloudUrl: string, componentPath: string): string {
  return componentPath === "" ? cloudUrl : `${cloudUrl}/components/${componentPath}`;
}

/** `1.0/signJwt` (functions.md §13.4): the token's text. */
export function signJwt(
  args: JsonObject,
  { issuer, nowMs, key }: { readonly issuer: string; readonly nowMs: number; readonly key: JwtKey },
): string {
  const { claims = {}, expiresInSeconds } = args;
  if (!isJsonObject(claims)) throw invalidArgument(op, "claims", "The claims must be an object.");
  for (const name of Object.keys(claims)) {
    if (reservedClaims.has(name) || /^(convex|cvx)/i.test(name)) {
      throw badRequest("ReservedJwtClaim", `The claim "${name}" is reserved and may not be set.`);
    }
  }
  if (
    typeof expiresInSeconds !== "number" ||
    !(expiresInSeconds >= lifetimeSecondsMin && expiresInSeconds <= lifetimeSecondsMax)
  ) {
    throw badRequest(
      "InvalidJwtLifetime",
      `expiresInSeconds must be a number from ${lifetimeSecondsMin} to ${lifetimeSecondsMax}.`,
    );
  }
  const iat = Math.floor(nowMs / 1000);
  const header = { alg: "ES256", typ: "JWT", kid: key.keyId };
  const payload = { ...claims, iss: issuer, iat, exp: iat + Math.floor(expiresInSeconds) };
  const text = `${encode(header)}.${encode(payload)}`;
  const signature = sign("sha256", Buffer.from(text), { key: key.privateKey, dsaEncoding: "ieee-p1363" });
  return `${text}.${signature.toString("base64url")}`;
}

function encode(part: object): string {
  return Buffer.from(JSON.stringify(part)).toString("base64url");
}
