import { ConvexClient } from "convex/browser";

let client: ConvexClient | null = null;

/** The one client of this process. It connects by itself, and again whenever the connection is lost. */
export function getConvexClient(): ConvexClient {
  if (!client) {
    const url = process.env["CONVEX_URL"];
    if (!url) {
      throw new Error("CONVEX_URL not set. Run: bunx convex dev");
    }
    // Its log would be written over the screen; errors reach their callers, and lost connections are shown.
    client = new ConvexClient(url, { logger: false });
  }
  return client;
}

/** Closes the client if there is one; the next `getConvexClient` makes a new one. */
export async function closeConvexClient(): Promise<void> {
  const open = client;
  client = null;
  await open?.close();
}
