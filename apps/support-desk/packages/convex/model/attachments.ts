import type { Infer } from "convex/values";
import type { Doc, Id } from "../_generated/dataModel.js";
import type { MutationCtx, QueryCtx } from "../_generated/server.js";
import type { attachment, sentAttachment } from "../schema.ts";
import { appError } from "./errors.ts";
import { limits } from "./limits.ts";
import { checkText } from "./validation.ts";

/** What can be shown or saved without running anything: no HTML, no SVG. */
const contentTypes = ["image/png", "image/jpeg", "image/gif", "image/webp", "application/pdf", "text/plain"];

/** The file of a message, or nothing: uploaded, small enough, of a kind we take, and in no other message. */
export async function checkAttachment(
  ctx: MutationCtx,
  given: Infer<typeof sentAttachment> | undefined,
): Promise<{ attachment?: Infer<typeof attachment> }> {
  if (given === undefined) return {};
  const refuse = (message: string) => appError("invalid", message, { field: "attachment" });
  const { storageId } = given;
  const file = await ctx.db.system.get(storageId);
  if (file === null) throw refuse("This file has not been uploaded.");
  const contentType = bareType(file.contentType ?? "");
  const reason = whyNot({ contentType, size: file.size });
  if (reason !== null) throw refuse(reason);
  if ((await messageOfFile(ctx, storageId)) !== null)
    throw refuse("This file is in another message already.");
  const name = checkText(given.name, "attachment", limits.fileNameLengthMax);
  return { attachment: { storageId, name, contentType, size: file.size } };
}

/** Why a file cannot be in a message; null when it can. */
export function whyNot({ contentType, size }: { contentType: string; size: number }): string | null {
  if (size > limits.attachmentBytesMax)
    return `A file may have at most ${limits.attachmentBytesMax / 1_000_000} MB.`;
  return contentTypes.includes(contentType) ? null : "Pictures, PDFs and plain text, please.";
}

/** "image/png" of "Image/PNG; charset=binary" */
export function bareType(header: string): string {
  return header.split(";")[0]?.trim().toLowerCase() ?? "";
}

export function messageOfFile(ctx: QueryCtx, storageId: Id<"_storage">): Promise<Doc<"messages"> | null> {
  return ctx.db
    .query("messages")
    .withIndex("by_attachment", (q) => q.eq("attachment.storageId", storageId))
    .first();
}

/** For whoever may see the message: where its file is, or that there will be one. */
export async function withUrl(ctx: QueryCtx, message: Doc<"messages">) {
  const { attachment: file, media, ...shown } = message;
  if (file === undefined) return { ...shown, attachment: undefined, isFileArriving: media !== undefined };
  const url = await ctx.storage.getUrl(file.storageId);
  return { ...shown, attachment: { ...file, url }, isFileArriving: false };
}

/** Deletes a message with its file. */
export async function deleteMessage(ctx: MutationCtx, message: Doc<"messages">): Promise<void> {
  if (message.attachment !== undefined) await ctx.storage.delete(message.attachment.storageId);
  await ctx.db.delete("messages", message._id);
}

/** A message in words only, for the model, the summary and the phone. */
export function textWithFile({ content, attachment: file, media }: Doc<"messages">): string {
  if (file === undefined && media === undefined) return content;
  return `${content}${content === "" ? "" : "\n"}[file: ${file?.name ?? "on its way"}]`;
}
