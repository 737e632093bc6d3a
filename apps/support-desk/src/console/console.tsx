import { useMutation, useQuery } from "convex/react";
import { useState } from "react";
import { api } from "../../packages/convex/_generated/api.js";
import { useSession } from "../shared/session.tsx";
import { SignInForm } from "../shared/signInForm.tsx";
import { Desk } from "./desk.tsx";
import { Knowledge } from "./knowledge.tsx";
import { Numbers } from "./numbers.tsx";
import { Team } from "./team.tsx";

const tabs = ["Desk", "Knowledge", "Team", "Numbers"] as const;

/** For the people who work here. */
export function Console() {
  const { token, end } = useSession();
  const user = useQuery(api.users.getCurrentUser, token === null ? "skip" : { token });
  if (token === null || user === null)
    return (
      <main className="gate">
        <h1>Support console</h1>
        <SignInForm asksName={false} intro="Sign in with the address you work with." />
      </main>
    );
  if (user === undefined) return <p className="empty">Opening…</p>;
  if (user.role === "customer")
    return (
      <main className="gate">
        <h1>Not your desk yet</h1>
        <p>{user.email} is registered as a customer. Ask an admin to make you an agent.</p>
        <button type="button" onClick={end}>
          Sign out
        </button>
      </main>
    );
  return <Signed token={token} name={user.name} isAdmin={user.role === "admin"} signOut={end} />;
}

function Signed({
  token,
  name,
  isAdmin,
  signOut,
}: {
  token: string;
  name: string;
  isAdmin: boolean;
  signOut: () => void;
}) {
  const [tab, setTab] = useState<(typeof tabs)[number]>("Desk");
  return (
    <div className="console">
      <header>
        <h1>Support console</h1>
        <nav aria-label="Sections">
          {tabs.map((each) => (
            <button
              key={each}
              type="button"
              aria-current={each === tab ? "page" : undefined}
              onClick={() => setTab(each)}
            >
              {each}
            </button>
          ))}
        </nav>
        <Availability token={token} />
        <button type="button" onClick={signOut} title={`Signed in as ${name}`}>
          Sign out
        </button>
      </header>
      {tab === "Desk" && <Desk token={token} />}
      {tab === "Knowledge" && <Knowledge token={token} isAdmin={isAdmin} />}
      {tab === "Team" && <Team token={token} isAdmin={isAdmin} />}
      {tab === "Numbers" && <Numbers token={token} />}
    </div>
  );
}

function Availability({ token }: { token: string }) {
  const me = useQuery(api.agents.getMe, { token });
  const setStatus = useMutation(api.agents.setStatus);
  if (me === undefined || me === null) return null;
  return (
    <label className="availability">
      <span className={`dot ${me.status}`} aria-hidden="true" />
      <span className="hidden">Your state</span>
      <select
        value={me.status}
        onChange={(event) => void setStatus({ token, status: event.target.value as typeof me.status })}
      >
        <option value="online">
          Online ({me.load} of {me.loadMax})
        </option>
        <option value="away">Away</option>
        <option value="offline">Offline</option>
      </select>
    </label>
  );
}
