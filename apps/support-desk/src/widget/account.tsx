import { useAction, useMutation } from "convex/react";
import { useState } from "react";
import { api } from "../../packages/convex/_generated/api.js";
import { failureText } from "../shared/failures.ts";

/**
 * What somebody may do with their data. Nothing is watched here: the session ends with the account, and a live query
 * would fail first.
 */
export function Account({ token, end }: { token: string; end: () => void }) {
  const exportData = useAction(api.privacy.exportData);
  const deleteUser = useMutation(api.privacy.deleteUser);
  const [link, setLink] = useState<string | null>(null);
  const [isSure, setSure] = useState(false);
  const [isBusy, setBusy] = useState(false);
  const [failure, setFailure] = useState<string | null>(null);
  const attempt = async (work: () => Promise<void>) => {
    setBusy(true);
    setFailure(null);
    try {
      await work();
    } catch (error) {
      setFailure(failureText(error));
    } finally {
      setBusy(false);
    }
  };
  return (
    <div className="account">
      <h2>Your data</h2>
      <p>
        Everything we know about you, in one file: your account, conversations, files, and what happened when.
      </p>
      <p className="choices">
        <button
          type="button"
          disabled={isBusy}
          onClick={() => void attempt(async () => setLink(await exportData({ token })))}
        >
          Put it together
        </button>
        {link !== null && (
          <a href={link} target="_blank" rel="noreferrer" download="my-data.json">
            Open the file
          </a>
        )}
      </p>
      {link !== null && <p className="hint">The link works for an hour.</p>}
      <h2>Delete your account</h2>
      <p>Your conversations and files go with it. This cannot be undone.</p>
      <label className="check">
        <input type="checkbox" checked={isSure} onChange={(event) => setSure(event.target.checked)} /> I am
        sure
      </label>
      <p className="choices">
        <button
          type="button"
          className="danger"
          disabled={!isSure || isBusy}
          onClick={() =>
            void attempt(async () => {
              await deleteUser({ token });
              end();
            })
          }
        >
          Delete everything
        </button>
      </p>
      {failure !== null && (
        <p className="failure" role="alert">
          {failure}
        </p>
      )}
    </div>
  );
}
