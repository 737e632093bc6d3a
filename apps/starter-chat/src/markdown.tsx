import { Marked, type Token, type Tokens } from "marked";
import { Fragment, type ReactNode, useMemo } from "react";
import { CodeBlock } from "./codeBlock.tsx";

/** Longer texts are shown as they were typed: reading them as Markdown could keep everybody's page busy. */
const markdownCharsMax = 20_000;
/** Quotes and lists inside each other, counted in the first characters of a line. */
const nestingMax = 12;

/**
 * Markdown as people type it in a chat: a line break is a line break, and what looks like HTML, like a page's heading
 * underlined with dashes or like code indented by four spaces is just text.
 */
const marked = new Marked({
  gfm: true,
  breaks: true,
  tokenizer: {
    code: () => undefined,
    lheading: () => undefined,
    html: () => undefined,
    tag: () => undefined,
    def: () => undefined,
  },
});

/** A text with its Markdown. Every piece is text to React: nothing said can become markup of the page. */
export function Markdown({ text }: { text: string }) {
  const tokens = useMemo(() => tokensOf(text), [text]);
  if (tokens === null) return <p className="plain-text">{text}</p>;
  return blocks(tokens);
}

/** Null: not to be read as Markdown. */
export function tokensOf(text: string): Token[] | null {
  if (text.length > markdownCharsMax) return null;
  if (new RegExp(`^(?:[ \\t]*(?:>|[-*+] |\\d+[.)] )){${nestingMax}}`, "m").test(text)) return null;
  return marked.lexer(text);
}

/** Where a link may lead: to pages and mailboxes, never to something the browser would run. */
export function safeHref(href: string): string | null {
  const url = URL.parse(href);
  return url !== null && ["http:", "https:", "mailto:"].includes(url.protocol) ? url.href : null;
}

function blocks(tokens: readonly Token[]): ReactNode[] {
  return tokens.map((token, index) => <Fragment key={index}>{block(token as Tokens.Generic)}</Fragment>);
}

function block(token: Tokens.Generic): ReactNode {
  switch (token.type) {
    case "space":
      return null;
    case "paragraph":
      return <p>{inlines(token.tokens ?? [])}</p>;
    case "heading": {
      // Below the headings of the page itself.
      const Heading = `h${Math.min(6, Number(token["depth"]) + 2)}` as "h3";
      return <Heading>{inlines(token.tokens ?? [])}</Heading>;
    }
    case "blockquote":
      return <blockquote className="said-quote">{blocks(token.tokens ?? [])}</blockquote>;
    case "hr":
      return <hr />;
    case "code": {
      const [language = "", ...rest] = String(token["lang"] ?? "").split(/\s+/);
      return <CodeBlock language={language} filename={rest.join(" ")} code={String(token["text"])} />;
    }
    case "list":
      return list(token as Tokens.List);
    case "table":
      return table(token as Tokens.Table);
    default:
      return inline(token);
  }
}

function list({ ordered, start, items }: Tokens.List): ReactNode {
  const entries = items.map((item, index) => (
    <li key={index} className={item.task ? "task" : undefined}>
      {blocks(item.tokens)}
    </li>
  ));
  return ordered ? <ol start={start === "" ? 1 : start}>{entries}</ol> : <ul>{entries}</ul>;
}

function table({ header, rows, align }: Tokens.Table): ReactNode {
  const style = (column: number) => ({ textAlign: align[column] ?? undefined });
  return (
    // A wide table scrolls by itself, also by keyboard.
    <div className="table-scroll" tabIndex={0} role="region" aria-label="Table">
      <table>
        <thead>
          <tr>
            {header.map((cell, column) => (
              <th key={column} style={style(column)}>
                {inlines(cell.tokens)}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((cells, row) => (
            <tr key={row}>
              {cells.map((cell, column) => (
                <td key={column} style={style(column)}>
                  {inlines(cell.tokens)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function inlines(tokens: readonly Token[]): ReactNode[] {
  return tokens.map((token, index) => <Fragment key={index}>{inline(token as Tokens.Generic)}</Fragment>);
}

function inline(token: Tokens.Generic): ReactNode {
  switch (token.type) {
    case "strong":
      return <strong>{inlines(token.tokens ?? [])}</strong>;
    case "em":
      return <em>{inlines(token.tokens ?? [])}</em>;
    case "del":
      return <del>{inlines(token.tokens ?? [])}</del>;
    case "codespan":
      return <code>{String(token["text"])}</code>;
    case "br":
      return <br />;
    case "checkbox":
      return (
        <span aria-label={token["checked"] === true ? "done" : "to do"}>
          {token["checked"] === true ? "☑ " : "☐ "}
        </span>
      );
    case "escape":
      return String(token["text"]);
    case "link":
    case "image": {
      // A picture elsewhere is a link too: loading it would tell that place who reads this.
      const href = safeHref(String(token["href"]));
      const label = token.type === "link" ? inlines(token.tokens ?? []) : String(token["text"]);
      if (href === null) return token.raw;
      return (
        <a href={href} target="_blank" rel="noreferrer noopener">
          {label}
        </a>
      );
    }
    default:
      return token.tokens === undefined ? token.raw : inlines(token.tokens);
  }
}
