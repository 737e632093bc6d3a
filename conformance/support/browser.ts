import { execFile } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import { type Browser, type BrowserContext, chromium, type Page } from "playwright-core";
import { preview } from "vite";
import { findChromium } from "../../scripts/chromium.ts";
import { buildArgs, offline } from "../../scripts/pages.ts";
import { freePorts } from "./ports.ts";

/** What browser tests run in; `npm test` has installed one where it could. Null: skip, and say so. */
export const chromiumPath = findChromium();

export async function launchChromium(executablePath: string): Promise<Browser> {
  return await chromium.launch({
    executablePath,
    args: ["--no-sandbox", "--disable-quic", "--disable-background-networking"],
  });
}

/** Builds an app's pages for a server and serves what was built. */
export async function servePages(
  appFolder: string,
  convexUrl: string,
  siteUrl = "",
  options: {
    readonly port?: number;
    /** More than the server's address that the build is to know. */
    readonly variables?: Readonly<Record<string, string>>;
    /** The page itself makes sense of any path. */
    readonly isSinglePage?: boolean;
  } = {},
): Promise<{ url: string; close: () => Promise<void> }> {
  const outDir = fs.mkdtempSync(path.join(os.tmpdir(), "lenslet-pages-"));
  await promisify(execFile)(process.execPath, buildArgs(appFolder, outDir), {
    cwd: appFolder,
    env: {
      ...process.env,
      ...offline,
      NODE_ENV: "production",
      VITE_CONVEX_URL: convexUrl,
      VITE_CONVEX_SITE_URL: siteUrl,
      ...options.variables,
    },
  });
  const port = options.port ?? ((await freePorts(1)) as [number])[0];
  const server = await preview({
    root: appFolder,
    configFile: false,
    appType: options.isSinglePage === true ? "spa" : "mpa",
    logLevel: "error",
    build: { outDir },
    preview: { port, strictPort: true, host: "127.0.0.1" },
  });
  return {
    url: `http://127.0.0.1:${port}`,
    close: async () => {
      await server.close();
      fs.rmSync(outDir, { recursive: true, force: true });
    },
  };
}

/** How long a test waits for a page: far beyond what any machine needs. */
const pageWaitMs = 90_000;

/** One person at one window, with storage of their own. */
export interface Visitor {
  readonly page: Page;
  readonly context: BrowserContext;
  /** Uncaught errors of the page. A test that ends with any has failed. */
  readonly errors: string[];
}

export async function openWindow(
  browser: Browser,
  url: string,
  options: { width?: number; height?: number; colorScheme?: "light" | "dark"; isTouch?: boolean } = {},
): Promise<Visitor> {
  const { width = 1200, height = 800, colorScheme = "light", isTouch = false } = options;
  const context = await browser.newContext({
    viewport: { width, height },
    colorScheme,
    hasTouch: isTouch,
    reducedMotion: "reduce",
  });
  context.setDefaultTimeout(pageWaitMs);
  const page = await context.newPage();
  const errors: string[] = [];
  page.on("pageerror", (error) => errors.push(String(error)));
  await page.goto(url);
  return { page, context, errors };
}

/** Keeps a picture of the page in the app's `.artifacts`, which is not in git. */
export async function shoot(page: Page, appFolder: string, name: string): Promise<void> {
  await page.screenshot({ path: path.join(appFolder, ".artifacts", `${name}.png`) });
}
