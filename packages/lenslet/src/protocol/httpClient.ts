import { badRequest } from "../base/errors.ts";
import type { OutputFormat } from "./http.ts";

/** The `Convex-Client` header: `{name}-{semver}` (http-api.md §1.4). */
export interface ClientVersion {
  /** e.g. "npm", "npm-cli", "dashboard"; "" when the header is absent. */
  readonly name: string;
  /** Null when the rest of the header is no semantic version. */
  readonly version: SemanticVersion | null;
}

export interface SemanticVersion {
  readonly major: number;
  readonly minor: number;
  readonly patch: number;
  readonly isPrerelease: boolean;
}

export const unknownClient: ClientVersion = { name: "", version: null };

const semverPattern = /^(\d{1,9})\.(\d{1,9})\.(\d{1,9})(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?$/;
const headerLengthMax = 256;

/** The longest suffix that is a version wins. Throws InvalidClientVersion for a header without a "-". */
export function parseClientVersion(header: string): ClientVersion {
  if (header.length > headerLengthMax || !header.includes("-")) {
    const shown = JSON.stringify(header.slice(0, 100));
    throw badRequest(
      "InvalidClientVersion",
      `The Convex-Client header ${shown} is not of the form name-version.`,
    );
  }
  for (let dash = header.indexOf("-"); dash >= 0; dash = header.indexOf("-", dash + 1)) {
    const match = semverPattern.exec(header.slice(dash + 1));
    if (match === null) continue;
    const [, major, minor, patch, prerelease] = match;
    return {
      name: header.slice(0, dash),
      version: {
        major: Number(major),
        minor: Number(minor),
        patch: Number(patch),
        isPrerelease: prerelease !== undefined,
      },
    };
  }
  return { name: header, version: null };
}

function isOlder(version: SemanticVersion, major: number, minor: number, patch: number): boolean {
  if (version.major !== major) return version.major < major;
  if (version.minor !== minor) return version.minor < minor;
  if (version.patch !== patch) return version.patch < patch;
  return version.isPrerelease;
}

/** Throws ClientVersionUnsupported for npm and CLI clients up to 0.19.1. */
export function checkClientSupported(client: ClientVersion): void {
  const { name, version } = client;
  if (version === null || (name !== "npm" && name !== "npm-cli")) return;
  if (isOlder(version, 0, 19, 2)) {
    throw badRequest(
      "ClientVersionUnsupported",
      `The Convex ${name === "npm" ? "client" : "CLI"} at version ${version.major}.${version.minor}.${version.patch} is no longer supported. Update the convex npm package.`,
    );
  }
}

/** The output format of a request that names none. */
export function defaultFormat(client: ClientVersion): OutputFormat {
  const { name, version } = client;
  if (version === null) return "clean";
  switch (name) {
    case "npm":
    case "npm-cli":
    case "actions":
      return isOlder(version, 1, 4, 1) ? "encoded" : "clean";
    case "python":
    case "python-convex":
      return isOlder(version, 0, 5, 0) ? "encoded" : "clean";
    default:
      return "clean";
  }
}

/** Whether log lines are sent structured instead of as `[LEVEL] text` (http-api.md §8.1). */
export function readsStructuredLogs(client: ClientVersion): boolean {
  return client.name === "npm-cli" || client.name.startsWith("dashboard");
}
