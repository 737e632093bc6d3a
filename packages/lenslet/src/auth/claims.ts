import type { JWTPayload } from "jose";
import type { UserAttributes } from "../engine/api.ts";

/** OIDC claim → attribute of `getUserIdentity()` (functions.md §13.3). */
const oidcStringClaims: Readonly<Record<string, string>> = {
  name: "name",
  given_name: "givenName",
  family_name: "familyName",
  nickname: "nickname",
  preferred_username: "preferredUsername",
  profile: "profileUrl",
  picture: "pictureUrl",
  website: "websiteUrl",
  email: "email",
  gender: "gender",
  birthdate: "birthday",
  zoneinfo: "timezone",
  locale: "language",
  phone_number: "phoneNumber",
};
const oidcBooleanClaims: Readonly<Record<string, string>> = {
  email_verified: "emailVerified",
  phone_number_verified: "phoneNumberVerified",
};
/** Claims about the token, not about the user. */
const oidcTokenClaims: ReadonlySet<string> = new Set([
  "iss",
  "sub",
  "aud",
  "exp",
  "iat",
  "nbf",
  "jti",
  "auth_time",
  "nonce",
  "acr",
  "amr",
  "azp",
  "fva",
]);
const registeredClaims: ReadonlySet<string> = new Set(["iss", "sub", "aud", "exp", "iat", "nbf", "jti"]);

/** Standard claims are renamed, all others kept as they are. A claim can never replace an attribute of the same name. */
export function attributesFromOidc(issuer: string, subject: string, payload: JWTPayload): UserAttributes {
  const custom: Record<string, unknown> = {};
  const standard: Record<string, unknown> = {};
  for (const [claim, value] of Object.entries(payload)) {
    if (oidcTokenClaims.has(claim) || claim === "__proto__") continue;
    const stringName = oidcStringClaims[claim];
    const booleanName = oidcBooleanClaims[claim];
    if (stringName !== undefined) {
      if (typeof value === "string") standard[stringName] = value;
    } else if (booleanName !== undefined) {
      if (typeof value === "boolean") standard[booleanName] = value;
    } else if (claim === "address") {
      const formatted = addressText(value);
      if (formatted !== null) standard["address"] = formatted;
    } else if (claim === "updated_at") {
      const text = timeText(value);
      if (text !== null) standard["updatedAt"] = text;
    } else {
      custom[claim] = value;
    }
  }
  return { ...custom, ...standard, ...base(issuer, subject) };
}

/** No standard mapping; nested objects become dotted keys. */
export function attributesFromCustomJwt(
  issuer: string,
  subject: string,
  payload: JWTPayload,
): UserAttributes {
  const custom: Record<string, unknown> = {};
  for (const [claim, value] of Object.entries(payload)) {
    if (registeredClaims.has(claim) || claim === "fva") continue;
    flatten(claim, value, custom);
  }
  return { ...custom, ...base(issuer, subject) };
}

function base(issuer: string, subject: string) {
  return { tokenIdentifier: `${issuer}|${subject}`, issuer, subject };
}

function flatten(name: string, value: unknown, into: Record<string, unknown>): void {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) {
    for (const [key, inner] of Object.entries(value)) flatten(`${name}.${key}`, inner, into);
  } else if (name !== "__proto__") {
    into[name] = value;
  }
}

function addressText(value: unknown): string | null {
  if (typeof value === "string") return value;
  if (typeof value !== "object" || value === null) return null;
  const { formatted } = value as Record<string, unknown>;
  return typeof formatted === "string" ? formatted : null;
}

/** OIDC says seconds since the epoch; some providers send the text itself. Answers RFC 3339. */
function timeText(value: unknown): string | null {
  const date =
    typeof value === "number" ? new Date(value * 1000) : typeof value === "string" ? new Date(value) : null;
  return date === null || Number.isNaN(date.getTime()) ? null : date.toISOString();
}
