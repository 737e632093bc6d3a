import { useState } from "react";
import { limits } from "../../convex/model/limits.ts";
import { checkEmail, checkName } from "../../convex/model/validation.ts";
import { AuthCard, Field, NewPasswordField } from "./authForm.tsx";
import { useAuthState, useAuthStore } from "./authProvider.tsx";
import { forgetMailLink, resetToken, verification } from "./mailLinks.ts";

type Mode = "sign-in" | "sign-up" | "forgot";

/** The way in: signing in and up, and back to an account whose password is lost. A card; the page is around it. */
export function SignIn() {
  const [mode, setMode] = useState<Mode>("sign-in");
  const [email, setEmail] = useState("");
  const [token, setToken] = useState(resetToken);
  const [changed, setChanged] = useState(false);
  if (token !== null)
    return (
      <NewPassword
        token={token}
        onDone={(isChanged) => {
          forgetMailLink();
          setToken(null);
          setChanged(isChanged);
        }}
      />
    );
  const shared = { email, onEmail: setEmail, onMode: setMode };
  if (mode === "sign-up") return <SignUpForm {...shared} />;
  if (mode === "forgot") return <ForgotForm {...shared} />;
  return <SignInForm {...shared} wasChanged={changed} />;
}

interface FormProps {
  readonly email: string;
  readonly onEmail: (email: string) => void;
  readonly onMode: (mode: Mode) => void;
}

function SignInForm({ email, onEmail, onMode, wasChanged }: FormProps & { wasChanged: boolean }) {
  const store = useAuthStore();
  const { notice } = useAuthState();
  const [password, setPassword] = useState("");
  const [verified] = useState(verification);
  const signIn = async () => {
    await store.signIn(checkEmail(email), password);
    forgetMailLink();
  };
  return (
    <AuthCard
      title="Welcome"
      notice={
        (wasChanged && "Your password has been changed. Sign in with it.") ||
        (verified === "done" && "Thank you, your e-mail address is confirmed.") ||
        (verified === "failed" && "This link has been used, or is too old. Sign in to ask for a new one.") ||
        notice
      }
      onSubmit={signIn}
      action="Sign in"
      busyAction="Signing in…"
      footer={
        <p className="field-hint">
          No account yet?{" "}
          <button type="button" className="link" onClick={() => onMode("sign-up")}>
            Create one
          </button>
        </p>
      }
    >
      <EmailField value={email} onChange={onEmail} autoFocus />
      <Field
        label="Password"
        name="password"
        type="password"
        autoComplete="current-password"
        maxLength={limits.passwordLengthMax}
        value={password}
        onChange={setPassword}
      />
      <p className="field-hint">
        <button type="button" className="link" onClick={() => onMode("forgot")}>
          Forgot your password?
        </button>
      </p>
    </AuthCard>
  );
}

function SignUpForm({ email, onEmail, onMode }: FormProps) {
  const store = useAuthStore();
  const [name, setName] = useState("");
  const [password, setPassword] = useState("");
  return (
    <AuthCard
      title="Create an account"
      // The server checks the same rules; here they answer without a round trip.
      onSubmit={() => store.signUp(checkName(name), checkEmail(email), password)}
      action="Create account"
      busyAction="Creating…"
      footer={<BackToSignIn onMode={onMode} text="Have an account already?" />}
    >
      <Field
        label="Name"
        name="name"
        autoComplete="name"
        autoFocus
        maxLength={limits.nameLengthMax}
        placeholder="Ada Lovelace"
        value={name}
        onChange={setName}
      />
      <EmailField
        value={email}
        onChange={onEmail}
        hint="Others share chats with you by this address, once you have confirmed it."
      />
      <NewPasswordField value={password} onChange={setPassword} />
    </AuthCard>
  );
}

function ForgotForm({ email, onEmail, onMode }: FormProps) {
  const store = useAuthStore();
  const [sentTo, setSentTo] = useState<string | null>(null);
  const sendLink = async () => {
    const address = checkEmail(email);
    await store.requestPasswordReset(address);
    setSentTo(address);
  };
  if (sentTo !== null)
    return (
      <div className="card" role="status">
        <h1>Look into your mail</h1>
        <p className="muted">
          If {sentTo} has an account here, a mail with a link is on its way. The link is good for an hour.
        </p>
        <BackToSignIn onMode={onMode} />
      </div>
    );
  return (
    <AuthCard
      title="Forgot your password?"
      notice="We send you a link to choose a new one."
      onSubmit={sendLink}
      action="Send the link"
      busyAction="Sending…"
      footer={<BackToSignIn onMode={onMode} />}
    >
      <EmailField value={email} onChange={onEmail} autoFocus />
    </AuthCard>
  );
}

function NewPassword({ token, onDone }: { token: string; onDone: (isChanged: boolean) => void }) {
  const store = useAuthStore();
  const [password, setPassword] = useState("");
  const change = async () => {
    await store.resetPassword(token, password);
    await store.signOut();
    onDone(true);
  };
  return (
    <AuthCard
      title="Choose a new password"
      notice="It signs you out on all devices."
      onSubmit={change}
      action="Change password"
      busyAction="Changing…"
      footer={
        <p className="field-hint">
          <button type="button" className="link" onClick={() => onDone(false)}>
            Leave it as it is
          </button>
        </p>
      }
    >
      <NewPasswordField label="New password" value={password} onChange={setPassword} autoFocus />
    </AuthCard>
  );
}

function EmailField({
  value,
  onChange,
  hint,
  autoFocus = false,
}: {
  value: string;
  onChange: (value: string) => void;
  hint?: string;
  autoFocus?: boolean;
}) {
  return (
    <Field
      label="E-mail"
      name="email"
      type="email"
      autoComplete="username"
      autoFocus={autoFocus}
      maxLength={limits.emailLengthMax}
      placeholder="ada@example.com"
      {...(hint === undefined ? {} : { hint })}
      value={value}
      onChange={onChange}
    />
  );
}

function BackToSignIn({ onMode, text }: { onMode: (mode: Mode) => void; text?: string }) {
  return (
    <p className="field-hint">
      {text}{" "}
      <button type="button" className="link" onClick={() => onMode("sign-in")}>
        {text === undefined ? "Back to signing in" : "Sign in"}
      </button>
    </p>
  );
}
