import { refuse } from "./errors.ts";

/** Only who knows the deployment's FEED_KEY may write market events. */
export function requireFeedKey(key: string): void {
  const expected = process.env["FEED_KEY"];
  if (expected === undefined || expected === "")
    refuse(
      "feed_closed",
      "The feed is closed. Open it with: npx convex env set FEED_KEY <a long random text>",
    );
  if (key !== expected) refuse("feed_key", "Wrong feed key. FEED_KEY must be the one set on the deployment.");
}
