import { Text } from "ink";
import stringWidth from "string-width";
import { type Message, type WatchState, shownMessages } from "../state/model.ts";
import { clockText, fit, wrapText } from "../shared/format.ts";
import type { Area } from "./layout.ts";
import { Nothing, Panel } from "./parts.tsx";

interface Line {
  readonly key: string;
  /** Of the first line of a message. */
  readonly author: string | null;
  readonly time: string;
  readonly text: string;
  readonly kind: "agent" | "person" | "unsent";
}

const TIME_WIDTH = 9;

export function ChatPanel(props: {
  readonly state: WatchState;
  readonly area: Area;
  readonly isActive: boolean;
}) {
  const { state, area, isActive } = props;
  const messages = shownMessages(state);
  const note = state.chatFilter === "all" ? "" : `only ${state.chatFilter}`;
  const lines = linesOf(messages, state.unsent, area.width).slice(-(area.height - 1));
  return (
    <Panel area={area} title="Chat" isActive={isActive} note={note}>
      {lines.length === 0 ? <Nothing area={area} text="Nobody has said anything. enter writes." /> : null}
      {lines.map((line) => (
        <ChatLine key={line.key} line={line} width={area.width} />
      ))}
    </Panel>
  );
}

function ChatLine({ line, width }: { readonly line: Line; readonly width: number }) {
  const color = line.kind === "agent" ? "cyan" : "green";
  const author = line.author === null ? "" : `${line.author}: `;
  return (
    <Text wrap="truncate">
      <Text dimColor={true}>{fit(` ${line.time}`, TIME_WIDTH + 1)}</Text>
      <Text bold={true} color={color}>
        {author}
      </Text>
      <Text dimColor={line.kind === "unsent"}>
        {fit(line.text, Math.max(0, width - TIME_WIDTH - 1 - stringWidth(author)))}
      </Text>
    </Text>
  );
}

function linesOf(messages: readonly Message[], unsent: readonly string[], width: number): Line[] {
  const room = Math.max(8, width - TIME_WIDTH - 1);
  const lines = messages.flatMap((message) =>
    wrapped(
      message._id,
      message.author,
      message.content,
      clockText(message.created_at),
      message.is_agent ? "agent" : "person",
      room,
    ),
  );
  for (const [index, text] of unsent.entries())
    lines.push(...wrapped(`unsent ${index}`, "you", `${text} (sending)`, "", "unsent", room));
  return lines;
}

function wrapped(
  key: string,
  author: string,
  content: string,
  time: string,
  kind: Line["kind"],
  room: number,
): Line[] {
  const prefix = `${author}: `;
  const [first = "", ...rest] = wrapText(prefix + content, room);
  // A name that fills the line by itself is left as it was broken.
  const isWhole = first.startsWith(prefix);
  return [
    { key, author: isWhole ? author : null, time, text: isWhole ? first.slice(prefix.length) : first, kind },
    ...rest.map((text, index) => ({ key: `${key} ${index}`, author: null, time: "", text, kind })),
  ];
}
