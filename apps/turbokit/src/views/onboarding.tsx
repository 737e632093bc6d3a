import { useMutation, useQuery } from "convex/react";
import { useState } from "react";
import { api } from "@repo/backend/api";
import { limits } from "@repo/backend/limits";
import { useMe } from "../shell/me.tsx";
import { Icon } from "../shell/icons.tsx";
import { Failure, useAttempt } from "../shared/feedback.tsx";
import { Avatar } from "../shared/parts.tsx";

/** The first page: who somebody is. The onboarding workflow waits for it, on the server. */
export function Onboarding({ later }: { later: () => void }) {
  const me = useMe();
  const update = useMutation(api.users.updateUser);
  const complete = useMutation(api.users.completeOnboarding);
  const { run, failure, isBusy } = useAttempt();
  const [name, setName] = useState(me.name);
  const [bio, setBio] = useState(me.bio ?? "");
  const [wantsDigest, setWantsDigest] = useState(true);

  const finish = async () => {
    await update({ id: me._id, update: { name, bio, digest: wantsDigest } });
    await complete({});
  };
  return (
    <main className="onboarding">
      <form
        onSubmit={(event) => {
          event.preventDefault();
          void run(finish);
        }}
      >
        <Avatar name={me.name} image={me.imageUrl} />
        <h1>Welcome, {me.name.split(" ")[0]}</h1>
        <p className="lead">One look at your profile, and you are in.</p>
        <label>
          Your name
          <input
            value={name}
            required
            maxLength={limits.nameCharsMax}
            autoComplete="name"
            onChange={(event) => setName(event.target.value)}
          />
        </label>
        <label>
          <span>
            What do you work on? <span className="optional">optional</span>
          </span>
          <textarea
            rows={2}
            value={bio}
            maxLength={limits.bioCharsMax}
            onChange={(event) => setBio(event.target.value)}
          />
        </label>
        <label className="check">
          <input
            type="checkbox"
            checked={wantsDigest}
            onChange={(event) => setWantsDigest(event.target.checked)}
          />
          Send me a digest of what happens in my projects
        </label>
        <Failure text={failure} />
        <div className="actions">
          <button type="submit" className="primary" disabled={isBusy}>
            Start
          </button>
          <button type="button" className="quiet" onClick={later}>
            Later
          </button>
        </div>
      </form>
      <Progress />
    </main>
  );
}

/** What there is to say about the workflow's steps; the first wait begins when the welcome has gone out. */
const stepTexts: Readonly<Record<string, string>> = {
  grantCredits: "Your first credits are booked",
  createCustomer: "Your plan is set up",
  createFirstProject: "A first project is on your board",
  "wait:first": "A welcome is in your mail",
};

/** What the workflow has done so far; it goes on whether this page is open or not. */
function Progress() {
  const onboarding = useQuery(api.users.onboarding, {});
  if (onboarding === undefined || onboarding === null) return null;
  return (
    <section className="progress" aria-label="What happens meanwhile">
      <h2>Meanwhile, for you</h2>
      <ol>
        {onboarding.steps
          .filter(({ name }) => stepTexts[name] !== undefined)
          .map(({ name }) => (
            <li key={name} className="done">
              <Icon name="check" /> {stepTexts[name]}
            </li>
          ))}
        {(onboarding.state === "running" || onboarding.state === "waiting") && (
          <li>
            <span className="pulse" aria-hidden="true" />
            {onboarding.state === "waiting" ? "Waiting for your profile" : "Working on it"}
          </li>
        )}
      </ol>
    </section>
  );
}

/** "sendWelcome" is "Send welcome" */
export function sentence(name: string): string {
  const words = (name.split(/[/:]/).at(-1) ?? "")
    .replaceAll(/([a-z])([A-Z])/g, "$1 $2")
    .replaceAll(/[_-]+/g, " ")
    .toLowerCase();
  return words.charAt(0).toUpperCase() + words.slice(1);
}
