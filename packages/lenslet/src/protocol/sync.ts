import { badRequest, LensletError } from "../base/errors.ts";
import { parseUserAttributes, type ParsedUserAttributes } from "./syncIdentity.ts";

/**
 * Client → server messages of the sync protocol (reference sync-protocol.md §3). Hand-written rather than a zod schema:
 * one call per incoming frame on the thread that serves every socket, and the texts name the field that is wrong.
 */
export type ClientMessage =
  ConnectMessage | ModifyQuerySetMessage | CallMessage | AuthenticateMessage | EventMessage;

export interface ConnectMessage {
  readonly type: "Connect";
  /** UUID, lower case with hyphens. */
  readonly sessionId: string;
  readonly connectionCount: number;
  readonly lastCloseReason: string | null;
  readonly maxObservedTimestamp: bigint | null;
  /** Milliseconds since the epoch by the client's clock. */
  readonly clientTs: number | null;
}

export interface ModifyQuerySetMessage {
  readonly type: "ModifyQuerySet";
  readonly baseVersion: number;
  readonly newVersion: number;
  readonly modifications: readonly QuerySetModification[];
}
export type QuerySetModification = AddQuery | { readonly type: "Remove"; readonly queryId: number };
export interface AddQuery {
  readonly type: "Add";
  readonly queryId: number;
  readonly udfPath: string;
  /** JSON text of the positional argument array. */
  readonly argsJson: string;
  readonly journal: string | null;
  readonly componentPath: string;
}

export interface CallMessage {
  readonly type: "Mutation" | "Action";
  readonly requestId: number;
  readonly udfPath: string;
  readonly argsJson: string;
  readonly componentPath: string;
}

export type AuthenticateMessage = { readonly type: "Authenticate"; readonly baseVersion: number } & (
  | { readonly tokenType: "None" }
  | { readonly tokenType: "User"; readonly value: string }
  | { readonly tokenType: "Admin"; readonly value: string; readonly actingAs: ParsedUserAttributes | null }
);

/** Telemetry; its content is ignored. */
export interface EventMessage {
  readonly type: "Event";
  readonly eventType: string;
}

/** Parses one text frame. Throws BadRequest `WSMessageInvalidJson`. */
export function parseClientMessage(text: string): ClientMessage {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw invalidMessage(error instanceof Error ? error.message : "not JSON");
  }
  const message = objectOf(json, "message");
  const type = message["type"];
  switch (type) {
    case "Connect":
      return parseConnect(message);
    case "ModifyQuerySet":
      return parseModifyQuerySet(message);
    case "Mutation":
    case "Action":
      return {
        type,
        requestId: smallInteger(message, "requestId"),
        udfPath: requiredText(message, "udfPath"),
        argsJson: argsJson(message),
        componentPath: optionalText(message, "componentPath") ?? "",
      };
    case "Authenticate":
      return parseAuthenticate(message);
    case "Event":
      return { type, eventType: requiredText(message, "eventType") };
    default:
      throw invalidMessage(
        type === undefined ? "missing field `type`" : `unknown message type ${quote(type)}`,
      );
  }
}

export function invalidMessage(detail: string): LensletError {
  return badRequest("WSMessageInvalidJson", `Received Invalid JSON on websocket: ${detail}`);
}

type Fields = Readonly<Record<string, unknown>>;

function parseConnect(message: Fields): ConnectMessage {
  const sessionId = requiredText(message, "sessionId");
  if (!/^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i.test(sessionId)) {
    throw invalidMessage(`field \`sessionId\` must be a UUID, got ${quote(sessionId)}`);
  }
  const observed = optionalText(message, "maxObservedTimestamp");
  const clientTs = message["clientTs"];
  if (clientTs !== undefined && clientTs !== null && typeof clientTs !== "number") {
    throw invalidMessage("field `clientTs` must be a number");
  }
  return {
    type: "Connect",
    sessionId: sessionId.toLowerCase(),
    connectionCount: smallInteger(message, "connectionCount"),
    lastCloseReason: optionalText(message, "lastCloseReason"),
    maxObservedTimestamp: observed === null ? null : parseU64(observed, "maxObservedTimestamp"),
    clientTs: clientTs ?? null,
  };
}

