import { useMutation, useQuery } from "convex/react";
import { createContext, useContext } from "react";
import { api } from "../convex/_generated/api.js";
import type { Id } from "../convex/_generated/dataModel.js";
import type { FilePart } from "./attachments.tsx";
import { fileSize } from "./format.ts";
import { FileIcon } from "./icons.tsx";

/** The link by which somebody reads who need not be signed in; null: they are, and the chat is theirs to read. */
export const LinkTokenContext = createContext<string | null>(null);

/** A file in a message: a picture, or a line to download it by. */
export function FileInMessage({ chatId, part }: { chatId: Id<"chats">; part: FilePart }) {
  const token = useContext(LinkTokenContext);
  const { fileId, fileName, fileType } = part;
  const { getAttachmentUrl } = api.functions.queries.attachments;
  const own = useQuery(getAttachmentUrl, token === null ? { chatId, fileId } : "skip");
  const linked = useQuery(
    api.functions.queries.shares.getSharedFileUrl,
    token === null ? "skip" : { token, fileId },
  );
  const recordDownload = useMutation(api.functions.mutations.attachments.recordDownload);
  const found = token === null ? own : linked;
  if (found === null) return <p className="file-part muted">{fileName} has been deleted.</p>;
  if (own?.status === "error")
    return (
      <p className="file-part refused">
        <FileIcon />
        <span>{fileName} is not what its name says, and cannot be opened.</span>
      </p>
    );
  if (found !== undefined && fileType.startsWith("image/")) {
    const dimensions = own?.metadata?.dimensions;
    return (
      <a href={found.url} target="_blank" rel="noreferrer" className="image-link">
        <img className="image-part" src={found.url} alt={fileName} loading="lazy" {...dimensions} />
      </a>
    );
  }
  const state = own?.status === "processing" || own?.status === "uploading" ? " · being checked" : "";
  return (
    <p className="file-part">
      <FileIcon />
      <span className="file-text">
        <a
          href={found?.url}
          target="_blank"
          rel="noreferrer"
          aria-disabled={found === undefined}
          onClick={() => {
            if (token === null && found !== undefined)
              void recordDownload({ attachmentId: found.attachmentId }).catch(() => {});
          }}
        >
          {fileName}
        </a>
        <span className="muted">
          {fileSize(part.fileSize)}
          {state}
        </span>
      </span>
    </p>
  );
}
