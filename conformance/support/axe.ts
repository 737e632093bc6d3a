import axe from "axe-core";
import type { Page } from "playwright-core";

/** What axe-core finds that would keep somebody from using the page (serious or critical), in one line each. */
export async function seriousFaults(page: Page): Promise<string[]> {
  await page.evaluate(axe.source);
  const found = await page.evaluate(
    `axe.run().then(({ violations }) => violations
      .filter(({ impact }) => impact === "serious" || impact === "critical")
      .flatMap(({ id, nodes }) => nodes.map(({ html, failureSummary = "" }) => id + ": " + html + " " + failureSummary)))`,
  );
  return found as string[];
}
