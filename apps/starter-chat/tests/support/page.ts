import type { Page } from "playwright-core";

export async function signIn(page: Page, name: string, email: string): Promise<void> {
  await page.getByLabel("Name").fill(name);
  await page.getByLabel("E-mail").fill(email);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByRole("complementary").getByRole("button", { name: "New chat" }).waitFor();
}
