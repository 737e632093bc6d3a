import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { type Browser, type BrowserContext, chromium, type Page } from "playwright-core";
import { build, preview } from "vite";
import { appFolder, freePort } from "./liveServer.ts";

/** Where screenshots go; not in git. */
export const artifactsFolder = path.join(appFolder, ".artifacts");

/** An installed Chromium, or null. */
export function findChromium(): string | null {
  const candidates = [process.env["LENSLET_CHROMIUM"], "/usr/bin/chromium"];
  return candidates.find((file) => file !== undefined && file !== "" && fs.existsSync(file)) ?? null;
}

export async function launchChromium(executablePath: string): Promise<Browser> {
  fs.mkdirSync(artifactsFolder, { recursive: true });
  return await chromium.launch({
    executablePath,
    args: ["--no-sandbox", "--disable-quic", "--disable-background-networking"],
  });
}

/** Builds the page for a server and serves what was built. */
export async function servePage(convexUrl: string): Promise<{ url: string; close: () => Promise<void> }> {
  const outDir = fs.mkdtempSync(path.join(os.tmpdir(), "starter-chat-page-"));
  const common = { root: appFolder, logLevel: "error" as const };
  process.env["VITE_CONVEX_URL"] = convexUrl;
  await build({ ...common, build: { outDir, emptyOutDir: true, sourcemap: false } });
  const port = await freePort();
  const server = await preview({
    ...common,
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
  const page = await context.newPage();
  const errors: string[] = [];
  page.on("pageerror", (error) => errors.push(String(error)));
  await page.goto(url);
  return { page, context, errors };
}

export async function signIn(page: Page, name: string, email: string): Promise<void> {
  await page.getByLabel("Name").fill(name);
  await page.getByLabel("E-mail").fill(email);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByRole("complementary").getByRole("button", { name: "New chat" }).waitFor();
}

export async function shoot(page: Page, name: string): Promise<void> {
  await page.screenshot({ path: path.join(artifactsFolder, `${name}.png`) });
}
