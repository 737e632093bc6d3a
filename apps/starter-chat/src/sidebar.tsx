import { useMutation } from "convex/react";
import { useEffect, useRef, useState } from "react";
import { api } from "../convex/_generated/api.js";
import type { Id } from "../convex/_generated/dataModel.js";
import type { Account } from "../convex/model/views.ts";
import { Avatar } from "./avatar.tsx";
import { Brand } from "./brand.tsx";
import { ChatLists } from "./chatLists.tsx";
import { CloseIcon, MoonIcon, PlusIcon, SearchIcon, SunIcon, SystemIcon } from "./icons.tsx";
import { SearchResults } from "./searchResults.tsx";
import { nextTheme, setTheme, useTheme } from "./theme.ts";
import { useAttempt } from "./toasts.tsx";
import { useCreateChat } from "./useCreateChat.ts";
import { UserMenu } from "./userMenu.tsx";

export function Sidebar({ account, openChatId }: { account: Account; openChatId: Id<"chats"> | null }) {
  const [search, setSearch] = useState("");
  const searchRef = useRef<HTMLInputElement>(null);
  const createChat = useCreateChat();

  useEffect(() => {
    const onKeyDown = (event: KeyboardEvent) => {
      if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k") {
        event.preventDefault();
        searchRef.current?.focus();
        searchRef.current?.select();
      }
    };
    window.addEventListener("keydown", onKeyDown);
    return () => window.removeEventListener("keydown", onKeyDown);
  }, []);

  return (
    <aside className="sidebar" aria-label="Chats">
      <header className="sidebar-head">
        <Brand />
        <ThemeButton />
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
          maxLength={200}
          value={search}
          onChange={(event) => setSearch(event.target.value)}
          onKeyDown={(event) => {
            if (event.key !== "Escape") return;
            setSearch("");
            event.currentTarget.blur();
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
          <SearchResults text={search} />
        )}
      </div>
      <footer className="sidebar-foot">
        <Avatar person={account} />
        <span className="who">
          <span className="who-name">{account.name}</span>
          {account.email !== undefined && <span className="who-email">{account.email}</span>}
        </span>
        <UserMenu account={account} />
      </footer>
    </aside>
  );
}

const themeNames = { light: "light", dark: "dark", system: "as the system" } as const;

function ThemeButton() {
  const theme = useTheme();
  const updateUser = useMutation(api.functions.mutations.users.updateUser);
  const attempt = useAttempt();
  const Icon = theme === "light" ? SunIcon : theme === "dark" ? MoonIcon : SystemIcon;
  const label = `Theme: ${themeNames[theme]}. Switch to ${themeNames[nextTheme(theme)]}`;
  return (
    <button
      type="button"
      className="icon-button"
      aria-label={label}
      title={label}
      onClick={() => {
        const next = nextTheme(theme);
        setTheme(next);
        attempt(() => updateUser({ preferences: { theme: next } }));
      }}
    >
      <Icon />
    </button>
  );
}
