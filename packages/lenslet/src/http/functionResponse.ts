import type { FunctionResult } from "../engine/api.ts";
import type { OutputFormat } from "../protocol/http.ts";
import { formatEncoded } from "../protocol/outputFormat.ts";

/** JSON text of a function's answer (http-api.md §3.2, redaction: sync-protocol.md §5.7). */
export function functionResponse(
  result: FunctionResult,
  format: OutputFormat,
  requestId: string,
  redact: boolean,
): string {
  const logLines =
    redact || result.logLines.length === 0 ? "" : `,"logLines":${JSON.stringify(result.logLines)}`;
  if (result.ok) {
    return `{"status":"success","value":${formatEncoded(result.valueJson, format)}${logLines}}`;
  }
  const { message, dataJson } = result.error;
  const errorMessage = JSON.stringify(clientErrorText(message, requestId, redact));
  const errorData = dataJson === undefined ? "" : `,"errorData":${formatEncoded(dataJson, format)}`;
  return `{"status":"error","errorMessage":${errorMessage}${errorData}${logLines}}`;
}

function clientErrorText(message: string, requestId: string, redact: boolean): string {
  const head = `[Request ID: ${requestId}] Server Error`;
  if (redact) return head;
  return `${head}\n${message}${message.endsWith("\n") ? "" : "\n"}`;
}
