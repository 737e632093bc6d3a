import { describe, expect, it } from "vitest";
import { clientMetadataBehind } from "./clientMetadata.ts";

const addressBehind = (trusted: string, forwarded: string | undefined, remote: string | undefined) =>
  clientMetadataBehind(trusted)!(forwarded === undefined ? {} : { "x-forwarded-for": forwarded }, remote).ip;

describe("the address of a client", () => {
  it("is the one that asked the first proxy of those that are trusted", () => {
    expect(addressBehind("10.0.0.0/8", " 1.2.3.4 , 10.0.0.1", "10.0.0.2")).toBe("1.2.3.4");
    expect(addressBehind("10.0.0.2", "1.2.3.4, 10.0.0.1", "10.0.0.2")).toBe("10.0.0.1");
    expect(addressBehind("loopback, 2001:db8::/32", "2001:db9::7, 2001:db8::1", "::1")).toBe("2001:db9::7");
    expect(addressBehind("private", "5.6.7.8, 192.168.3.4, 172.20.1.1", "::ffff:10.1.1.1")).toBe("5.6.7.8");
  });

  it("is not what a client claims before a proxy, or without one", () => {
    expect(addressBehind("loopback", "9.9.9.9, 1.2.3.4", "127.0.0.1")).toBe("1.2.3.4");
    expect(addressBehind("loopback", "9.9.9.9", "1.2.3.4")).toBe("1.2.3.4");
    expect(addressBehind("none", "9.9.9.9", "127.0.0.1")).toBe("127.0.0.1");
    expect(addressBehind("loopback", "not an address, 1.2.3.4", "127.0.0.1")).toBe("1.2.3.4");
    // Who is not known by an address is trusted with no more.
    expect(addressBehind("loopback", "9.9.9.9, unknown", "127.0.0.1")).toBe("unknown");
  });

  it("is the connection's where no proxy says anything", () => {
    expect(addressBehind("loopback", undefined, "127.0.0.1")).toBe("127.0.0.1");
    expect(addressBehind("loopback", "", "::ffff:10.0.0.2")).toBe("10.0.0.2");
    expect(addressBehind("loopback", " , ", "127.0.0.1")).toBe("127.0.0.1");
    expect(addressBehind("loopback", "127.0.0.2, 127.0.0.3", "127.0.0.1")).toBe("127.0.0.2");
    expect(addressBehind("none", undefined, undefined)).toBeNull();
  });

  it("is without a port", () => {
    expect(addressBehind("loopback", "1.2.3.4:5678", "127.0.0.1")).toBe("1.2.3.4");
    expect(addressBehind("loopback", "[2001:db8::1]:443", "127.0.0.1")).toBe("2001:db8::1");
  });

  it("needs addresses to trust", () => {
    for (const wrong of [
      "",
      "me",
      "10.0.0.0/33",
      "10.0.0.0/",
      "::1/129",
      "10.0.0",
      "loopback,,none",
      "1.2.3.4/8/8",
    ])
      expect(clientMetadataBehind(wrong), wrong).toBeNull();
  });
});

describe("the metadata of a client (limits.md #75)", () => {
  it("is cut at the end of a character: 256 bytes of the address, 512 of the user agent", () => {
    const metadataOf = clientMetadataBehind("loopback")!;
    const [ip, userAgent] = ["9".repeat(257), `${"x".repeat(511)}ää`];
    const cut = metadataOf({ "x-forwarded-for": ip, "user-agent": userAgent }, "::1");
    expect(cut).toEqual({ ip: "9".repeat(256), userAgent: "x".repeat(511) });
    const whole = { "x-forwarded-for": "9".repeat(256), "user-agent": `${"x".repeat(510)}ä` };
    expect(metadataOf(whole, "::1")).toEqual({
      ip: whole["x-forwarded-for"],
      userAgent: whole["user-agent"],
    });
    expect(metadataOf({}, "::1").userAgent).toBeNull();
  });
});
