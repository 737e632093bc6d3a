import { useMutation } from "convex/react";
import { useState } from "react";
import { api } from "../../packages/convex/_generated/api.js";
import { failureText } from "./failures.ts";
import { useSession } from "./session.tsx";

/** Name (for somebody new) and address, then the code that was sent there. */
export function SignInForm({ asksName, intro }: { asksName: boolean; intro: string }) {
  const { begin } = useSession();
  const createUser = useMutation(api.users.createUser);
  const requestCode = useMutation(api.auth.requestCode);
  const createSession = useMutation(api.auth.createSession);
  const [email, setEmail] = useState("");
  const [name, setName] = useState("");
  const [code, setCode] = useState("");
  const [isCodeSent, setCodeSent] = useState(false);
  const [failure, setFailure] = useState<string | null>(null);
  const [isBusy, setBusy] = useState(false);

  const submit = async () => {
    setBusy(true);
    setFailure(null);
    try {
      if (isCodeSent) {
        const signedIn = await createSession({ email, code });
        if (signedIn === null) setFailure("That is not the code we sent, or it is too old.");
        else begin(signedIn.session);
      } else if (asksName) {
        const answer = await createUser({ email, name });
        if (answer.status === "created") begin(answer.session);
        else setCodeSent(true);
      } else {
        await requestCode({ email });
        setCodeSent(true);
      }
    } catch (error) {
      setFailure(failureText(error));
    } finally {
      setBusy(false);
    }
  };

  return (
    <form
      className="sign-in"
      onSubmit={(event) => {
        event.preventDefault();
        void submit();
      }}
    >
      <p>{isCodeSent ? `We have sent a code to ${email}.` : intro}</p>
      {!isCodeSent && asksName && (
        <label>
          Your name
          <input
            value={name}
            required
            maxLength={100}
            autoComplete="name"
            onChange={(e) => setName(e.target.value)}
          />
        </label>
      )}
      {!isCodeSent && (
        <label>
          E-mail
          <input
            type="email"
            value={email}
            required
            autoComplete="email"
            onChange={(event) => setEmail(event.target.value)}
          />
        </label>
      )}
      {isCodeSent && (
        <label>
          Code
          <input
            value={code}
            required
            inputMode="numeric"
            pattern="[0-9]{6}"
            autoComplete="one-time-code"
            // The field has just replaced the one the person was in.
            autoFocus
            onChange={(event) => setCode(event.target.value)}
          />
        </label>
      )}
      {failure !== null && (
        <p className="failure" role="alert">
          {failure}
        </p>
      )}
      <button type="submit" className="primary" disabled={isBusy}>
        {isCodeSent ? "Sign in" : asksName ? "Start" : "Send me a code"}
      </button>
      {isCodeSent && (
        <button type="button" onClick={() => setCodeSent(false)}>
          Another address
        </button>
      )}
    </form>
  );
}
