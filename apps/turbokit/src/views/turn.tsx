import type { UIMessage } from "@convex-dev/agent/react";
import { Icon } from "../shell/icons.tsx";

/** One message of a talk: what was said, and which tools were used in between, in their order. */
export function Turn({ message }: { message: UIMessage }) {
  const { role, parts, status } = message;
  if (role === "user")
    return (
      <li className="turn user">
        <p className="bubble">{message.text}</p>
      </li>
    );
  return (
    <li className="turn">
      {parts.map((part, position) => {
        if (part.type === "text") return <Said key={position} text={part.text} />;
        if (part.type === "dynamic-tool")
          return <ToolCall key={position} name={part.toolName} call={part as Call} />;
        if (part.type.startsWith("tool-"))
          return <ToolCall key={position} name={part.type.slice("tool-".length)} call={part as Call} />;
        return null;
      })}
      {status === "failed" && (
        <p className="failure" role="alert">
          The assistant could not finish this answer.
        </p>
      )}
    </li>
  );
}

/** Paragraphs as they were written; nothing in a message is markup, except that **bold** is. */
function Said({ text }: { text: string }) {
  if (text.trim() === "") return null;
  return (
    <div className="said">
      {text.split(/\n{2,}/).map((paragraph, position) => (
        <p key={position}>
          {paragraph
            .split(/\*\*(.+?)\*\*/g)
            .map((piece, place) => (place % 2 === 1 ? <strong key={place}>{piece}</strong> : piece))}
        </p>
      ))}
    </div>
  );
}

interface Call {
  readonly state: string;
  readonly input?: unknown;
  readonly output?: unknown;
  readonly errorText?: string;
}

const tools: Readonly<Record<string, { readonly doing: string; readonly done: string }>> = {
  searchProjects: { doing: "Searching your projects", done: "Searched your projects" },
  createProject: { doing: "Creating a project", done: "Created a project" },
  getUsage: { doing: "Looking at your usage", done: "Looked at your usage" },
};

/** What the assistant did, in a line; all of it when it is opened. */
function ToolCall({ name, call }: { name: string; call: Call }) {
  const isDone = call.state === "output-available";
  const isFailed = call.state === "output-error";
  const texts = tools[name] ?? { doing: `Using ${name}`, done: `Used ${name}` };
  const subject = subjectOf(call.input);
  return (
    <details className={isFailed ? "tool-call failed" : "tool-call"}>
      <summary>
        <Icon name={isDone ? "check" : "tool"} />
        <span>
          {isDone ? texts.done : isFailed ? `${texts.doing} has failed` : `${texts.doing}…`}
          {subject !== "" && <em> {subject}</em>}
        </span>
        <span className="muted">{isDone ? resultOf(call.output) : ""}</span>
      </summary>
      <dl>
        <dt>Asked for</dt>
        <dd>
          <pre>{JSON.stringify(call.input ?? {}, null, 2)}</pre>
        </dd>
        {(isDone || isFailed) && (
          <>
            <dt>Result</dt>
            <dd>
              <pre>{isFailed ? call.errorText : JSON.stringify(call.output, null, 2)}</pre>
            </dd>
          </>
        )}
      </dl>
    </details>
  );
}

/** The text that a call is about. */
function subjectOf(input: unknown): string {
  if (typeof input !== "object" || input === null) return "";
  const text = Object.values(input).find((value) => typeof value === "string");
  return typeof text === "string" ? `“${text}”` : "";
}

function resultOf(output: unknown): string {
  if (!Array.isArray(output)) return "";
  return output.length === 1 ? "1 found" : `${output.length} found`;
}
