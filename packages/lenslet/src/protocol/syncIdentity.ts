import { badRequest } from "../base/errors.ts";

/** What an admin may claim to be, and what `ctx.auth.getUserIdentity()` then returns. */
export type ParsedUserAttributes = { readonly tokenIdentifier: string; readonly [claim: string]: unknown };

const stringAttributes: ReadonlySet<string> = new Set([
  "tokenIdentifier",
  "issuer",
  "subject",
  "name",
  "givenName",
  "familyName",
  "nickname",
  "preferredUsername",
  "profileUrl",
  "pictureUrl",
  "websiteUrl",
  "email",
  "gender",
  "birthday",
  "timezone",
  "language",
  "phoneNumber",
  "address",
  "updatedAt",
]);
const booleanAttributes: ReadonlySet<string> = new Set(["emailVerified", "phoneNumberVerified"]);

/**
 * Parses a UserIdentityAttributes object (sync-protocol.md §3.5). Known attributes must have their type (null counts as
 * absent), every other key is a custom claim. Throws BadRequest `InvalidUserAttributes` whose message is the bare detail.
 */
export function parseUserAttributes(json: unknown): ParsedUserAttributes {
  if (typeof json !== "object" || json === null || Array.isArray(json)) {
    throw badRequest("InvalidUserAttributes", "user identity attributes must be an object");
  }
  const attributes: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(json)) {
    if (key === "__proto__") continue;
    if (stringAttributes.has(key) || booleanAttributes.has(key)) {
      if (value === null) continue;
      const expected = stringAttributes.has(key) ? "string" : "boolean";
      if (typeof value !== expected) {
        throw badRequest("InvalidUserAttributes", `user identity attribute "${key}" must be a ${expected}`);
      }
    }
    attributes[key] = value;
  }
  const { tokenIdentifier, issuer, subject } = attributes;
  if (typeof tokenIdentifier === "string") return { ...attributes, tokenIdentifier };
  if (typeof issuer === "string" && typeof subject === "string") {
    return { ...attributes, tokenIdentifier: `${issuer}|${subject}` };
  }
  throw badRequest("InvalidUserAttributes", 'Either "tokenIdentifier" or "issuer" and "subject" must be set');
}
