import type { ServiceAnswer } from "./service.ts";

/** A page that a stand-in shows to a person. `main` is HTML. */
export function htmlPage(title: string, main: string, status = 200): ServiceAnswer {
  return {
    status,
    headers: { "content-type": "text/html; charset=utf-8", "cache-control": "no-store" },
    body: `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8" />
    <meta name="viewport" content="width=device-width, initial-scale=1" />
    <title>${escapeHtml(title)}</title>
    <link rel="icon" href="data:," />
    <style>${style}</style>
  </head>
  <body><main>${main}</main></body>
</html>
`,
  };
}

export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}

const style = `
:root { color-scheme: light dark; --ground: light-dark(#f3f3f6, #131318); --surface: light-dark(#fff, #1c1c23);
  --line: light-dark(#dcdce4, #34343f); --text: light-dark(#1b1b22, #ececf2); --muted: light-dark(#5c5c6b, #a3a3b3);
  --accent: light-dark(#4f46e5, #a5a0ff); --on-accent: light-dark(#fff, #14122e); }
* { box-sizing: border-box; }
body { margin: 0; min-height: 100dvh; display: grid; place-items: center; padding: 24px; color: var(--text);
  background: var(--ground); font: 15px/1.5 ui-sans-serif, system-ui, "Segoe UI", Roboto, "Noto Sans", sans-serif; }
main { width: 100%; max-width: 400px; display: grid; gap: 16px; padding: 28px; background: var(--surface);
  border: 1px solid var(--line); border-radius: 16px; }
h1 { margin: 0; font-size: 20px; letter-spacing: -0.01em; }
p, ul, dl, dd { margin: 0; padding: 0; }
ul { list-style: none; display: grid; gap: 8px; }
form { display: grid; gap: 12px; }
label { display: grid; gap: 4px; font-weight: 500; }
input, button, a.button { font: inherit; color: inherit; width: 100%; padding: 10px 14px; border-radius: 10px;
  border: 1px solid var(--line); background: var(--surface); text-align: center; text-decoration: none; }
input { text-align: start; }
button { cursor: pointer; }
button:hover { border-color: var(--accent); }
button.primary { color: var(--on-accent); background: var(--accent); border-color: transparent; font-weight: 600; }
button.person { display: flex; align-items: center; gap: 12px; text-align: start; }
button.person img { width: 36px; height: 36px; border-radius: 99px; }
button.person span { display: grid; line-height: 1.3; }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
small, .muted { color: var(--muted); font-size: 13px; }
hr { width: 100%; margin: 0; border: 0; border-top: 1px solid var(--line); }
dl { display: flex; justify-content: space-between; gap: 12px; }
.amount { font-size: 30px; font-weight: 650; letter-spacing: -0.02em; font-variant-numeric: tabular-nums; }
`;
