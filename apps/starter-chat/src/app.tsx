import { useConvexAuth, useMutation, useQuery } from "convex/react";
import { useEffect, useState } from "react";
import { api } from "../convex/_generated/api.js";
import { useAuthState, useAuthStore } from "./auth/authProvider.tsx";
import { resetToken } from "./auth/mailLinks.ts";
import { SignIn } from "./auth/signIn.tsx";
import { Brand } from "./brand.tsx";
import { DeletingAccount } from "./deletingAccount.tsx";
import { failureText } from "./failures.ts";
import { Landing } from "./landing.tsx";
import { type Route, useRoute } from "./route.ts";
import { SharedChat } from "./sharedChat.tsx";
import { Shell } from "./shell.tsx";
import { setTheme, storedTheme } from "./theme.ts";

/** Which of the app's states this is: nobody, somebody on the way in, or somebody. */
export function App() {
  const { person } = useAuthState();
  const { isAuthenticated } = useConvexAuth();
  const route = useRoute();
  if (route.kind === "shared" && (person === null || isAuthenticated))
    return <SharedChat token={route.token} isSignedIn={person !== null} />;
  if (person === null || resetToken() !== null)
    return (
      <Landing>
        <SignIn />
      </Landing>
    );
  if (!isAuthenticated) return <Splash text="Signing in…" />;
  return <SignedIn key={person.email} route={route} />;
}

function SignedIn({ route }: { route: Route }) {
  const store = useAuthStore();
  const account = useQuery(api.functions.queries.users.getCurrentUser, {});
  const createUser = useMutation(api.functions.mutations.users.createUser);
  const [failure, setFailure] = useState<unknown>(null);
  const [isLeaving, setLeaving] = useState(false);

  // Signing up has made the account already; this is for people whom another issuer of tokens has sent.
  const isMissing = account === null && !isLeaving;
  useEffect(() => {
    if (isMissing) createUser({}).catch(setFailure);
  }, [createUser, isMissing]);

  // The deletion is done when the account is gone.
  if (account?.isActive === false && !isLeaving) setLeaving(true);
  useEffect(() => {
    if (isLeaving && account === null) void store.signOut();
  }, [store, isLeaving, account]);

  const theme = account?.preferences?.theme;
  useEffect(() => {
    if (theme !== undefined && storedTheme() === null) setTheme(theme);
  }, [theme]);

  if (isLeaving) return <DeletingAccount />;
  if (account !== undefined && account !== null) return <Shell account={account} route={route} />;
  if (failure !== null)
    return (
      <main className="splash">
        <h1>Signing in did not work</h1>
        <p role="alert">{failureText(failure)}</p>
        <button type="button" className="primary" onClick={() => void store.signOut()}>
          Back
        </button>
      </main>
    );
  return <Splash text="Opening your chats…" />;
}

function Splash({ text }: { text: string }) {
  const store = useAuthStore();
  const [isSlow, setSlow] = useState(false);
  useEffect(() => {
    const timer = setTimeout(() => setSlow(true), 4000);
    return () => clearTimeout(timer);
  }, []);
  return (
    <main className="splash" aria-busy="true">
      <Brand />
      <p role="status">{isSlow ? "Still trying to reach the server…" : text}</p>
      {isSlow && (
        <button type="button" onClick={() => void store.signOut()}>
          Sign out
        </button>
      )}
    </main>
  );
}
