import { Fragment } from "react";
import { Dialog } from "./dialog.tsx";
import { shortcuts } from "./shortcuts.ts";

const writing = [
  { keys: ["Enter"], does: "Send" },
  { keys: ["Shift", "Enter"], does: "New line" },
  { keys: ["↑"], does: "Edit your last message, when nothing is typed" },
  { keys: ["Esc"], does: "Cancel a reply or an edit; stop the assistant" },
] as const;

const marks = [
  ["**bold**", "bold"],
  ["_italic_", "italic"],
  ["`code`", "code"],
  ["```ts file.ts", "a block of code, until ```"],
  ["- item", "a list"],
  ["> text", "a quote"],
] as const;

/** What one can do without the mouse, and how a message gets its form. */
export function HelpDialog({ onClose }: { onClose: () => void }) {
  return (
    <Dialog title="Keys and formatting" onClose={onClose}>
      <div className="help">
        <KeyList title="Everywhere" keys={shortcuts} />
        <KeyList title="Writing" keys={writing} />
        <section>
          <h3>Formatting</h3>
          <dl className="help-list">
            {marks.map(([typed, shown]) => (
              <Fragment key={typed}>
                <dt>
                  <code>{typed}</code>
                </dt>
                <dd>{shown}</dd>
              </Fragment>
            ))}
          </dl>
        </section>
      </div>
    </Dialog>
  );
}

function KeyList({
  title,
  keys,
}: {
  title: string;
  keys: readonly { readonly keys: readonly string[]; readonly does: string }[];
}) {
  return (
    <section>
      <h3>{title}</h3>
      <dl className="help-list">
        {keys.map(({ keys, does }) => (
          <Fragment key={does}>
            <dt>
              {keys.map((key) => (
                <kbd key={key}>{key}</kbd>
              ))}
            </dt>
            <dd>{does}</dd>
          </Fragment>
        ))}
      </dl>
    </section>
  );
}
