import { session } from "../auth/session.ts";
import { Icon, type IconName } from "../shell/icons.tsx";
import { Failure, useAttempt } from "../shared/feedback.tsx";

const promises: readonly { readonly icon: IconName; readonly title: string; readonly text: string }[] = [
  { icon: "board", title: "One board", text: "Projects from first draft to archive, found in a blink." },
  { icon: "shared", title: "Together", text: "See who is looking at the same thing as you, right now." },
  { icon: "spark", title: "An assistant", text: "It knows your projects and does what you ask of it." },
];

export function SignIn({ failure: earlier }: { failure: string | null }) {
  const { run, failure, isBusy } = useAttempt();
  return (
    <main className="sign-in">
      <section>
        <p className="brand">
          <img src="/icon.svg" alt="" width="36" height="36" />
          TurboKit
        </p>
        <h1>Your projects, with everybody in them.</h1>
        <p className="lead">Plan, share files, talk, and let the assistant do the rest.</p>
        <Failure text={failure ?? earlier} />
        <button
          type="button"
          className="primary large"
          disabled={isBusy}
          onClick={() => void run(() => session.signIn())}
        >
          Sign in
        </button>
        <p className="muted">New here? Signing in makes your account, on the free plan.</p>
      </section>
      <ul>
        {promises.map(({ icon, title, text }) => (
          <li key={title}>
            <Icon name={icon} />
            <strong>{title}</strong>
            <span>{text}</span>
          </li>
        ))}
      </ul>
    </main>
  );
}
