import { useMutation, usePaginatedQuery, useQuery } from "convex/react";
import { api } from "../convex/_generated/api.js";
import type { Account, Attachment, ChatDetails } from "../convex/model/views.ts";
import { Dialog } from "./dialog.tsx";
import { fileSize, listTime } from "./format.ts";
import { CloseIcon, FileIcon } from "./icons.tsx";
import { Loading } from "./loading.tsx";
import { useNow } from "./now.ts";
import { useAttempt } from "./toasts.tsx";

const pageItems = 20;

/** All files of a chat, the newest first. */
export function FilesDialog({
  chat,
  account,
  onClose,
}: {
  chat: ChatDetails;
  account: Account;
  onClose: () => void;
}) {
  const { results, status, loadMore } = usePaginatedQuery(
    api.functions.queries.attachments.getChatAttachments,
    { chatId: chat._id },
    { initialNumItems: pageItems },
  );
  return (
    <Dialog title="Files of this chat" onClose={onClose} size="wide">
      {status === "LoadingFirstPage" ? (
        <Loading />
      ) : results.length === 0 ? (
        <p className="dialog-text">No files yet. Drop one on the chat, paste one, or use the paper clip.</p>
      ) : (
        <ul className="people files" aria-label="Files">
          {results.map((file) => (
            <FileEntry
              key={file._id}
              file={file}
              canDelete={chat.access.isOwner || (file.uploader?._id === account._id && chat.access.canWrite)}
            />
          ))}
        </ul>
      )}
      {(status === "CanLoadMore" || status === "LoadingMore") && (
        <button
          type="button"
          className="quiet more"
          disabled={status === "LoadingMore"}
          onClick={() => loadMore(pageItems)}
        >
          Load more
        </button>
      )}
    </Dialog>
  );
}

function FileEntry({ file, canDelete }: { file: Attachment; canDelete: boolean }) {
  const { chatId, fileId } = file;
  const found = useQuery(api.functions.queries.attachments.getAttachmentUrl, { chatId, fileId });
  const recordDownload = useMutation(api.functions.mutations.attachments.recordDownload);
  const deleteAttachment = useMutation(api.functions.mutations.attachments.deleteAttachment);
  const attempt = useAttempt();
  const nowMs = useNow();
  const downloads =
    file.downloadCount === 1 ? "1 download" : `${file.downloadCount.toLocaleString()} downloads`;
  const facts = [
    fileSize(file.fileSize),
    file.uploader?.name ?? "deleted account",
    listTime(file._creationTime, nowMs),
    ...(file.downloadCount === 0 ? [] : [downloads]),
    ...(file.status === "ready" ? [] : [file.status === "error" ? "refused" : "being checked"]),
  ];
  return (
    <li>
      <span className="link-mark" aria-hidden="true">
        {file.fileType.startsWith("image/") && found !== undefined && found !== null ? (
          <img src={found.url} alt="" loading="lazy" />
        ) : (
          <FileIcon />
        )}
      </span>
      <span className="who">
        {file.status === "error" ? (
          <span className="who-name">{file.fileName}</span>
        ) : (
          <a
            className="who-name"
            href={found?.url}
            target="_blank"
            rel="noreferrer"
            onClick={() => void recordDownload({ attachmentId: file._id }).catch(() => {})}
          >
            {file.fileName}
          </a>
        )}
        <span className="who-email">{facts.join(" · ")}</span>
      </span>
      {canDelete && (
        <button
          type="button"
          className="icon-button small"
          aria-label={`Delete ${file.fileName}`}
          title="Delete"
          onClick={() => attempt(() => deleteAttachment({ attachmentId: file._id }))}
        >
          <CloseIcon />
        </button>
      )}
    </li>
  );
}
