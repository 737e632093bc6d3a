import { type ReactNode, useId } from "react";
import { limits } from "../../convex/model/limits.ts";
import { FormFailure, useSubmit } from "../dialog.tsx";

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
  onSubmit,
  action,
  busyAction,
  footer,
}: {
  title: string;
  notice?: ReactNode;
  children: ReactNode;
  onSubmit: () => Promise<unknown>;
  action: string;
  busyAction: string;
  footer?: ReactNode;
}) {
  const { run, failure, isBusy } = useSubmit();
  return (
    <form className="card" onSubmit={(event) => run(event, onSubmit)}>
      <h1>{title}</h1>
      {notice !== undefined && notice !== null && (
        <p className="muted" role="status">
          {notice}
        </p>
      )}
      {children}
      <FormFailure text={failure} />
      <button type="submit" className="primary wide" disabled={isBusy}>
        {isBusy ? busyAction : action}
      </button>
      {footer}
    </form>
  );
}

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
      minLength={limits.passwordLengthMin}
      maxLength={limits.passwordLengthMax}
      hint={`At least ${limits.passwordLengthMin} characters.`}
      value={value}
      onChange={onChange}
    />
  );
}
