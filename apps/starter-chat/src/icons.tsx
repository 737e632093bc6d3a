import type { ReactNode } from "react";

/** Line icons on a grid of 20, drawn in the text's colour. Decoration: the control beside each one has the name. */
function icon(paths: ReactNode) {
  return function Icon() {
    return (
      <svg className="icon" viewBox="0 0 20 20" aria-hidden="true" focusable="false">
        {paths}
      </svg>
    );
  };
}

export const PlusIcon = icon(<path d="M10 4v12M4 10h12" />);
export const SendIcon = icon(<path d="M10 16V4.5M5 9.5l5-5 5 5" />);
export const CloseIcon = icon(<path d="m5 5 10 10M15 5 5 15" />);
export const CheckIcon = icon(<path d="m4.5 10.5 3.5 3.5 7.5-8" />);
export const DownIcon = icon(<path d="M10 4v11.5M5 10.5l5 5 5-5" />);
export const MoreIcon = icon(
  <g fill="currentColor" stroke="none">
    <circle cx="4.5" cy="10" r="1.5" />
    <circle cx="10" cy="10" r="1.5" />
    <circle cx="15.5" cy="10" r="1.5" />
  </g>,
);
export const SearchIcon = icon(
  <>
    <circle cx="9" cy="9" r="5" />
    <path d="m13 13 4 4" />
  </>,
);
export const ShareIcon = icon(
  <>
    <circle cx="8" cy="7" r="3" />
    <path d="M2.5 16.5c.5-3 2.7-4.5 5.5-4.5 1.2 0 2.3.3 3.2.8M15 11v6M12 14h6" />
  </>,
);
export const CopyIcon = icon(
  <>
    <rect x="7" y="7" width="9.5" height="9.5" rx="2" />
    <path d="M13 4.5A1.5 1.5 0 0 0 11.5 3.5H5A1.5 1.5 0 0 0 3.5 5v6.5A1.5 1.5 0 0 0 4.5 13" />
  </>,
);
export const SunIcon = icon(
  <>
    <circle cx="10" cy="10" r="3.3" />
    <path d="M10 2.5v1.7M10 15.8v1.7M2.5 10h1.7M15.8 10h1.7M4.7 4.7l1.2 1.2M14.1 14.1l1.2 1.2M4.7 15.3l1.2-1.2M14.1 5.9l1.2-1.2" />
  </>,
);
export const MoonIcon = icon(<path d="M16.5 11.8A7 7 0 0 1 8.2 3.5a7 7 0 1 0 8.3 8.3Z" />);
export const SystemIcon = icon(
  <>
    <circle cx="10" cy="10" r="6.5" />
    <path d="M10 3.5v13a6.5 6.5 0 0 0 0-13Z" fill="currentColor" />
  </>,
);

export const AttachIcon = icon(
  <path d="m14.5 9-5 5a3.2 3.2 0 0 1-4.5-4.5l6-6a2.1 2.1 0 0 1 3 3l-6 6a1 1 0 0 1-1.5-1.5l5-5" />,
);
export const AssistantIcon = icon(
  <path d="M10 3.5 11.6 8 16 9.6 11.6 11.2 10 15.7 8.4 11.2 4 9.6 8.4 8zM15.5 13.5l.7 1.8 1.8.7-1.8.7-.7 1.8" />,
);
export const SyncIcon = icon(
  <path d="M16.5 8A7 7 0 0 0 4.2 6M3.5 3v3.5H7M3.5 12a7 7 0 0 0 12.3 2M16.5 17v-3.5H13" />,
);
export const LinkIcon = icon(
  <path d="M8.5 11.5a3 3 0 0 0 4.2 0l2.6-2.6a3 3 0 0 0-4.2-4.2L10 5.8M11.5 8.5a3 3 0 0 0-4.2 0l-2.6 2.6a3 3 0 0 0 4.2 4.2l1.1-1.1" />,
);
export const MenuIcon = icon(<path d="M3.5 6h13M3.5 10h13M3.5 14h9" />);
export const StopIcon = icon(<rect x="6" y="6" width="8" height="8" rx="1.5" fill="currentColor" />);
export const FileIcon = icon(<path d="M5 3.5h6.5L15 7v9.5H5zM11.5 3.5V7H15" />);
export const RetryIcon = icon(<path d="M15.8 11.5A6 6 0 1 1 14.5 6L16.5 8M16.5 3.8V8h-4.2" />);
