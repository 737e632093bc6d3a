/**
 * Sends a file to a signed address. `fetch` does not say how far an upload is, so this is the older way.
 * Rejects when it does not get through.
 */
export function putFile(
  url: string,
  file: File,
  { progressed, signal }: { progressed: (share: number) => void; signal: AbortSignal },
): Promise<void> {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("PUT", url);
    if (file.type !== "") request.setRequestHeader("content-type", file.type);
    request.upload.addEventListener("progress", ({ loaded, total }) => {
      progressed(total === 0 ? 0 : loaded / total);
    });
    request.addEventListener("load", () => {
      if (request.status < 300) resolve();
      else reject(new Error(`The file store answered ${request.status}.`));
    });
    request.addEventListener("error", () => reject(new Error("The file store cannot be reached.")));
    request.addEventListener("abort", () => reject(new Error("Cancelled.")));
    signal.addEventListener("abort", () => request.abort());
    request.send(file);
  });
}
