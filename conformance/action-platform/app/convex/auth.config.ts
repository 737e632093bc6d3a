/** The deployment trusts the tokens that it has signed itself. */
export default {
  providers: [
    {
      type: "customJwt",
      issuer: process.env["CONVEX_CLOUD_URL"]!,
      jwks: `${process.env["CONVEX_CLOUD_URL"]}/.well-known/jwks.json`,
      algorithm: "ES256",
      applicationID: "self",
    },
  ],
};
