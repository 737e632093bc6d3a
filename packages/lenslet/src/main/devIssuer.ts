import fs from "node:fs";
import path from "node:path";
import { exportJWK, exportPKCS8, generateKeyPair, importPKCS8, SignJWT, type JWK } from "jose";
import { z } from "zod";

/**
 * A customJwt provider for development: `lenslet dev` makes its key, and anyone who can reach the server may ask for
 * a token in any name. It exists so that an app with sign-in runs offline; it is never served by `lenslet start`.
 */
export interface DevIssuer {
  readonly issuer: string;
  readonly jwksUrl: string;
  readonly jwks: { readonly keys: readonly JWK[] };
  /** A token (1 hour) for a person; the subject is derived from the e-mail address or the name. */
  token(person: DevPerson): Promise<string>;
}

export const devPersonSchema = z.object({
  name: z.string().trim().min(1).max(100),
  email: z.string().trim().email().max(320).optional(),
});
export type DevPerson = z.infer<typeof devPersonSchema>;

export const devIssuerPath = "/lenslet/dev-issuer";
const tokenLifetimeS = 3600;
const audience = "lenslet-dev";

const keyFile = z.object({
  kid: z.string(),
  privateKey: z.string(),
  publicKey: z.record(z.string(), z.unknown()),
});

/** Part of every user's tokenIdentifier, so it must not change with ports and addresses. */
const issuerName = "http://localhost/lenslet-dev-issuer";

export async function openDevIssuer(dataFolder: string, cloudUrl: string): Promise<DevIssuer> {
  const { kid, privateKey, publicKey } = await loadKey(path.join(dataFolder, "dev-issuer.json"));
  const key = await importPKCS8(privateKey, "ES256");
  return {
    issuer: issuerName,
    jwksUrl: `${cloudUrl}${devIssuerPath}/jwks.json`,
    jwks: { keys: [{ ...(publicKey as JWK), kid, alg: "ES256", use: "sig" }] },
    token: async (person) =>
      await new SignJWT({ name: person.name, ...(person.email === undefined ? {} : { email: person.email }) })
        .setProtectedHeader({ alg: "ES256", kid, typ: "JWT" })
        .setIssuer(issuerName)
        .setAudience(audience)
        .setSubject((person.email ?? person.name).toLowerCase())
        .setIssuedAt()
        .setExpirationTime(`${tokenLifetimeS}s`)
        .sign(key),
  };
}

/** Set in the deployment's environment, so that auth.config.ts can name the provider. */
export function devIssuerVariables(issuer: DevIssuer): Record<string, string> {
  return {
    LENSLET_DEV_ISSUER: issuer.issuer,
    LENSLET_DEV_JWKS: `data:application/json;base64,${Buffer.from(JSON.stringify(issuer.jwks)).toString("base64")}`,
    LENSLET_DEV_AUDIENCE: audience,
  };
}

async function loadKey(file: string): Promise<z.infer<typeof keyFile>> {
  if (!fs.existsSync(file)) {
    const pair = await generateKeyPair("ES256", { extractable: true });
    const content = {
      kid: `dev-${Date.now().toString(36)}`,
      privateKey: await exportPKCS8(pair.privateKey),
      publicKey: await exportJWK(pair.publicKey),
    };
    fs.writeFileSync(file, `${JSON.stringify(content, null, 2)}\n`, { mode: 0o600 });
  }
  return keyFile.parse(JSON.parse(fs.readFileSync(file, "utf8")));
}
