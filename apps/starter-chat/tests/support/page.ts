import type { Page } from "playwright-core";
import { password } from "./liveServer.ts";

/** Creates an account in the page; the address is not confirmed by it. */
export async function signUp(page: Page, name: string, email: string): Promise<void> {
  await page.getByRole("button", { name: "Create one" }).click();
  await page.getByLabel("Name").fill(name);
  await page.getByLabel("E-mail").fill(email);
  await page.getByLabel("Password").fill(password);
  await page.getByRole("button", { name: "Create account" }).click();
  await isIn(page);
}

/** Signs in as somebody who has an account. */
export async function signIn(page: Page, email: string): Promise<void> {
  await page.getByLabel("E-mail").fill(email);
  await page.getByLabel("Password").fill(password);
  await page.getByRole("button", { name: "Sign in", exact: true }).click();
  await isIn(page);
}

async function isIn(page: Page): Promise<void> {
  await page.getByRole("complementary").getByRole("button", { name: "New chat" }).waitFor();
}
