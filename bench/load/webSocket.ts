import { openSocket, type RawSocket } from "./socketReader.ts";

/**
 * A WebSocket client as lean as a load generator must be: no streams, no copies, no validation of what the server
 * sends beyond the framing. Used against every system alike.
 */
export interface WebSocketClient {
  send(text: string): void;
  destroy(): void;
}

/** `payload` is only valid during the call. */
export type OnMessage = (payload: Buffer) => void;

const opcodes = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const;
const headersEnd = Buffer.from("\r\n\r\n");

export async function openWebSocket(
  port: number,
  path: string,
  onMessage: OnMessage,
  onClosed: (reason: string) => void,
): Promise<WebSocketClient> {
  let upgraded: (() => void) | null = null;
  let refused: ((error: Error) => void) | null = null;
  let raw: RawSocket | null = null;
  const opened = new Promise<void>((resolve, reject) => {
    upgraded = resolve;
    refused = reject;
  });
  // A connection that fails before the upgrade is reported by `openSocket` or below; this handles the other one.
  opened.catch(() => {});
  let fragments: Buffer[] = [];

  const consumeFrames = (bytes: Buffer, start: number): number => {
    let at = start;
    for (;;) {
      const frame = parseFrameHeader(bytes, at);
      if (frame === null || frame.end > bytes.length) return at;
      const payload = bytes.subarray(frame.payloadStart, frame.end);
      at = frame.end;
      if (frame.opcode === opcodes.ping) raw?.write(clientFrame(opcodes.pong, Buffer.from(payload)));
      else if (frame.opcode <= opcodes.binary) {
        if (frame.final && fragments.length === 0) onMessage(payload);
        else {
          fragments.push(Buffer.from(payload));
          if (frame.final) {
            const whole = Buffer.concat(fragments);
            fragments = [];
            onMessage(whole);
          }
        }
      }
    }
  };

  let handshakeDone = false;
  raw = await openSocket(
    port,
    (bytes) => {
      if (handshakeDone) return consumeFrames(bytes, 0);
      const end = bytes.indexOf(headersEnd);
      if (end < 0) return 0;
      const head = bytes.toString("latin1", 0, end);
      if (!head.startsWith("HTTP/1.1 101")) {
        refused?.(new Error(`WebSocket refused: ${bytes.toString("latin1").slice(0, 400)}`));
        return bytes.length;
      }
      handshakeDone = true;
      upgraded?.();
      return consumeFrames(bytes, end + headersEnd.length);
    },
    (reason) => {
      refused?.(new Error(reason));
      onClosed(reason);
    },
  );
  const socket = raw;
  socket.write(
    `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
      "Sec-WebSocket-Key: bGVuc2xldC1iZW5jaG1hcg==\r\nSec-WebSocket-Version: 13\r\n\r\n",
  );
  await opened;
  return {
    send: (text) => socket.write(clientFrame(opcodes.text, Buffer.from(text))),
    destroy: () => socket.destroy(),
  };
}

interface FrameHeader {
  readonly opcode: number;
  readonly final: boolean;
  readonly payloadStart: number;
  readonly end: number;
}

function parseFrameHeader(bytes: Buffer, at: number): FrameHeader | null {
  if (bytes.length < at + 2) return null;
  const first = bytes[at] ?? 0;
  let length = (bytes[at + 1] ?? 0) & 0x7f;
  let payloadStart = at + 2;
  if (length === 126) {
    if (bytes.length < at + 4) return null;
    length = bytes.readUInt16BE(at + 2);
    payloadStart = at + 4;
  } else if (length === 127) {
    if (bytes.length < at + 10) return null;
    length = Number(bytes.readBigUInt64BE(at + 2));
    payloadStart = at + 10;
  }
  return { opcode: first & 0x0f, final: (first & 0x80) !== 0, payloadStart, end: payloadStart + length };
}

/** Masked with the key 0, which every server must undo like any other, and which costs us nothing. */
function clientFrame(opcode: number, payload: Buffer): Buffer {
  const short = payload.length < 126;
  if (payload.length > 0xffff) throw new Error("the load generator sends no frame above 64 KiB");
  const frame = Buffer.alloc((short ? 2 : 4) + 4 + payload.length);
  frame[0] = 0x80 | opcode;
  frame[1] = 0x80 | (short ? payload.length : 126);
  if (!short) frame.writeUInt16BE(payload.length, 2);
  payload.copy(frame, frame.length - payload.length);
  return frame;
}
