import { type FormEvent, type ReactNode, useId, useState } from "react";
import { failureText } from "../failures.ts";
import { AuthFailure } from "./authStore.ts";

/** Runs what a form is for: one at a time, with its failure as a text. */
export function useAuthSubmit(work: () => Promise<unknown>) {
  const [failure, setFailure] = useState<string | null>(null);
  const [isBusy, setBusy] = useState(false);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (isBusy) return;
    setFailure(null);
    setBusy(true);
    work()
      .catch((error: unknown) => {
        setFailure(error instanceof AuthFailure ? error.message : failureText(error));
      })
      .finally(() => setBusy(false));
  };
  return { submit, failure, isBusy };
}

export function Field({
  label,
  hint,
  value,
  onChange,
  ...input
}: {
  label: string;
  hint?: string;
  value: string;
  onChange: (value: string) => void;
  name: string;
  type?: "text" | "email" | "password";
  autoComplete: string;
  autoFocus?: boolean;
  minLength?: number;
  maxLength: number;
  placeholder?: string;
}) {
  const id = useId();
  const hintId = useId();
  return (
    <>
      <label htmlFor={id}>{label}</label>
      <input
        id={id}
        required
        {...input}
        value={value}
        aria-describedby={hint === undefined ? undefined : hintId}
        onChange={(event) => onChange(event.target.value)}
      />
      {hint !== undefined && (
        <p className="field-hint" id={hintId}>
          {hint}
        </p>
      )}
    </>
  );
}

/** A card with one form: heading, fields, why it did not work, and its button. */
export function AuthCard({
  title,
  notice,
  children,
  form: { submit, failure, isBusy },
  action,
  busyAction,
  footer,
}: {
  title: string;
  notice?: ReactNode;
  children: ReactNode;
  form: ReturnType<typeof useAuthSubmit>;
  action: string;
  busyAction: string;
  footer?: ReactNode;
}) {
  return (
    <form className="card" onSubmit={submit}>
      <h1>{title}</h1>
      {notice !== undefined && notice !== null && (
        <p className="muted" role="status">
          {notice}
        </p>
      )}
      {children}
      <p className="form-failure" role="alert">
        {failure}
      </p>
      <button type="submit" className="primary wide" disabled={isBusy}>
        {isBusy ? busyAction : action}
      </button>
      {footer}
    </form>
  );
}

export const passwordLengthMin = 10;
export const passwordLengthMax = 128;

export function NewPasswordField({
  label = "Password",
  value,
  onChange,
  autoFocus = false,
}: {
  label?: string;
  value: string;
  onChange: (value: string) => void;
  autoFocus?: boolean;
}) {
  return (
    <Field
      label={label}
      name="new-password"
      type="password"
      autoComplete="new-password"
      autoFocus={autoFocus}
      minLength={passwordLengthMin}
      maxLength={passwordLengthMax}
      hint={`At least ${passwordLengthMin} characters.`}
      value={value}
      onChange={onChange}
    />
  );
}
