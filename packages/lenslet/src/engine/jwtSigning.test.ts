import { createPublicKey, type JsonWebKey, verify } from "node:crypto";
import { describe, expect, it } from "vitest";
import { jwtKeyOf, jwksJson, signJwt } from "./jwtSigning.ts";

/** Checks a token the way anyone outside does: with the published key and nothing else. */
function isGood(token: string, jwks: string): boolean {
  const [header = "", payload = "", signature = ""] = token.split(".");
  const [jwk] = (JSON.parse(jwks) as { keys: [JsonWebKey] }).keys;
  return verify(
    "sha256",
    Buffer.from(`${header}.${payload}`),
    { key: createPublicKey({ key: jwk, format: "jwk" }), dsaEncoding: "ieee-p1363" },
    Buffer.from(signature, "base64url"),
  );
}

describe("the key of a deployment", () => {
  it("signs what its published half checks, whatever the secret: of 600, two or more begin with a zero byte", () => {
    let short = 0;
    for (let i = 0; i < 600; i++) {
      const secret = Buffer.from(`secret ${i}`);
      const key = jwtKeyOf(secret);
      const { d = "" } = key.privateKey.export({ format: "jwk" });
      expect(Buffer.from(d, "base64url")).toHaveLength(32);
      if (Buffer.from(d, "base64url")[0] === 0) short++;
      const token = signJwt({ expiresInSeconds: 60 }, { issuer: "https://a.example", nowMs: 0, key });
      expect(isGood(token, jwksJson([secret]))).toBe(true);
    }
    expect(short).toBeGreaterThan(1);
  });
});
