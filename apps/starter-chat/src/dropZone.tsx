import { type DragEvent, type ReactNode, useRef, useState } from "react";
import { AttachIcon } from "./icons.tsx";

/** The chat, as a place to drop files on. It shows that it is one while files are over it. */
export function DropZone({
  isOn,
  onFiles,
  children,
}: {
  isOn: boolean;
  onFiles: (files: FileList) => void;
  children: ReactNode;
}) {
  const [isOver, setOver] = useState(false);
  // Entering a child is told before leaving its parent.
  const depth = useRef(0);
  const carriesFiles = (event: DragEvent) => isOn && event.dataTransfer.types.includes("Files");
  const end = () => {
    depth.current = 0;
    setOver(false);
  };
  return (
    <div
      className="chat"
      onDragEnter={(event) => {
        if (!carriesFiles(event)) return;
        depth.current += 1;
        setOver(true);
      }}
      onDragLeave={(event) => {
        if (!carriesFiles(event)) return;
        depth.current -= 1;
        if (depth.current <= 0) end();
      }}
      onDragOver={(event) => {
        // A file that is dropped where nobody takes it would replace the page.
        event.preventDefault();
        event.dataTransfer.dropEffect = isOn ? "copy" : "none";
      }}
      onDrop={(event) => {
        event.preventDefault();
        end();
        if (isOn && event.dataTransfer.files.length > 0) onFiles(event.dataTransfer.files);
      }}
    >
      {children}
      {isOver && (
        <div className="drop-here" aria-hidden="true">
          <span>
            <AttachIcon />
            Drop to attach
          </span>
        </div>
      )}
    </div>
  );
}
