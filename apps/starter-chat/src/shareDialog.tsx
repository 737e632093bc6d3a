import { useId, useState } from "react";
import type { ChatDetails } from "../convex/model/views.ts";
import { Dialog } from "./dialog.tsx";
import { ShareLinks } from "./shareLinks.tsx";
import { SharePeople } from "./sharePeople.tsx";

const tabs = [
  { name: "people", label: "People" },
  { name: "links", label: "Links" },
] as const;

/** With whom a chat is shared: people, and whoever has a link. */
export function ShareDialog({ chat, onClose }: { chat: ChatDetails; onClose: () => void }) {
  const [open, setOpen] = useState<(typeof tabs)[number]["name"]>("people");
  const id = useId();
  return (
    <Dialog title="Share this chat" onClose={onClose} size="wide">
      <div
        className="tabs"
        role="tablist"
        aria-label="Share with"
        onKeyDown={(event) => {
          if (event.key !== "ArrowLeft" && event.key !== "ArrowRight") return;
          const next = open === "people" ? "links" : "people";
          setOpen(next);
          document.getElementById(`${id}-${next}-tab`)?.focus();
        }}
      >
        {tabs.map(({ name, label }) => (
          <button
            key={name}
            id={`${id}-${name}-tab`}
            type="button"
            role="tab"
            aria-selected={open === name}
            aria-controls={`${id}-panel`}
            tabIndex={open === name ? 0 : -1}
            onClick={() => setOpen(name)}
          >
            {label}
          </button>
        ))}
      </div>
      <div id={`${id}-panel`} role="tabpanel" aria-labelledby={`${id}-${open}-tab`}>
        {open === "people" ? <SharePeople chat={chat} /> : <ShareLinks chat={chat} />}
      </div>
    </Dialog>
  );
}
