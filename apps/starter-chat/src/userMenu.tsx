import { useMutation } from "convex/react";
import { useState } from "react";
import { api } from "../convex/_generated/api.js";
import { limits } from "../convex/model/limits.ts";
import type { Account } from "../convex/model/views.ts";
import { useAuthStore } from "./auth/authProvider.tsx";
import { SessionsDialog } from "./auth/sessionsDialog.tsx";
import { ConfirmDialog, PromptDialog } from "./dialog.tsx";
import { MoreIcon } from "./icons.tsx";
import { Menu } from "./menu.tsx";

export function UserMenu({ account, onHelp }: { account: Account; onHelp: () => void }) {
  const [dialog, setDialog] = useState<"rename" | "sessions" | "delete" | null>(null);
  const updateUser = useMutation(api.functions.mutations.users.updateUser);
  const deleteUser = useMutation(api.functions.mutations.users.deleteUser);
  const store = useAuthStore();
  const close = () => setDialog(null);
  return (
    <>
      <Menu
        label="Your account"
        direction="up"
        items={[
          { label: "Change name", onSelect: () => setDialog("rename") },
          { label: "Devices and password", onSelect: () => setDialog("sessions") },
          { label: "Keys and formatting", onSelect: onHelp },
          { label: "Sign out", onSelect: () => void store.signOut() },
          { label: "Delete account…", isDangerous: true, onSelect: () => setDialog("delete") },
        ]}
      >
        <MoreIcon />
      </Menu>
      {dialog === "rename" && (
        <PromptDialog
          title="Change name"
          label="Name"
          initial={account.name}
          maxLength={limits.nameLengthMax}
          action="Save"
          onSubmit={(name) => updateUser({ name })}
          onClose={close}
        />
      )}
      {dialog === "sessions" && <SessionsDialog onClose={close} />}
      {dialog === "delete" && (
        <ConfirmDialog
          title="Delete your account?"
          action="Delete everything"
          // This switches the account off; the page that appears then waits for the rest.
          onConfirm={() => deleteUser({})}
          onClose={close}
        >
          <p>
            All your chats, with everything said in them, and all your messages in other people&rsquo;s chats
            are deleted. This cannot be undone.
          </p>
        </ConfirmDialog>
      )}
    </>
  );
}
