import { Box, Text } from "ink";
import type { ReactNode } from "react";
import { createContext, use } from "react";
import { type Glyphs, fit, unicodeGlyphs } from "../shared/format.ts";
import type { Area } from "./layout.ts";

export const GlyphsContext = createContext<Glyphs>(unicodeGlyphs);

export function useGlyphs(): Glyphs {
  return use(GlyphsContext);
}

/** A title with a rule, and rows below: exactly as large as its area. */
export function Panel(props: {
  readonly area: Area;
  readonly title: string;
  /** Right in the title line: filters and states. */
  readonly note?: string;
  readonly isActive?: boolean;
  readonly children: ReactNode;
}) {
  const { area, title, note = "", isActive = false, children } = props;
  const { rule } = useGlyphs();
  const room = Math.max(0, area.width - title.length - 2);
  const shownNote = note.length + 2 <= room ? note : "";
  const ruleWidth = Math.max(0, room - (shownNote === "" ? 0 : shownNote.length + 2));
  return (
    <Box flexDirection="column" width={area.width} height={area.height} flexShrink={0} overflow="hidden">
      <Text wrap="truncate">
        <Text bold={true} inverse={isActive}>{` ${title} `}</Text>
        <Text dimColor={true}>{rule.repeat(ruleWidth)}</Text>
        {shownNote === "" ? null : <Text color="yellow">{` ${shownNote} `}</Text>}
      </Text>
      {children}
    </Box>
  );
}

/** A line in the middle of an empty panel. */
export function Nothing({ area, text }: { readonly area: Area; readonly text: string }) {
  return <Text dimColor={true}>{fit(` ${text}`, area.width)}</Text>;
}
