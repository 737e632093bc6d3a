import { describe, expect, it } from "vitest";
import { clientMetadataOf } from "./clientMetadata.ts";

describe("the metadata of a client (limits.md #75)", () => {
  it("is what a proxy says, else the address of the connection", () => {
    const headers = { "x-forwarded-for": " 1.2.3.4 , 10.0.0.1", "user-agent": "test" };
    expect(clientMetadataOf(headers, "10.0.0.2")).toEqual({ ip: "1.2.3.4", userAgent: "test" });
    expect(clientMetadataOf({ "x-forwarded-for": "" }, "10.0.0.2")).toEqual({
      ip: "10.0.0.2",
      userAgent: null,
    });
    expect(clientMetadataOf({}, undefined)).toEqual({ ip: null, userAgent: null });
  });

  it("is cut at the end of a character: 256 bytes of the address, 512 of the user agent", () => {
    const [ip, userAgent] = ["9".repeat(257), `${"x".repeat(511)}ää`];
    const cut = clientMetadataOf({ "x-forwarded-for": ip, "user-agent": userAgent }, undefined);
    expect(cut).toEqual({ ip: "9".repeat(256), userAgent: "x".repeat(511) });
    const whole = { "x-forwarded-for": "9".repeat(256), "user-agent": `${"x".repeat(510)}ä` };
    expect(clientMetadataOf(whole, undefined)).toEqual({
      ip: whole["x-forwarded-for"],
      userAgent: whole["user-agent"],
    });
  });
});
