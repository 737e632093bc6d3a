import { exportJWK, generateKeyPair, SignJWT } from "jose";

export interface TokenOptions {
  readonly lifetimeS: number;
  readonly name?: string;
  /** Default: the application the server was told. */
  readonly audience?: string;
}

/** Signs tokens as an identity provider does; the server gets its public key as a data: URL. */
export class Issuer {
  readonly url = "https://issuer.official-clients.test";
  readonly jwksUrl: string;
  readonly #privateKey: CryptoKey;
  #count = 0;

  private constructor(privateKey: CryptoKey, jwksUrl: string) {
    this.#privateKey = privateKey;
    this.jwksUrl = jwksUrl;
  }

  static async create(): Promise<Issuer> {
    const { privateKey, publicKey } = await generateKeyPair("ES256");
    const keys = [{ ...(await exportJWK(publicKey)), kid: "test", alg: "ES256", use: "sig" }];
    const json = Buffer.from(JSON.stringify({ keys })).toString("base64");
    return new Issuer(privateKey, `data:application/json;base64,${json}`);
  }

  /** Never the same twice, as real ones. */
  async token(subject: string, { lifetimeS, name, audience }: TokenOptions): Promise<string> {
    const nowS = Math.floor(Date.now() / 1000);
    return await new SignJWT({ ...(name === undefined ? {} : { name }), jti: `${subject}-${this.#count++}` })
      .setProtectedHeader({ alg: "ES256", kid: "test", typ: "JWT" })
      .setIssuer(this.url)
      .setSubject(subject)
      .setAudience(audience ?? "official-clients")
      .setIssuedAt(nowS)
      .setExpirationTime(nowS + lifetimeS)
      .sign(this.#privateKey);
  }
}
