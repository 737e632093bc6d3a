import { describe, expect, it } from "vitest";
import { internal } from "../../_generated/api.js";
import type { Id } from "../../_generated/dataModel.js";
import {
  firstPage,
  makeChat,
  mutations,
  type Person,
  queries,
  refusal,
  refusals,
  sharedChat,
  somebody,
  startBackend,
  until,
} from "../../tests/backend.support.ts";

const backend = startBackend();
const { attachments } = mutations;
const bytesOf = (text: string) => Uint8Array.from(text, (char) => char.charCodeAt(0));

async function attach(person: Person, chatId: Id<"chats">, content: string, type: string, fileName = "file") {
  const fileId = await backend.run((ctx) => ctx.storage.store(new Blob([bytesOf(content)], { type })));
  const added = await person.mutation(attachments.uploadAttachment, { chatId, fileId, fileName });
  if (!added.ok) throw new Error(added.message);
  return { fileId, attachmentId: added.attachmentId };
}
const look = (person: Person, chatId: Id<"chats">, fileId: Id<"_storage">) =>
  person.query(queries.attachments.getAttachmentUrl, { chatId, fileId });

describe("attachments", () => {
  it("are looked into: ready with what was found, or in error", async () => {
    const ada = await somebody(backend);
    const chatId = await makeChat(ada);
    expect(await ada.mutation(attachments.generateUploadUrl, { chatId })).toMatch(/^http/);
    const csv = await attach(ada, chatId, "a,b\n1,2\n", "text/csv");
    const fake = await attach(ada, chatId, "this is no picture", "image/png");
    const status = async (fileId: Id<"_storage">) => (await look(ada, chatId, fileId))?.status;
    await until(
      async () => (await status(csv.fileId)) === "ready" && (await status(fake.fileId)) === "error",
    );
    expect(await look(ada, chatId, csv.fileId)).toMatchObject({ metadata: { encoding: "utf-8" } });
    const list = await ada.query(queries.attachments.getChatAttachments, {
      chatId,
      paginationOpts: firstPage,
    });
    expect(list.page).toMatchObject([{ _id: fake.attachmentId }, { _id: csv.attachmentId, fileSize: 8 }]);
    const mine = await ada.query(queries.attachments.getMyAttachments, { paginationOpts: firstPage });
    expect(mine.page).toHaveLength(2);
  });

  it("are tried again when their action is gone, and given up at last", async () => {
    const ada = await somebody(backend);
    const chatId = await makeChat(ada);
    const { fileId, attachmentId } = await attach(ada, chatId, "text", "text/plain");
    await until(async () => (await look(ada, chatId, fileId))?.status === "ready");
    const set = (status: "processing") =>
      backend.run((ctx) => ctx.db.patch("chat_attachments", attachmentId, { status }));
    const check = (attempt: number) =>
      backend.mutation(internal.functions.mutations.attachments.checkProcessing, { attachmentId, attempt });
    await check(1); // it is ready: nothing happens
    await set("processing");
    await check(1);
    await until(async () => (await look(ada, chatId, fileId))?.status === "ready");
    await set("processing");
    await check(3);
    expect((await look(ada, chatId, fileId))?.status).toBe("error");
  });

  it("break no rule", async () => {
    const ada = await somebody(backend);
    const chatId = await makeChat(ada);
    const store = (type: string) => backend.run((ctx) => ctx.storage.store(new Blob(["x"], { type })));
    for (const [type, fileName, why] of [
      ["text/html", "x.html", "text/html"],
      ["application/x-sh", "x.sh", "application/x-sh"],
      ["text/plain", "", "name"],
      ["text/plain", "x".repeat(256), "255"],
    ] as const) {
      const fileId = await store(type);
      expect(await ada.mutation(attachments.uploadAttachment, { chatId, fileId, fileName })).toMatchObject({
        ok: false,
        message: expect.stringContaining(why),
      });
      expect(await backend.run((ctx) => ctx.storage.getUrl(fileId))).toBeNull();
    }
    const gone = await store("text/plain");
    await backend.run((ctx) => ctx.storage.delete(gone));
    const call = ada.mutation(attachments.uploadAttachment, { chatId, fileId: gone, fileName: "x" });
    expect(await refusal(call)).toMatchObject({ code: "not_found" });
    expect(await look(ada, chatId, gone)).toBeNull();
  });

  it("are public when somebody who may says so, and counted when fetched", async () => {
    const { ada, bob, chatId } = await sharedChat(backend);
    const eve = await somebody(backend, "Eve");
    const { attachmentId, fileId } = await attach(ada, chatId, "text", "text/plain", "notes.txt");
    const anyone = () => backend.query(queries.attachments.getPublicFile, { attachmentId });
    expect(await anyone()).toBeNull();
    expect(
      await refusal(bob.mutation(attachments.setPublic, { attachmentId, isPublic: true })),
    ).toMatchObject({ code: "forbidden" });
    expect(await refusal(bob.mutation(attachments.deleteAttachment, { attachmentId }))).toMatchObject({
      code: "forbidden",
    });
    await ada.mutation(attachments.setPublic, { attachmentId, isPublic: true });
    expect(await anyone()).toMatchObject({ fileName: "notes.txt", fileType: "text/plain", fileSize: 4 });
    await bob.mutation(attachments.recordDownload, { attachmentId });
    await ada.mutation(attachments.recordDownload, { attachmentId });
    expect(await look(bob, chatId, fileId)).toMatchObject({ downloadCount: 2, isPublic: true });
    for (const data of await refusals([
      eve.mutation(attachments.setPublic, { attachmentId, isPublic: false }),
      eve.mutation(attachments.recordDownload, { attachmentId }),
      eve.mutation(attachments.deleteAttachment, { attachmentId }),
      look(eve, chatId, fileId),
    ]))
      expect(data).toMatchObject({ code: "not_found" });
    await ada.mutation(attachments.deleteAttachment, { attachmentId });
    expect(await anyone()).toBeNull();
    expect(await refusal(ada.mutation(attachments.recordDownload, { attachmentId }))).toMatchObject({
      code: "not_found",
    });
  });

  it("belong to the messages that show them", async () => {
    const { ada, bob, chatId } = await sharedChat(backend);
    const { fileId } = await attach(ada, chatId, "text", "text/plain");
    const part = { type: "file" as const, fileId, fileName: "file", fileType: "text/plain", fileSize: 4 };
    const send = (who: Person) => who.mutation(mutations.messages.sendMessage, { chatId, parts: [part] });
    expect(await refusal(send(bob))).toMatchObject({ code: "invalid", field: "parts" });
    const messageId = await send(ada);
    const list = () =>
      ada.query(queries.attachments.getChatAttachments, { chatId, paginationOpts: firstPage });
    expect((await list()).page).toMatchObject([{ messageId }]);
    await ada.mutation(mutations.messages.deleteMessage, { messageId });
    expect((await list()).page[0]).not.toHaveProperty("messageId");
  });
});
