import { useMutation } from "convex/react";
import { useCallback } from "react";
import { api } from "../../packages/convex/_generated/api.js";
import type { Id } from "../../packages/convex/_generated/dataModel.js";

/** The kinds of file the desk takes; the backend has the last word. */
export const acceptedFiles = "image/png,image/jpeg,image/gif,image/webp,application/pdf,text/plain";

export interface Uploaded {
  readonly storageId: Id<"_storage">;
  readonly name: string;
}

/** Sends a file to the deployment; a message takes it from there. */
export function useUpload(token: string): (file: File) => Promise<Uploaded> {
  const uploadUrl = useMutation(api.attachments.uploadUrl);
  return useCallback(
    async (file) => {
      const response = await fetch(await uploadUrl({ token }), {
        method: "POST",
        headers: { "content-type": file.type },
        body: file,
      });
      if (!response.ok) throw new Error("The file could not be sent. Try again.");
      const { storageId } = (await response.json()) as { storageId: Id<"_storage"> };
      return { storageId, name: file.name };
    },
    [token, uploadUrl],
  );
}

export function sizeText(bytes: number): string {
  if (bytes < 1000) return `${bytes} B`;
  return bytes < 1_000_000 ? `${Math.round(bytes / 1000)} kB` : `${(bytes / 1_000_000).toFixed(1)} MB`;
}
