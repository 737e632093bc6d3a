/** What is in a snapshot; part of every ZIP. */
export const readme = `This is a snapshot of a Lenslet deployment, in the layout that \`convex import\` reads.

_tables/documents.jsonl          names and numbers of the tables
<table>/documents.jsonl          one document in each line: integers are Int64, floats have a decimal point
<table>/generated_schema.jsonl   how to read numbers: "uniform"
_storage/documents.jsonl         metadata of files
_storage/<id>.<extension>        their contents
_components/<name>/...           the same for each component
`;

const extensions: Readonly<Record<string, string>> = {
  "application/gzip": ".gz",
  "application/javascript": ".js",
  "application/json": ".json",
  "application/msword": ".doc",
  "application/octet-stream": ".bin",
  "application/pdf": ".pdf",
  "application/rtf": ".rtf",
  "application/xml": ".xml",
  "application/zip": ".zip",
  "audio/aac": ".aac",
  "audio/mpeg": ".mp3",
  "audio/ogg": ".ogg",
  "audio/wav": ".wav",
  "audio/webm": ".weba",
  "image/avif": ".avif",
  "image/bmp": ".bmp",
  "image/gif": ".gif",
  "image/jpeg": ".jpeg",
  "image/png": ".png",
  "image/svg+xml": ".svg",
  "image/webp": ".webp",
  "text/css": ".css",
  "text/csv": ".csv",
  "text/html": ".html",
  "text/javascript": ".js",
  "text/markdown": ".md",
  "text/plain": ".txt",
  "video/mp4": ".mp4",
  "video/mpeg": ".mpeg",
  "video/quicktime": ".mov",
  "video/webm": ".webm",
};

/** With its dot; "" for a type that has none here. */
export function extensionOf(contentType: string | null): string {
  const essence = contentType?.split(";", 1)[0]?.trim().toLowerCase() ?? "";
  return Object.hasOwn(extensions, essence) ? (extensions[essence] as string) : "";
}
