import { escapeHtml } from "./htmlPage.ts";

interface ShownMail {
  readonly id: string;
  readonly to: readonly string[];
  readonly subject: string;
  readonly text?: string;
  readonly html?: string;
}

/** The mails as a page for people, the newest first; it looks for new ones by itself. */
export function outboxPage(mails: readonly ShownMail[]): string {
  const articles = mails
    .toReversed()
    .map(
      ({ to, subject, text, html }) =>
        `<article><h2>${escapeHtml(subject)}</h2><p class="to">to ${escapeHtml(to.join(", "))}</p><pre>${linked(text ?? stripped(html ?? ""))}</pre></article>`,
    );
  return `<!doctype html><html lang="en"><head><meta charset="utf-8"><meta http-equiv="refresh" content="3">
<meta name="viewport" content="width=device-width"><title>Mails (${mails.length})</title><style>
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { max-width: 42rem; margin: 2rem auto; padding: 0 1rem; }
article { border: 1px solid color-mix(in srgb, currentColor 25%, transparent); border-radius: 8px; padding: 0 1rem; margin: 1rem 0; }
h2 { font-size: 1.1rem; margin: 1rem 0 0; } .to { margin: 0; opacity: 0.75; }
pre { font: inherit; white-space: pre-wrap; overflow-wrap: anywhere; }
</style></head><body><h1>Mails</h1><p>What would have been sent; nothing leaves this computer.</p>
${articles.length === 0 ? "<p>None yet.</p>" : articles.join("\n")}</body></html>`;
}

function linked(text: string): string {
  return text
    .split(/(https?:\/\/[^\s<>"]+)/)
    .map((part, index) =>
      index % 2 === 1
        ? `<a href="${escapeHtml(part)}" target="_blank">${escapeHtml(part)}</a>`
        : escapeHtml(part),
    )
    .join("");
}

function stripped(html: string): string {
  return html.replace(/<[^>]*>/g, " ");
}
