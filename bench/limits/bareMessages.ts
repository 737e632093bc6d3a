import fs from "node:fs";
import { WebSocketServer } from "ws";
import { childConfig, serveCalls } from "../harness/calls.ts";

// Limit of W4 and W5: one ws server that parses next to nothing, and sends frames that were built before they were
// needed straight to the sockets. With a file, what has come in during a tick is written and synced before it goes
// out (W4); without, nothing is stored (W5).

const { file } = childConfig() as { file: string | null };
/** Length of a frame's payload; at first about that of the peers. */
let frameBytes = 150;
const descriptor = file === null ? null : fs.openSync(file, "w");
const recordBytes = 400;
const seqKey = Buffer.from('"seq":');
/** The number is written over the spaces, so that all frames have one length. */
const seqDigits = 10;

interface RawSocket {
  write(bytes: Buffer): void;
}

const subscribers = new Set<RawSocket>();
let pending: Buffer[] = [];

function frameOf(seq: string): Buffer {
  const payload = `{"type":"row","seq":${seq}${" ".repeat(seqDigits - seq.length)},"body":"`;
  const text = payload.padEnd(frameBytes - 2, "x") + '"}';
  const header = Buffer.alloc(text.length < 126 ? 2 : 4);
  header[0] = 0x81;
  header[1] = text.length < 126 ? text.length : 126;
  if (text.length >= 126) header.writeUInt16BE(text.length, 2);
  return Buffer.concat([header, Buffer.from(text)]);
}

function flush(): void {
  const frames = pending;
  pending = [];
  if (descriptor !== null) {
    fs.writeSync(descriptor, Buffer.alloc(recordBytes * frames.length, "x"));
    fs.fdatasyncSync(descriptor);
  }
  const bytes = frames.length === 1 && frames[0] !== undefined ? frames[0] : Buffer.concat(frames);
  for (const socket of subscribers) socket.write(bytes);
}

function start(): Promise<number> {
  const server = new WebSocketServer({ port: 0, host: "127.0.0.1", backlog: 4096, perMessageDeflate: false });
  server.on("connection", (socket, request) => {
    const raw = request.socket;
    socket.on("error", () => socket.terminate());
    socket.on("close", () => subscribers.delete(raw));
    socket.on("message", (data: Buffer) => {
      const at = data.indexOf(seqKey);
      if (at < 0) {
        subscribers.add(raw);
        socket.send("{}");
        return;
      }
      if (pending.length === 0) setImmediate(flush);
      pending.push(
        frameOf(String(Number.parseInt(data.toString("latin1", at + seqKey.length, at + 16), 10))),
      );
    });
  });
  return new Promise((resolve) => {
    server.once("listening", () => {
      const address = server.address();
      if (address !== null && typeof address !== "string") resolve(address.port);
    });
  });
}

serveCalls({
  start,
  setFrameBytes: (bytes: number) => {
    frameBytes = bytes;
  },
});
