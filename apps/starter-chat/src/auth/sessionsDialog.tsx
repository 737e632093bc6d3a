import { useMutation, useQuery } from "convex/react";
import { useState } from "react";
import { api } from "../../convex/_generated/api.js";
import type { Session } from "../../convex/types.ts";
import { limits } from "../../convex/model/limits.ts";
import { Dialog, FormFailure, useSubmit } from "../dialog.tsx";
import { clockTime, dayName } from "../format.ts";
import { Loading } from "../loading.tsx";
import { useNow } from "../now.ts";
import { useAttempt, useToast } from "../toasts.tsx";
import { Field, NewPasswordField } from "./authForm.tsx";
import { useAuthStore } from "./authProvider.tsx";

/** Where one is signed in, with the means to end that, and another password. */
export function SessionsDialog({ onClose }: { onClose: () => void }) {
  const sessions = useQuery(api.functions.queries.sessions.getSessions, {});
  const revokeOthers = useMutation(api.functions.mutations.sessions.revokeOtherSessions);
  const attempt = useAttempt();
  const others = sessions?.filter(({ isCurrent }) => !isCurrent).length ?? 0;
  return (
    <Dialog title="Devices and password" onClose={onClose}>
      <h3>Where you are signed in</h3>
      {sessions === undefined ? (
        <Loading />
      ) : (
        <ul className="session-list" aria-label="Sessions">
          {sessions.map((session) => (
            <SessionLine key={session._id} session={session} />
          ))}
        </ul>
      )}
      {others > 1 && (
        <button type="button" onClick={() => attempt(() => revokeOthers({}))}>
          Sign out everywhere else
        </button>
      )}
      <ChangePassword />
    </Dialog>
  );
}

function SessionLine({ session }: { session: Session }) {
  const revoke = useMutation(api.functions.mutations.sessions.revokeSession);
  const attempt = useAttempt();
  const now = useNow();
  const { browser, platform, ipAddress, lastActiveAt, isCurrent } = session;
  const device = `${browser} on ${platform}`;
  return (
    <li className="session">
      <span className="who">
        <span className="who-name">
          {device} {isCurrent && <span className="badge">This device</span>}
        </span>
        <span className="who-email">
          {isCurrent ? "Active now" : `Active ${dayName(lastActiveAt, now)}, ${clockTime(lastActiveAt)}`}
          {ipAddress !== undefined && ` · ${ipAddress}`}
        </span>
      </span>
      {!isCurrent && (
        <button
          type="button"
          aria-label={`Sign out ${device}`}
          onClick={() => attempt(() => revoke({ sessionId: session._id }))}
        >
          Sign out
        </button>
      )}
    </li>
  );
}

function ChangePassword() {
  const store = useAuthStore();
  const show = useToast();
  const [current, setCurrent] = useState("");
  const [next, setNext] = useState("");
  const { run, failure, isBusy } = useSubmit(() => {
    setCurrent("");
    setNext("");
    show("Your password has been changed.");
  });
  return (
    <form onSubmit={(event) => run(event, () => store.changePassword(current, next))}>
      <h3>Change password</h3>
      <Field
        label="Current password"
        name="current-password"
        type="password"
        autoComplete="current-password"
        maxLength={limits.passwordLengthMax}
        value={current}
        onChange={setCurrent}
      />
      <NewPasswordField label="New password" value={next} onChange={setNext} />
      <FormFailure text={failure} />
      <button type="submit" className="primary" disabled={isBusy}>
        {isBusy ? "Changing…" : "Change password"}
      </button>
    </form>
  );
}
