import { appError } from "./errors.ts";
import { limits } from "./limits.ts";

// The rules on single values. Pure: each takes what came in and gives back what may be stored, or throws "invalid".

export function checkText(text: string, field: string, lengthMax: number): string {
  const trimmed = text.trim();
  if (trimmed === "") throw appError("invalid", `Please fill in: ${field}.`, { field });
  if (trimmed.length > lengthMax)
    throw appError("invalid", `${field} may have at most ${lengthMax} characters.`, { field });
  return trimmed;
}

/** What somebody says; next to a file it may be nothing. */
export function checkMessage(text: string, hasAttachment: boolean): string {
  if (hasAttachment && text.trim() === "") return "";
  return checkText(text, "content", limits.messageLengthMax);
}

/** Lower-cased: two people cannot have addresses that differ only in case. */
export function checkEmail(text: string): string {
  const email = text.trim().toLowerCase();
  if (email.length > limits.emailLengthMax || !/^[^\s@"<>()]+@[^\s@.]+(\.[^\s@.]+)+$/.test(email))
    throw appError("invalid", "Please enter a valid e-mail address.", { field: "email" });
  return email;
}

/** E.164: a plus sign and up to 15 digits; spaces, hyphens and brackets are left out. */
export function checkPhone(text: string): string {
  const phone = text.replace(/[\s()-]/g, "");
  if (!/^\+[1-9]\d{6,14}$/.test(phone))
    throw appError("invalid", "A phone number is written like +4915112345678.", { field: "phone" });
  return phone;
}

/** Lower-cased, without repetition. */
export function checkSkills(skills: readonly string[]): string[] {
  const distinct = [
    ...new Set(skills.map((skill) => checkText(skill, "skills", limits.skillLengthMax).toLowerCase())),
  ];
  if (distinct.length > limits.skillsMax)
    throw appError("invalid", `At most ${limits.skillsMax} skills, please.`, { field: "skills" });
  return distinct.sort();
}

export function checkWhole(number: number, field: string, min: number, max: number): number {
  if (!Number.isInteger(number) || number < min || number > max)
    throw appError("invalid", `${field} is a whole number from ${min} to ${max}.`, { field });
  return number;
}
