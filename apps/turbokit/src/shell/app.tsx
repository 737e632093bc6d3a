import { useConvexAuth, useMutation, useQuery } from "convex/react";
import { useEffect, useState } from "react";
import { api } from "@repo/backend/api";
import { session, useSession } from "../auth/session.ts";
import { Failure, useAttempt } from "../shared/feedback.tsx";
import { Onboarding } from "../views/onboarding.tsx";
import { SignIn } from "../views/signIn.tsx";
import { MeContext } from "./me.tsx";
import { Shell } from "./shell.tsx";

/** Signed out, on the way in, new here, or in. */
export function App() {
  const state = useSession();
  const { isLoading, isAuthenticated } = useConvexAuth();
  if (state.status === "out") return <SignIn failure={state.failure} />;
  // The server refuses the token although the provider renews it: nothing that waiting helps against.
  if (!isLoading && !isAuthenticated)
    return (
      <Splash text="The server does not accept this sign-in.">
        <button type="button" onClick={() => session.signOut()}>
          Sign out
        </button>
      </Splash>
    );
  if (isLoading) return <Splash text="Signing you in…" />;
  return <SignedIn />;
}

function SignedIn() {
  const me = useQuery(api.users.me);
  const ensure = useMutation(api.users.ensure);
  const { run, failure } = useAttempt();
  const [isLater, setLater] = useState(false);
  const isMissing = me === null;
  useEffect(() => {
    if (isMissing) void run(() => ensure({}));
  }, [isMissing, ensure, run]);
  if (me === undefined) return <Splash text="Opening your workspace…" />;
  if (me === null)
    return (
      <Splash text="Preparing your workspace…">
        <Failure text={failure} />
      </Splash>
    );
  return (
    <MeContext value={me}>
      {me.onboardingCompleted || isLater ? (
        <Shell resumeOnboarding={() => setLater(false)} />
      ) : (
        <Onboarding later={() => setLater(true)} />
      )}
    </MeContext>
  );
}

function Splash({ text, children }: { text: string; children?: React.ReactNode }) {
  return (
    <main className="splash">
      <img src="/icon.svg" alt="" width="44" height="44" />
      <p role="status">{text}</p>
      {children}
    </main>
  );
}
