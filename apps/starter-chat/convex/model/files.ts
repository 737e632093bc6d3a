import type { Doc, Id } from "../_generated/dataModel.js";
import type { QueryCtx } from "../_generated/server.js";
import { appError } from "./errors.ts";
import { limits } from "./limits.ts";

/** MIME types that may be attached. What a browser would run (HTML, SVG, scripts) is not among them. */
export const allowedFileTypes: readonly string[] = [
  "image/png",
  "image/jpeg",
  "image/gif",
  "image/webp",
  "image/avif",
  "application/pdf",
  "text/plain",
  "text/markdown",
  "text/csv",
  "application/json",
  "application/zip",
  "audio/mpeg",
  "audio/ogg",
  "audio/wav",
  "video/mp4",
  "video/webm",
  "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
  "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
  "application/vnd.openxmlformats-officedocument.presentationml.presentation",
];

export function checkFileType(type: string): string {
  const plain = type.split(";")[0]?.trim().toLowerCase() ?? "";
  if (!allowedFileTypes.includes(plain))
    throw appError(
      "invalid",
      `Files of the type ${plain === "" ? "unknown" : plain} cannot be attached.`,
      "fileType",
    );
  return plain;
}

/** A name without a path: what comes after the last slash of any kind. */
export function checkFileName(text: string): string {
  const name = (text.split(/[/\\]/).at(-1) ?? "").trim();
  if (name === "") throw appError("invalid", "A file needs a name.", "fileName");
  if (name.length > limits.fileNameLengthMax)
    throw appError("invalid", `A file name has at most ${limits.fileNameLengthMax} characters.`, "fileName");
  return name;
}

export function checkFileSize(size: number): number {
  if (size > limits.fileBytesMax)
    throw appError("invalid", `A file has at most ${limits.fileBytesMax / 1024 / 1024} MB.`, "fileSize");
  return size;
}

/** The caller's attachment of this chat with this file, which is what a message may point to. */
export async function findAttachment(
  ctx: QueryCtx,
  chatId: Id<"chats">,
  fileId: Id<"_storage">,
): Promise<Doc<"chat_attachments"> | null> {
  return await ctx.db
    .query("chat_attachments")
    .withIndex("by_chat_file", (q) => q.eq("chatId", chatId).eq("fileId", fileId))
    .order("desc")
    .first();
}
