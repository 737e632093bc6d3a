import { useEffect, useRef, useState } from "react";
import type { Id } from "../convex/_generated/dataModel.js";
import { limits } from "../convex/model/limits.ts";
import type { Account } from "../convex/model/views.ts";
import { verification } from "./auth/mailLinks.ts";
import { VerifyNotice } from "./auth/verifyNotice.tsx";
import { Avatar } from "./avatar.tsx";
import { Brand } from "./brand.tsx";
import { ChatLists } from "./chatLists.tsx";
import { CloseIcon, PlusIcon, SearchIcon } from "./icons.tsx";
import { SearchResults } from "./searchResults.tsx";
import { useShortcuts } from "./shortcuts.ts";
import { ThemeButton } from "./themeButton.tsx";
import { useCreateChat } from "./useCreateChat.ts";
import { UserMenu } from "./userMenu.tsx";

export function Sidebar({
  account,
  openChatId,
  isHidden,
  onSearch,
  onHelp,
}: {
  account: Account;
  openChatId: Id<"chats"> | null;
  /** A drawer that is closed. */
  isHidden: boolean;
  /** The search is about to get the focus: it must be in view. */
  onSearch: () => void;
  onHelp: () => void;
}) {
  const [search, setSearch] = useState("");
  const searchRef = useRef<HTMLInputElement>(null);
  const createChat = useCreateChat();

  const [isSearchWanted, setSearchWanted] = useState(false);
  useShortcuts({
    search: () => {
      onSearch();
      setSearchWanted(true);
    },
  });
  useEffect(() => {
    if (!isSearchWanted || isHidden) return;
    searchRef.current?.focus();
    searchRef.current?.select();
    setSearchWanted(false);
  }, [isSearchWanted, isHidden]);

  return (
    <aside className="sidebar" aria-label="Chats" inert={isHidden}>
      <header className="sidebar-head">
        <Brand />
        <ThemeButton account={account} />
        <button
          type="button"
          className="icon-button filled"
          aria-label="New chat"
          title="New chat"
          onClick={createChat}
        >
          <PlusIcon />
        </button>
      </header>
      <div className="search" role="search">
        <SearchIcon />
        <input
          ref={searchRef}
          type="search"
          aria-label="Search messages"
          placeholder="Search messages"
          maxLength={limits.searchLengthMax}
          value={search}
          onChange={(event) => setSearch(event.target.value)}
          onKeyDown={(event) => {
            if (event.key === "ArrowDown") {
              event.preventDefault();
              document.querySelector<HTMLElement>(".sidebar-scroll a")?.focus();
            }
            if (event.key !== "Escape") return;
            // Once to clear it; only then does Escape mean what is around it.
            if (search === "") event.currentTarget.blur();
            else event.stopPropagation();
            setSearch("");
          }}
        />
        {search !== "" && (
          <button
            type="button"
            className="icon-button small"
            aria-label="Clear the search"
            onClick={() => {
              setSearch("");
              searchRef.current?.focus();
            }}
          >
            <CloseIcon />
          </button>
        )}
      </div>
      <div className="sidebar-scroll">
        {search.trim() === "" ? (
          <ChatLists account={account} openChatId={openChatId} />
        ) : (
          <SearchResults text={search} openChatId={openChatId} />
        )}
      </div>
      {/* The account knows at once that the address is confirmed, wherever that was done. */}
      {(!account.emailVerified || verification() !== null) && <VerifyNotice />}
      <footer className="sidebar-foot">
        <Avatar person={account} />
        <span className="who">
          <span className="who-name">{account.name}</span>
          {account.email !== undefined && <span className="who-email">{account.email}</span>}
        </span>
        <UserMenu account={account} onHelp={onHelp} />
      </footer>
    </aside>
  );
}
