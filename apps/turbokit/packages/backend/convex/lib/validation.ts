import { backendError } from "./errors.ts";

/** How long texts from clients may be. */
export const limits = {
  nameCharsMax: 120,
  descriptionCharsMax: 5_000,
  bioCharsMax: 500,
  messageCharsMax: 4_000,
  promptCharsMax: 8_000,
  searchCharsMax: 200,
  urlCharsMax: 2_000,
  fileNameCharsMax: 200,
  propertiesMax: 20,
} as const;

/**
 * A text without space around it.
 *
 * @throws INVALID_INPUT {field} when nothing is left of it, or when it is too long
 */
export function checkText(field: string, text: string, charsMax: number): string {
  const trimmed = text.trim();
  if (trimmed === "") throw backendError("INVALID_INPUT", `${field} must not be empty`, { field });
  return checkLength(field, trimmed, charsMax);
}

/** @throws INVALID_INPUT {field} when the text is too long */
export function checkLength(field: string, text: string, charsMax: number): string {
  if (text.length > charsMax)
    throw backendError("INVALID_INPUT", `${field} must have at most ${charsMax} characters`, { field });
  return text;
}
