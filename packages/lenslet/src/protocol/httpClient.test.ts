import { describe, expect, it } from "vitest";
import {
  checkClientSupported,
  defaultFormat,
  parseClientVersion,
  readsStructuredLogs,
} from "./httpClient.ts";

describe("Convex-Client", () => {
  it("takes the longest version suffix", () => {
    expect(parseClientVersion("npm-1.48.0")).toEqual({
      name: "npm",
      version: { major: 1, minor: 48, patch: 0, isPrerelease: false },
    });
    expect(parseClientVersion("npm-cli-1.4.1-alpha.3")).toEqual({
      name: "npm-cli",
      version: { major: 1, minor: 4, patch: 1, isPrerelease: true },
    });
    expect(parseClientVersion("x-1.2.3-4.5.6").name).toBe("x");
  });

  it("accepts unknown names and versions, but not a header without a dash", () => {
    expect(parseClientVersion("my-tool-2024a")).toEqual({ name: "my-tool-2024a", version: null });
    expect(() => parseClientVersion("1.2.3")).toThrowError(
      expect.objectContaining({ code: "InvalidClientVersion" }),
    );
  });

  it.each([
    ["npm-1.4.0", "encoded"],
    ["npm-1.4.1-beta.0", "encoded"],
    ["npm-1.4.1", "clean"],
    ["npm-cli-1.0.0", "encoded"],
    ["actions-1.3.9", "encoded"],
    ["actions-1.48.0", "clean"],
    ["python-0.4.9", "encoded"],
    ["python-0.5.0", "clean"],
    ["rust-0.1.0", "clean"],
  ])("%s gets %s results by default", (header, format) => {
    expect(defaultFormat(parseClientVersion(header))).toBe(format);
  });

  it("turns away npm and CLI up to 0.19.1", () => {
    const unsupported = expect.objectContaining({ code: "ClientVersionUnsupported" }) as Error;
    expect(() => checkClientSupported(parseClientVersion("npm-0.19.1"))).toThrowError(unsupported);
    expect(() => checkClientSupported(parseClientVersion("npm-cli-0.2.0"))).toThrowError(unsupported);
    checkClientSupported(parseClientVersion("npm-0.19.2"));
    checkClientSupported(parseClientVersion("python-0.1.0"));
  });

  it("sends structured log lines to CLI and dashboard only", () => {
    expect(readsStructuredLogs(parseClientVersion("npm-cli-1.48.0"))).toBe(true);
    expect(readsStructuredLogs(parseClientVersion("dashboard-0.0.0"))).toBe(true);
    expect(readsStructuredLogs(parseClientVersion("npm-1.48.0"))).toBe(false);
  });
});
