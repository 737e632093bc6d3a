import { expect, it } from "vitest";
import { stripeHeaders, svixHeaders } from "../../packages/stand-ins/src/webhooks.ts";
import type { World } from "./world.ts";

/** Packages that talk to services outside. */
export function servicePackages(world: () => World): void {
  const app = () => world().deployment;

  it("resend: sends in batches and learns from its webhook what became of a mail", async () => {
    const id = await app().call("mail:send", { to: "you@example.com", subject: "Hi" });
    await app().until("the mail is out", () => Promise.resolve(world().mail.outbox.length > 0));
    expect(world().mail.outbox).toMatchObject([{ to: ["you@example.com"], subject: "Hi", text: "Hello" }]);
    const status = async () => ((await app().call("mail:status", { id })) as { status: string }).status;
    await app().until("the mail counts as sent", async () => (await status()) === "sent");
    const created_at = new Date().toISOString();
    const data = {
      email_id: world().mail.outbox[0]?.id,
      created_at,
      from: "us@example.com",
      to: ["you@example.com"],
    };
    const event = JSON.stringify({
      type: "email.delivered",
      created_at,
      data: { ...data, subject: "Hi" },
    });
    const secret = `whsec_${Buffer.from("the secret of the webhook").toString("base64")}`;
    const signed = svixHeaders(secret, event);
    const post = (headers: Record<string, string>) =>
      fetch(`${app().server.siteUrl}/resend`, { method: "POST", headers, body: event });
    expect((await post({ ...signed, "svix-signature": "v1,d3Jvbmc=" })).status).toBe(500);
    expect((await post(signed)).status).toBe(201);
    await app().until("the mail counts as delivered", async () => (await status()) === "delivered");
    await app().until("the app is told", async () =>
      (await app().events("mail")).includes("email.delivered"),
    );
  });

  it("stripe: takes signed webhooks only", async () => {
    const customer = { id: "cus_1", object: "customer", email: "a@example.com", name: "A", metadata: {} };
    const event = JSON.stringify({
      id: "evt_1",
      object: "event",
      type: "customer.created",
      data: { object: customer },
    });
    const post = (headers: Record<string, string>) =>
      fetch(`${app().server.siteUrl}/stripe/webhook`, { method: "POST", headers, body: event });
    expect((await post(stripeHeaders("whsec_of_somebody_else", event))).status).toBe(400);
    expect(await app().call("payments:customer", { id: "cus_1" })).toBeNull();
    expect((await post(stripeHeaders("whsec_of_stripe", event))).status).toBe(200);
    expect(await app().call("payments:customer", { id: "cus_1" })).toMatchObject({
      email: "a@example.com",
      stripeCustomerId: "cus_1",
    });
  });

  it("autumn: counts what a customer uses, sells a plan, and knows who asks", async () => {
    const me = { subject: "cus_me", issuer: "https://people.example.com", name: "Me" };
    const ask = async (name: string, args: Readonly<Record<string, unknown>> = {}) =>
      (await app().server.call(`payments:${name}`, args, me)) as Answer;
    await expect(app().call("payments:check", { featureId: "messages" })).rejects.toThrow(
      "No customer identifier found for Autumn.identify()",
    );
    expect(await ask("createCustomer", {})).toMatchObject({
      data: { id: "cus_me", name: "Me" },
      statusCode: 200,
    });
    expect(await ask("check", { featureId: "messages" })).toMatchObject({
      data: { allowed: true, balance: 3 },
    });
    const properties = { someProperty: { keptAsItIs: true } };
    for (let i = 0; i < 3; i++)
      await ask("track", { featureId: "messages", idempotencyKey: `m${i}`, properties });
    expect(await ask("track", { featureId: "messages", idempotencyKey: "m2" })).toMatchObject({
      data: null,
      error: { code: "duplicate_idempotency_key" },
      statusCode: 409,
    });
    expect(
      world()
        .autumn.accounts.get("cus_me")
        .events.map((event) => event.properties),
    ).toEqual(Array.from({ length: 3 }, () => properties));
    expect(await ask("check", { featureId: "messages" })).toMatchObject({
      data: { allowed: false, balance: 0 },
    });

    expect(await ask("checkout", { productId: "pro" })).toMatchObject({
      data: { total: 20, currency: "usd", product: { scenario: "upgrade" }, current_product: { id: "free" } },
    });
    const { data: attached } = await ask("attach", {
      productId: "pro",
      successUrl: "https://app.example.com/",
    });
    expect(await ask("check", { productId: "pro" })).toMatchObject({ data: { allowed: false } });
    const paid = await fetch(String(attached?.["checkout_url"]), { method: "POST", redirect: "manual" });
    expect(paid.headers.get("location")).toBe("https://app.example.com/");
    expect(await ask("check", { productId: "pro" })).toMatchObject({
      data: { allowed: true, status: "active" },
    });
    expect(await ask("check", { featureId: "messages" })).toMatchObject({
      data: { allowed: true, unlimited: true },
    });
    expect(await ask("check", { featureId: "export" })).toMatchObject({ data: { allowed: true } });
    expect(await ask("createCustomer", { expand: ["invoices"] })).toMatchObject({
      data: { products: [{ id: "pro" }], invoices: [{ total: 20 }] },
    });
    expect(await ask("usage", { featureId: "messages" })).toMatchObject({
      data: { list: [{ messages: 3 }] },
    });
    expect(await ask("cancel", { productId: "pro", cancelImmediately: true })).toMatchObject({
      data: { success: true },
    });
    const { data: products } = await ask("listProducts");
    expect(products?.["list"]).toMatchObject([
      { id: "free", scenario: "active" },
      { id: "pro", scenario: "upgrade" },
    ]);
    expect(await ask("attach", { productId: "gold" })).toMatchObject({
      data: null,
      error: { message: "Product gold not found", code: "product_not_found" },
    });
  });

  it("r2: uploads through a signed URL, keeps the metadata, pages through it, deletes", async () => {
    const { key, url } = (await app().call("files:generateUploadUrl")) as { key: string; url: string };
    expect(new URL(url).origin).toBe(world().objects.url);
    const uploaded = await fetch(url, {
      method: "PUT",
      body: "A picture",
      headers: { "content-type": "image/png" },
    });
    expect(uploaded.status).toBe(200);
    await app().call("files:syncMetadata", { key });
    const metadata = async (of: string) =>
      (await app().call("files:getMetadata", { key: of })) as { url: string; size: number } | null;
    await app().until("the metadata is there", async () => (await metadata(key)) !== null);
    const picture = await metadata(key);
    expect(picture).toMatchObject({ key, bucket: "photos", contentType: "image/png", size: 9 });
    expect(await (await fetch(picture?.url ?? "")).text()).toBe("A picture");
    expect(await app().events("r2")).toEqual([{ key, isNew: true }]);

    expect(await app().call("files:store", { key: "notes/keep.txt", text: "Notes" })).toBe("notes/keep.txt");
    await expect(app().call("files:store", { key: "notes/keep.txt", text: "Again" })).rejects.toThrow(
      "Metadata already exists for key notes/keep.txt. Please use a unique key.",
    );
    const link = String(await app().call("files:link", { key: "notes/keep.txt" }));
    const response = await fetch(link);
    expect([response.headers.get("content-type"), await response.text()]).toEqual(["text/plain", "Notes"]);
    expect(new URL(link).searchParams.get("X-Amz-Expires")).toBe("60");

    const keys: string[] = [];
    for (let cursor: string | null = null, isDone = false; !isDone;) {
      const paginationOpts = { numItems: 1, cursor };
      const page = (await app().call("files:listMetadata", { paginationOpts })) as Page;
      keys.push(...page.page.map((each) => each.key));
      ({ continueCursor: cursor, isDone } = page);
    }
    expect(keys.toSorted()).toEqual([key, "notes/keep.txt"].toSorted());

    await expect(app().call("files:deleteObject", { key: "keep.txt" })).rejects.toThrow("this one stays");
    await app().call("files:deleteObject", { key });
    await app().until("the object is gone", async () => (await fetch(picture?.url ?? "")).status === 404);
    expect(await metadata(key)).toBeNull();
    expect((await fetch(link)).status).toBe(200);
  });
}

interface Answer {
  readonly data: Readonly<Record<string, unknown>> | null;
}

interface Page {
  readonly page: readonly { readonly key: string }[];
  readonly continueCursor: string;
  readonly isDone: boolean;
}
