import fs from "node:fs";
import { Readable } from "node:stream";
import type { GenericId } from "convex/values";
import type { TestServer } from "../support/server.ts";

const chunk = Buffer.alloc(1024 * 1024, "lenslet ");
const lookEveryBytes = 64 * chunk.length;

/** Memory of the server while something goes on. */
export class ResidentMemory {
  readonly #pid: number;
  readonly beforeMib: number;
  mostMib: number;
  #movedBytes = 0;

  constructor(server: TestServer) {
    this.#pid = server.pid;
    this.beforeMib = this.#look();
    this.mostMib = this.beforeMib;
  }

  /** To be told how many bytes have gone by in all. */
  note(bytes: number): void {
    if (bytes - this.#movedBytes < lookEveryBytes && bytes > this.#movedBytes) return;
    this.#movedBytes = bytes;
    this.mostMib = Math.max(this.mostMib, this.#look());
  }

  #look(): number {
    const status = fs.readFileSync(`/proc/${this.#pid}/status`, "utf8");
    return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) / 1024;
  }
}

/** Streams a file of this size up; no more of it than a chunk ever exists here. */
export async function uploadLargeFile(
  uploadUrl: string,
  sizeBytes: number,
  memory: ResidentMemory,
): Promise<GenericId<"_storage">> {
  function* body() {
    for (let sent = 0; sent < sizeBytes; sent += chunk.length) {
      memory.note(sent);
      yield chunk;
    }
  }
  const stream = Readable.toWeb(Readable.from(body())) as ReadableStream;
  const response = await fetch(uploadUrl, { method: "POST", body: stream, duplex: "half" } as RequestInit);
  if (response.status !== 200) throw new Error(`${response.status} ${await response.text()}`);
  return ((await response.json()) as { storageId: GenericId<"_storage"> }).storageId;
}

/** Streams it down; resolves with its length, which is also what the server announced. */
export async function downloadLargeFile(url: string, memory: ResidentMemory): Promise<number> {
  const response = await fetch(url);
  let received = 0;
  for await (const part of response.body as unknown as AsyncIterable<Uint8Array>) {
    received += part.length;
    memory.note(received);
  }
  const announced = Number(response.headers.get("content-length"));
  if (received !== announced) throw new Error(`${received} bytes came of ${announced}`);
  return received;
}
