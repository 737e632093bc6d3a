import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { exportJWK, generateKeyPair, SignJWT, type CryptoKey, type JWK, type JWTPayload } from "jose";
import { expect } from "vitest";
import type { Clock } from "../base/clock.ts";
import { LensletError } from "../base/errors.ts";
import { type Authenticator, createAuthenticator } from "./authenticator.ts";

export const secret = Buffer.from("0123456789abcdef0123456789abcdef");
export const startMs = 1_760_000_000_000;

export class FakeClock implements Clock {
  now = startMs;
  nowMs() {
    return this.now;
  }
  monotonicMs() {
    return this.now - startMs;
  }
}

/** A provider on loopback: what it answers and how often it was asked can be set and read. */
export class TestProvider {
  requests = 0;
  discoveryStatus = 200;
  jwksStatus = 200;
  contentType = "application/json";
  keys: JWK[] = [];
  /** Answers in its stead; false: it answers this one itself. */
  fault: (request: IncomingMessage, response: ServerResponse) => boolean = () => false;
  readonly #server: Server = createServer((request, response) => {
    this.requests++;
    if (this.fault(request, response)) return;
    if (request.url === "/.well-known/openid-configuration") {
      response.writeHead(this.discoveryStatus, { "content-type": "application/json" });
      response.end(JSON.stringify({ issuer: this.url, jwks_uri: `${this.url}/jwks` }));
    } else {
      response.writeHead(this.jwksStatus, { "content-type": this.contentType });
      response.end(JSON.stringify({ keys: this.keys }));
    }
  });
  get url() {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }
  start() {
    return new Promise<void>((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
  }
  close() {
    this.#server.closeAllConnections();
    return new Promise((resolve) => this.#server.close(resolve));
  }
}

export interface SigningKey {
  readonly algorithm: string;
  readonly kid: string;
  readonly privateKey: CryptoKey;
  readonly publicJwk: JWK;
}
export async function newKey(algorithm: string, kid: string): Promise<SigningKey> {
  const { privateKey, publicKey } = await generateKeyPair(algorithm, { extractable: true });
  return { algorithm, kid, privateKey, publicJwk: { ...(await exportJWK(publicKey)), kid, alg: algorithm } };
}

export type Claims = { readonly [claim in keyof JWTPayload]?: JWTPayload[claim] | undefined };

/** With the claims of a good token, changed by `claims`; undefined leaves one out. */
export function tokenOf(
  issuer: string,
  clock: Clock,
  key: SigningKey,
  claims: Claims = {},
  header: { kid?: string } = { kid: key.kid },
): Promise<string> {
  const nowS = Math.floor(clock.nowMs() / 1000);
  const payload = { iss: issuer, sub: "u1", aud: "convex", iat: nowS, exp: nowS + 3600, ...claims };
  return new SignJWT(payload as JWTPayload)
    .setProtectedHeader({ alg: key.algorithm, ...header })
    .sign(key.privateKey);
}

export function testAuthenticator(options: {
  readonly clock: Clock;
  readonly providers: () => readonly unknown[];
  readonly redact?: boolean;
  readonly fetch?: typeof fetch;
}): Authenticator {
  let version = 0;
  return createAuthenticator({
    instanceName: "happy-otter-1",
    instanceSecret: secret,
    deployment: () => ({
      version: ++version,
      authProviders: options.providers(),
      environmentVariables: {},
      canonicalUrls: { convexCloudUrl: "", convexSiteUrl: "" },
    }),
    clock: options.clock,
    fetch: options.fetch ?? fetch,
    redact: options.redact ?? false,
  });
}

export async function failure(
  promise: Promise<unknown>,
): Promise<{ category: string; code: string; message: string }> {
  const error = await promise.then(
    () => null,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(LensletError);
  const { category, code, message } = error as LensletError;
  return { category, code, message };
}
