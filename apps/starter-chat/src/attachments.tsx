import { useConvex } from "convex/react";
import { useRef, useState } from "react";
import { api } from "../convex/_generated/api.js";
import type { Id } from "../convex/_generated/dataModel.js";
import type { MessagePart } from "../convex/model/parts.ts";
import { limits } from "../convex/model/limits.ts";
import { failureText } from "./failures.ts";
import { fileSize } from "./format.ts";
import { CloseIcon } from "./icons.tsx";

export type FilePart = Extract<MessagePart, { type: "file" }>;

/** A file on its way into a message. */
export interface Draft {
  readonly key: string;
  readonly name: string;
  readonly size: number;
  /** 0 to 1 */
  readonly progress: number;
  readonly part: FilePart | null;
  readonly failure: string | null;
}

/** The files that have been chosen for the next message of a chat. */
export function useAttachmentDrafts(chatId: Id<"chats">) {
  const client = useConvex();
  const [drafts, setDrafts] = useState<readonly Draft[]>([]);
  const requests = useRef(new Map<string, XMLHttpRequest>());
  const change = (key: string, fields: Partial<Draft>) =>
    setDrafts((all) => all.map((draft) => (draft.key === key ? { ...draft, ...fields } : draft)));

  const upload = async (key: string, file: File) => {
    if (file.size > limits.fileBytesMax)
      throw new Error(`A file has at most ${fileSize(limits.fileBytesMax)}.`);
    const { generateUploadUrl, uploadAttachment } = api.functions.mutations.attachments;
    const url = await client.mutation(generateUploadUrl, { chatId });
    const fileId = await send(url, file, (progress, request) => {
      requests.current.set(key, request);
      change(key, { progress });
    });
    const added = await client.mutation(uploadAttachment, { chatId, fileId, fileName: file.name });
    if (!added.ok) throw new Error(added.message);
    const { fileType, fileSize: size } = added;
    change(key, {
      progress: 1,
      part: { type: "file", fileId, fileName: file.name, fileType, fileSize: size },
    });
  };

  return {
    drafts,
    add(files: Iterable<File>) {
      for (const file of files) {
        const key = crypto.randomUUID();
        const draft = { key, name: file.name, size: file.size, progress: 0, part: null, failure: null };
        setDrafts((all) => [...all, draft]);
        upload(key, file).catch((error: unknown) => {
          const own = error instanceof Error && !("data" in error) ? error.message : failureText(error);
          change(key, { failure: own });
        });
      }
    },
    remove(key: string) {
      requests.current.get(key)?.abort();
      setDrafts((all) => all.filter((draft) => draft.key !== key));
    },
    clear: () => setDrafts([]),
  };
}

/** With XMLHttpRequest, because fetch does not tell how far an upload has come. */
function send(
  url: string,
  file: File,
  onProgress: (progress: number, request: XMLHttpRequest) => void,
): Promise<Id<"_storage">> {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", url);
    if (file.type !== "") request.setRequestHeader("content-type", file.type);
    request.upload.addEventListener("progress", ({ loaded, total }) =>
      onProgress(total === 0 ? 0 : loaded / total, request),
    );
    request.addEventListener("load", () => {
      if (request.status !== 200) reject(new Error(`The upload failed (${request.status}).`));
      else resolve((JSON.parse(request.responseText) as { storageId: Id<"_storage"> }).storageId);
    });
    request.addEventListener("error", () => reject(new Error("The upload was interrupted.")));
    request.addEventListener("abort", () => reject(new Error("Removed.")));
    request.send(file);
  });
}

export function AttachmentDrafts({
  drafts,
  onRemove,
}: {
  drafts: readonly Draft[];
  onRemove: (key: string) => void;
}) {
  if (drafts.length === 0) return null;
  return (
    <ul className="drafts" aria-label="Files to send">
      {drafts.map(({ key, name, size, progress, part, failure }) => (
        <li key={key} className={failure === null ? "draft" : "draft failed"}>
          <span className="draft-name">{name}</span>
          {failure !== null ? (
            <span role="alert">{failure}</span>
          ) : part === null ? (
            <progress value={progress} aria-label={`Uploading ${name}`} />
          ) : (
            <span className="muted">{fileSize(size)}</span>
          )}
          <button
            type="button"
            className="icon-button small"
            aria-label={`Remove ${name}`}
            onClick={() => onRemove(key)}
          >
            <CloseIcon />
          </button>
        </li>
      ))}
    </ul>
  );
}