function parseModifyQuerySet(message: Fields): ModifyQuerySetMessage {
  const baseVersion = smallInteger(message, "baseVersion");
  const newVersion = smallInteger(message, "newVersion");
  if (newVersion <= baseVersion)
    throw invalidMessage("field `newVersion` must be greater than `baseVersion`");
  const modifications = message["modifications"];
  if (!Array.isArray(modifications)) throw invalidMessage("field `modifications` must be an array");
  return {
    type: "ModifyQuerySet",
    baseVersion,
    newVersion,
    modifications: modifications.map(parseModification),
  };
}

function parseModification(json: unknown): QuerySetModification {
  const fields = objectOf(json, "modification");
  const type = fields["type"];
  const queryId = smallInteger(fields, "queryId");
  if (type === "Remove") return { type, queryId };
  if (type !== "Add") throw invalidMessage(`unknown modification type ${quote(type)}`);
  return {
    type,
    queryId,
    udfPath: requiredText(fields, "udfPath"),
    argsJson: argsJson(fields),
    journal: optionalText(fields, "journal"),
    componentPath: optionalText(fields, "componentPath") ?? "",
  };
}

function parseAuthenticate(message: Fields): AuthenticateMessage {
  const type = "Authenticate";
  const baseVersion = smallInteger(message, "baseVersion");
  const tokenType = message["tokenType"];
  switch (tokenType) {
    case "None":
      return { type, baseVersion, tokenType };
    case "User":
      return { type, baseVersion, tokenType, value: requiredText(message, "value") };
    case "Admin": {
      const attributes = message["impersonating"] ?? message["acting_as"] ?? null;
      const actingAs = attributes === null ? null : parseActingAs(attributes);
      return { type, baseVersion, tokenType, value: requiredText(message, "value"), actingAs };
    }
    default:
      throw invalidMessage(`unknown token type ${quote(tokenType)}`);
  }
}

function parseActingAs(attributes: unknown): ParsedUserAttributes {
  try {
    return parseUserAttributes(attributes);
  } catch (error) {
    throw error instanceof LensletError ? invalidMessage(error.message) : error;
  }
}

function objectOf(json: unknown, what: string): Fields {
  if (typeof json === "object" && json !== null && !Array.isArray(json)) return json as Fields;
  throw invalidMessage(`${what} must be an object`);
}

function requiredText(fields: Fields, name: string): string {
  const value = fields[name];
  if (typeof value === "string") return value;
  throw invalidMessage(
    value === undefined ? `missing field \`${name}\`` : `field \`${name}\` must be a string`,
  );
}

function optionalText(fields: Fields, name: string): string | null {
  const value = fields[name];
  if (value === undefined || value === null) return null;
  if (typeof value === "string") return value;
  throw invalidMessage(`field \`${name}\` must be a string`);
}

function smallInteger(fields: Fields, name: string): number {
  const value = fields[name];
  if (typeof value === "number" && value >= 0 && value <= 0xffff_ffff && Number.isInteger(value))
    return value;
  throw invalidMessage(
    value === undefined
      ? `missing field \`${name}\``
      : `field \`${name}\` must be an unsigned 32-bit integer`,
  );
}

function argsJson(fields: Fields): string {
  const args = fields["args"];
  if (!Array.isArray(args)) {
    throw invalidMessage(args === undefined ? "missing field `args`" : "field `args` must be an array");
  }
  try {
    return JSON.stringify(args);
  } catch {
    // JSON.parse takes any depth, JSON.stringify is bounded by the stack.
    throw invalidMessage("field `args` is nested too deeply");
  }
}

function quote(value: unknown): string {
  return (JSON.stringify(value) ?? "undefined").slice(0, 100);
}

/** 8 bytes little-endian in standard base64 with padding, e.g. `AAAAAAAAAAA=` for 0. */
export function encodeU64(value: bigint): string {
  const bytes = Buffer.allocUnsafe(8);
  bytes.writeBigUInt64LE(value);
  return bytes.toString("base64");
}

/** Null unless `text` is exactly what `encodeU64` writes for some number. */
export function decodeU64(text: string): bigint | null {
  if (text.length !== 12) return null;
  const bytes = Buffer.from(text, "base64");
  if (bytes.length !== 8 || bytes.toString("base64") !== text) return null;
  return bytes.readBigUInt64LE();
}

function parseU64(text: string, name: string): bigint {
  const value = decodeU64(text);
  if (value === null) throw invalidMessage(`field \`${name}\` must be 8 bytes in base64`);
  return value;
}
