import { Box, Text } from "ink";
import type { ReactNode } from "react";
import { createContext, use } from "react";
import { type Glyphs, fit, unicodeGlyphs } from "../shared/format.ts";
import type { Area } from "./layout.ts";

export const GlyphsContext = createContext<Glyphs>(unicodeGlyphs);

export function useGlyphs(): Glyphs {
  return use(GlyphsContext);
}

/** Enough for all titles and a short note. */
const TABS_WIDTH_MIN = 46;

/** Where one panel is shown at a time: the titles of all, for its title line. */
export const TabsContext = createContext<readonly string[] | null>(null);

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
  const tabs = use(TabsContext) ?? [];
  const labels = tabs.includes(title) && area.width >= TABS_WIDTH_MIN ? tabs : [title];
  const room = Math.max(0, area.width - labels.reduce((sum, label) => sum + label.length + 2, 0));
  const shownNote = note.length + 2 <= room ? note : "";
  const ruleWidth = Math.max(0, room - (shownNote === "" ? 0 : shownNote.length + 2));
  return (
    <Box flexDirection="column" width={area.width} height={area.height} flexShrink={0} overflow="hidden">
      <Text wrap="truncate">
        {labels.map((label) => (
          <Text
            key={label}
            bold={label === title}
            dimColor={label !== title}
            inverse={isActive && label === title}
          >{` ${label} `}</Text>
        ))}
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
