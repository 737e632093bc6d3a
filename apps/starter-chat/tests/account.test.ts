import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { linkIn } from "./support/liveServer.ts";
import { signIn } from "./support/page.ts";
import { hasChromium, newChat, picture, say, sees, Site, waitMs } from "./support/site.ts";

describe.skipIf(!hasChromium)("one's account, in Chromium", { timeout: 300_000 }, () => {
  let site: Site;
  beforeAll(async () => {
    site = await Site.open();
  }, 120_000);
  afterAll(async () => await site?.close());

  it("says why an account is not made, and takes the next try", async () => {
    const { page, errors, context } = await site.visit();
    await page.getByRole("button", { name: "Create one" }).click();
    await page.getByLabel("Name").fill("O'Neil");
    await page.getByLabel("E-mail").fill(site.newEmail("Neil"));
    await page.getByLabel("Password").fill("correct horse battery");
    await page.getByRole("button", { name: "Create account" }).click();
    await page.getByText("A name has only letters").waitFor();
    await page.getByLabel("Name").fill("Neil");
    await page.getByRole("button", { name: "Create account" }).click();
    await page.getByRole("heading", { name: "Hello, Neil" }).waitFor({ timeout: waitMs });
    expect(errors).toEqual([]);
    await context.close();
  });

  it("signs out a device that is signed out from another one", async () => {
    const ada = await site.enter("Ada");
    const other = await site.visit();
    await signIn(other.page, ada.email);
    await ada.page.getByRole("button", { name: "Your account" }).click();
    await ada.page.getByRole("menuitem", { name: "Devices and password" }).click();
    await ada.page.getByText("This device").waitFor();
    await picture(ada.page, "20-devices-light");
    await ada.page.getByRole("button", { name: /^Sign out Chrome/ }).click();
    await other.page.getByText("ended on another device").waitFor({ timeout: waitMs });
    await ada.page.reload();
    await ada.page.getByRole("heading", { name: "Hello, Ada" }).waitFor();
    expect([...ada.errors, ...other.errors]).toEqual([]);
    await Promise.all([ada.context.close(), other.context.close()]);
  });

  it("gets one back in whose password is lost", async () => {
    const { page, email, errors, context } = await site.enter("Ada");
    await page.getByRole("button", { name: "Your account" }).click();
    await page.getByRole("menuitem", { name: "Sign out" }).click();
    await page.getByRole("button", { name: "Forgot your password?" }).click();
    await page.getByLabel("E-mail").fill(email);
    await page.getByRole("button", { name: "Send the link" }).click();
    await page.getByRole("heading", { name: "Look into your mail" }).waitFor();
    await picture(page, "21-look-into-mail-light");
    await page.goto(linkIn(await site.live.mailTo(email, "new password")));
    await page.getByLabel("New password").fill("an altogether different one");
    await picture(page, "22-new-password-light");
    await page.getByRole("button", { name: "Change password" }).click();
    await page.getByText("Your password has been changed").waitFor({ timeout: waitMs });
    await page.getByLabel("E-mail").fill(email);
    await page.getByLabel("Password").fill("an altogether different one");
    await page.getByRole("button", { name: "Sign in", exact: true }).click();
    await page.getByRole("heading", { name: "Hello, Ada" }).waitFor({ timeout: waitMs });
    expect(errors).toEqual([]);
    await context.close();
  });

  it("deletes the account with everything in it", async () => {
    const eve = await site.enter("Eve", { colorScheme: "dark" });
    const { page } = eve;
    await newChat(page);
    await say(page, "Nothing stays");
    await sees(page, "Nothing stays");
    await page.getByRole("button", { name: "Your account" }).click();
    await page.getByRole("menuitem", { name: "Delete account" }).click();
    await picture(page, "23-delete-account-dark");
    await page.getByRole("button", { name: "Delete everything" }).click();
    await page.getByRole("heading", { name: "Welcome" }).waitFor({ timeout: waitMs });
    await expect(site.live.signIn(eve.email)).rejects.toThrow("INVALID_EMAIL_OR_PASSWORD");
    expect(eve.errors).toEqual([]);
    await eve.context.close();
  });
});
