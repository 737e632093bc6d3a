import { LensletError } from "../../base/errors.ts";

/** PostgreSQL before this lacks nothing that is used here, but nobody maintains it. */
export const serverVersionMin = 130_000;
/** Of the tables in the schema `lenslet`. */
export const tablesFormat = 1;

/** The part of an address that may be shown: without the password. */
export function shownAddress(url: string): string {
  const parsed = URL.parse(url);
  if (parsed === null) return "the given address";
  return `${parsed.host}${parsed.pathname}`;
}

export function invalidUrl(): LensletError {
  return new LensletError(
    "BadRequest",
    "PostgresUrlInvalid",
    "This is no address of a PostgreSQL database. It has to look like postgresql://user:password@host:5432/database.",
  );
}

export function tooOld(version: string): LensletError {
  return new LensletError(
    "Conflict",
    "PostgresTooOld",
    `PostgreSQL ${version} is too old: Lenslet needs version ${serverVersionMin / 10_000} or newer.`,
  );
}

export function formatTooNew(format: number): LensletError {
  return new LensletError(
    "Internal",
    "DataFormatTooNew",
    `The tables in the schema lenslet have format ${format}, but this version of Lenslet reads formats up to ${tablesFormat}. Update Lenslet: npm install lenslet@latest`,
  );
}

export function deposed(): LensletError {
  return new LensletError(
    "Conflict",
    "LogDeposed",
    "Another node has become the leader: nothing that this one had not made durable has happened. It ends, and comes back as a follower when it is started again.",
  );
}

/** What PostgreSQL, or the way to it, says when a node starts. */
export function connectError(error: unknown, url: string): LensletError {
  if (error instanceof LensletError) return error;
  const { code = "", message } = error as { code?: string; message: string };
  const where = shownAddress(url);
  const refuse = (name: string, text: string) => new LensletError("Conflict", name, text);
  switch (code) {
    case "28P01":
    case "28000":
      return refuse(
        "PostgresRefused",
        `PostgreSQL at ${where} refuses this user: ${message}. Check user and password of the address.`,
      );
    case "3D000":
      return refuse(
        "PostgresDatabaseMissing",
        `${message} at ${where}. Create it first (CREATE DATABASE), or name another.`,
      );
    case "42501":
      return refuse(
        "PostgresForbidden",
        `PostgreSQL at ${where}: ${message}. The first node creates the schema "lenslet"; its user needs the right to: GRANT CREATE ON DATABASE <database> TO <user>. Later nodes need to use it: GRANT USAGE ON SCHEMA lenslet and SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA lenslet.`,
      );
    default:
      return refuse("PostgresUnreachable", `PostgreSQL at ${where} cannot be used: ${message || code}.`);
  }
}
