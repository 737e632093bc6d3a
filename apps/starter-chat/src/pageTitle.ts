const app = "Starter chat";
let chatTitle: string | null = null;
let unread = 0;

/** The open chat, in the title of the window; null: none. */
export function setTitleChat(title: string | null): void {
  chatTitle = title;
  write();
}

/** How much has not been read, in the title of the window, where one sees it from another one. */
export function setTitleUnread(count: number): void {
  unread = count;
  write();
}

function write(): void {
  const page = chatTitle === null ? app : `${chatTitle} · ${app}`;
  document.title = unread === 0 ? page : `(${unread}) ${page}`;
}
