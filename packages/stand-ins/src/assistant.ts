import { type ChatReply, type ChatRequest, quoteBest, textOf } from "./openAi.ts";
import { wordsOf } from "./words.ts";

/**
 * An assistant without a mind of its own: it recognizes a few kinds of questions by their words, calls the tool that
 * fits, and tells what came of it. Enough to see an agent with tools work.
 */
export function answerWithTools(request: ChatRequest): ChatReply {
  const { messages, tools = [] } = request;
  const last = messages.at(-1);
  if (last?.role === "tool") return { text: tellResult(textOf(last)) };
  const question = textOf(messages.findLast(({ role }) => role === "user") ?? { role: "user", content: "" });
  if (tools.length === 0) return { text: extractOf(question) };
  const has = (name: string) => tools.some((tool) => tool.function.name === name);
  if (
    has("createProject") &&
    /\b(create|make|start|add|new)\b/i.test(question) &&
    /project|draft/i.test(question)
  )
    return { tool: "createProject", args: { name: nameIn(question) } };
  if (has("getUsage") && /\b(credits?|usage|plan|left)\b/i.test(question))
    return { tool: "getUsage", args: {} };
  if (has("searchProjects") && /\b(projects?|find|search|which|about)\b/i.test(question))
    return { tool: "searchProjects", args: { query: subjectOf(question) } };
  return quoteBest(request);
}

/** Words of questions about projects that no project is about. */
const idle = new Set(
  wordsOf("project projects find search which show list tell about called named there any some all"),
);

function subjectOf(question: string): string {
  const quoted = quotedIn(question);
  if (quoted !== undefined) return quoted;
  return wordsOf(question)
    .filter((word) => !idle.has(word))
    .join(" ");
}

function nameIn(question: string): string {
  return quotedIn(question) ?? /(?:called|named|for)\s+(.+?)[.?!]*$/i.exec(question)?.[1] ?? "New project";
}

function quotedIn(text: string): string | undefined {
  return /[“"„']([^“”"„']+)[”"“']/.exec(text)?.[1];
}

function tellResult(text: string): string {
  const result = parsed(text);
  if (Array.isArray(result)) {
    if (result.length === 0) return "I have found nothing by that name.";
    const lines = (result as { readonly name?: string; readonly status?: string }[]).map(
      ({ name, status }) => `**${name}** (${status})`,
    );
    return `I have found ${result.length === 1 ? "one" : result.length}: ${lines.join(", ")}.`;
  }
  if (typeof result === "object" && result !== null && "credits" in result) {
    const { plan, credits } = result as { readonly plan?: string; readonly credits: number };
    return `You are on the ${plan} plan, and you have **${credits} credits** left.`;
  }
  return typeof result === "string" ? result : "That is done.";
}

/** Tools' results come as JSON, some wrapped as `{type, value}`. */
function parsed(text: string): unknown {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && "value" in value ? value.value : value;
  } catch {
    return text;
  }
}

const sentencesMax = 3;

/** A summary made of the text's own first sentences. */
function extractOf(text: string): string {
  const sentences = text
    .split(/\n+|(?<=[.!?])\s+/)
    .map((sentence) => sentence.replace(/^- /, "").trim())
    .filter((sentence) => /\w{3}/.test(sentence) && !/^(comments:|none$)/i.test(sentence));
  return sentences.slice(0, sentencesMax).join(". ").replaceAll("..", ".");
}
