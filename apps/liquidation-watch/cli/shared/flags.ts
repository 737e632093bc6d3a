import { UserError } from "./errors.ts";

/** The number that a flag of the command line stands for. */
export function numberFlag(name: string, text: string, min: number, max: number): number {
  const value = Number(text);
  if (text.trim() === "" || !(value >= min && value <= max))
    throw new UserError(`--${name}: a number from ${min} to ${max} is needed, not "${text}".`, 2);
  return value;
}
