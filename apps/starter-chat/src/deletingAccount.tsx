import { useMutation } from "convex/react";
import { useEffect, useState } from "react";
import { api } from "../convex/_generated/api.js";
import { signOut } from "./auth.ts";
import { Brand } from "./brand.tsx";
import { failureText } from "./failures.ts";

/** Deletes the account step by step; also what an interrupted deletion comes back to. */
export function DeletingAccount() {
  const deleteUser = useMutation(api.functions.mutations.users.deleteUser);
  const [deleted, setDeleted] = useState(0);
  const [failure, setFailure] = useState<string | null>(null);
  const [attempt, setAttempt] = useState(0);
  useEffect(() => {
    const left = new AbortController();
    const run = async (): Promise<void> => {
      const step = await deleteUser({});
      if (left.signal.aborted) return;
      setDeleted((count) => count + step.deleted);
      if (step.isDone) signOut();
      else await run();
    };
    run().catch((error: unknown) => {
      if (!left.signal.aborted) setFailure(failureText(error));
    });
    return () => left.abort();
  }, [deleteUser, attempt]);
  return (
    <main className="splash" aria-busy={failure === null}>
      <Brand />
      <h1>Deleting your account</h1>
      <p role="status">
        {deleted === 0 ? "Working…" : `${deleted.toLocaleString()} entries deleted so far…`}
      </p>
      {failure !== null && (
        <>
          <p role="alert">{failure}</p>
          <button
            type="button"
            onClick={() => {
              setFailure(null);
              setAttempt(attempt + 1);
            }}
          >
            Go on
          </button>
        </>
      )}
    </main>
  );
}
