import { useMutation } from "convex/react";
import { api } from "../convex/_generated/api.js";
import type { Account } from "../convex/model/views.ts";
import { MoonIcon, SunIcon, SystemIcon } from "./icons.tsx";
import { useShortcuts } from "./shortcuts.ts";
import { nextTheme, setTheme, useTheme } from "./theme.ts";
import { useAttempt } from "./toasts.tsx";

const themeNames = { light: "light", dark: "dark", system: "as the system" } as const;

/** Light, dark, or as the system. With an account the choice goes along to other browsers. */
export function ThemeButton({ account }: { account: Account | null }) {
  const theme = useTheme();
  const updateUser = useMutation(api.functions.mutations.users.updateUser);
  const attempt = useAttempt();
  const Icon = theme === "light" ? SunIcon : theme === "dark" ? MoonIcon : SystemIcon;
  const change = () => {
    const next = nextTheme(theme);
    setTheme(next);
    if (account !== null) attempt(() => updateUser({ preferences: { theme: next } }));
  };
  useShortcuts({ theme: change });
  const label = `Theme: ${themeNames[theme]}. Switch to ${themeNames[nextTheme(theme)]}`;
  return (
    <button type="button" className="icon-button" aria-label={label} title={label} onClick={change}>
      <Icon />
    </button>
  );
}
