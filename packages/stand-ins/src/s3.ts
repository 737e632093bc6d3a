import fs from "node:fs";
import { createRequire } from "node:module";
import type { AddressInfo } from "node:net";
import os from "node:os";
import path from "node:path";

// It has no types of its own.
const require = createRequire(import.meta.url);
const S3rver = require("s3rver") as new (options: {
  readonly port: number;
  readonly address: string;
  readonly silent: boolean;
  readonly directory: string;
  readonly configureBuckets: readonly { readonly name: string; readonly configs: readonly string[] }[];
}) => { run(): Promise<AddressInfo>; close(): Promise<void> };

export interface S3Options {
  readonly port?: number;
  readonly bucket?: string;
  /** Where the objects are kept; default: a temporary folder that goes when it is closed. */
  readonly folder?: string;
}

/** What an S3 client needs to know, R2's included. */
export interface S3 {
  readonly url: string;
  readonly bucket: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  close(): Promise<void>;
}

/** Pages of any origin may upload and download with signed URLs, as the bucket of such an app is set up. */
const anyOrigin = `<CORSConfiguration><CORSRule>
  <AllowedOrigin>*</AllowedOrigin>
  <AllowedMethod>GET</AllowedMethod><AllowedMethod>PUT</AllowedMethod><AllowedMethod>HEAD</AllowedMethod>
  <AllowedHeader>*</AllowedHeader><ExposeHeader>ETag</ExposeHeader><MaxAgeSeconds>3000</MaxAgeSeconds>
</CORSRule></CORSConfiguration>`;

/**
 * Cloudflare R2, or any other object store that speaks S3: the `s3rver` package with one bucket. Unlike R2 it lets in
 * requests without a signature.
 */
export async function startS3({ port = 0, bucket = "uploads", folder }: S3Options = {}): Promise<S3> {
  const directory = folder ?? fs.mkdtempSync(path.join(os.tmpdir(), "stand-in-s3-"));
  const server = new S3rver({
    port,
    address: "127.0.0.1",
    silent: true,
    directory,
    configureBuckets: [{ name: bucket, configs: [anyOrigin] }],
  });
  const address = await server.run();
  return {
    url: `http://127.0.0.1:${address.port}`,
    bucket,
    accessKeyId: "S3RVER",
    secretAccessKey: "S3RVER",
    close: async () => {
      await server.close();
      if (folder === undefined) fs.rmSync(directory, { recursive: true, force: true });
    },
  };
}
