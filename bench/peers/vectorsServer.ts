import http from "node:http";
import type { AddressInfo } from "node:net";

/** What the peers of W9 do; ids are numbers of rows. */
export interface VectorStore {
  search(vector: Float32Array, group: string | null): readonly number[];
}

/** Serves searches over HTTP, with the same arguments and the same form of answer as ours; returns the port. */
export async function serveVectors(store: VectorStore): Promise<number> {
  const server = http.createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const { args } = JSON.parse(Buffer.concat(chunks).toString()) as {
        args: { vector: number[]; group: string | null };
      };
      const value = store.search(Float32Array.from(args.vector), args.group);
      response.setHeader("Content-Type", "application/json");
      response.end(JSON.stringify({ status: "success", value }));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return (server.address() as AddressInfo).port;
}
