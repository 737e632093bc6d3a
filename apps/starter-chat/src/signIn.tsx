import { useId, useState } from "react";
import { limits } from "../convex/model/limits.ts";
import { checkEmail, checkName } from "../convex/model/validation.ts";
import { SignInError, signIn } from "./auth.ts";
import { failureText } from "./failures.ts";

export function SignIn() {
  const [name, setName] = useState("");
  const [email, setEmail] = useState("");
  const [failure, setFailure] = useState<string | null>(null);
  const [isBusy, setBusy] = useState(false);
  const nameId = useId();
  const emailId = useId();
  const hintId = useId();

  const submit = async () => {
    setFailure(null);
    setBusy(true);
    try {
      // The server checks the same rules; here they answer without a round trip.
      await signIn({ name: checkName(name), email: checkEmail(email) });
    } catch (error) {
      setFailure(error instanceof SignInError ? error.message : failureText(error));
    } finally {
      setBusy(false);
    }
  };

  return (
    <form
      className="card"
      onSubmit={(event) => {
        event.preventDefault();
        void submit();
      }}
    >
      <h1>Welcome</h1>
      <p className="muted" id={hintId}>
        This is a development server: it asks for no password and believes who you say you are.
      </p>
      <label htmlFor={nameId}>Name</label>
      <input
        id={nameId}
        name="name"
        autoComplete="name"
        autoFocus
        required
        maxLength={limits.nameLengthMax}
        placeholder="Ada Lovelace"
        value={name}
        onChange={(event) => setName(event.target.value)}
      />
      <label htmlFor={emailId}>E-mail</label>
      <input
        id={emailId}
        name="email"
        type="email"
        autoComplete="email"
        required
        maxLength={limits.emailLengthMax}
        placeholder="ada@example.com"
        value={email}
        onChange={(event) => setEmail(event.target.value)}
      />
      <p className="field-hint">Others share chats with you by this address.</p>
      <p className="form-failure" role="alert">
        {failure}
      </p>
      <button type="submit" className="primary wide" disabled={isBusy}>
        {isBusy ? "Signing in…" : "Sign in"}
      </button>
      <p className="field-hint">To chat with yourself, sign in under another name in a second window.</p>
    </form>
  );
}
