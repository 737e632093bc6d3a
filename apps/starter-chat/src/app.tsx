import { useConvexAuth, useMutation, useQuery } from "convex/react";
import { useEffect, useState } from "react";
import { api } from "../convex/_generated/api.js";
import { signOut, usePerson } from "./auth.ts";
import { Brand } from "./brand.tsx";
import { DeletingAccount } from "./deletingAccount.tsx";
import { failureCode, failureText } from "./failures.ts";
import { Landing } from "./landing.tsx";
import { Shell } from "./shell.tsx";
import { SignIn } from "./signIn.tsx";
import { setTheme, storedTheme } from "./theme.ts";

/** Which of the app's states this is: nobody, somebody on the way in, or somebody. */
export function App() {
  const person = usePerson();
  const { isAuthenticated } = useConvexAuth();
  if (person === null)
    return (
      <Landing>
        <SignIn />
      </Landing>
    );
  if (!isAuthenticated) return <Splash text="Signing in…" />;
  return <SignedIn key={person.email} />;
}

function SignedIn() {
  const person = usePerson();
  const account = useQuery(api.functions.queries.users.getCurrentUser, {});
  const createUser = useMutation(api.functions.mutations.users.createUser);
  const [failure, setFailure] = useState<unknown>(null);

  const name = person?.name;
  useEffect(() => {
    createUser(name === undefined ? {} : { name }).catch((error: unknown) => {
      // What is left of a deletion that was interrupted is dealt with below.
      if (failureCode(error) !== "account_deleting") setFailure(error);
    });
  }, [createUser, name]);

  const theme = account?.preferences?.theme;
  useEffect(() => {
    if (theme !== undefined && storedTheme() === null) setTheme(theme);
  }, [theme]);

  if (account?.isActive === false) return <DeletingAccount />;
  if (account !== undefined && account !== null) return <Shell account={account} />;
  if (failure !== null)
    return (
      <main className="splash">
        <h1>Signing in did not work</h1>
        <p role="alert">{failureText(failure)}</p>
        <button type="button" className="primary" onClick={signOut}>
          Back
        </button>
      </main>
    );
  return <Splash text="Opening your chats…" />;
}

function Splash({ text }: { text: string }) {
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
        <button type="button" onClick={signOut}>
          Sign out
        </button>
      )}
    </main>
  );
}
