import type { Infer } from "convex/values";
import type { chatSettings, userPreferences } from "../schema.ts";
import { appError } from "./errors.ts";
import { availableModels, limits } from "./limits.ts";

// The rules on single values. Pure: each takes what came in and gives back what may be stored, or throws "invalid".

/** 1 to 100 letters, digits, spaces and hyphens, in any script. */
export function checkName(text: string): string {
  const name = text.trim().replace(/\s+/g, " ");
  if (name.length === 0) throw appError("invalid", "Please enter a name.", "name");
  if (name.length > limits.nameLengthMax)
    throw appError("invalid", `A name has at most ${limits.nameLengthMax} characters.`, "name");
  if (!/^[\p{L}\p{M}\p{N} -]+$/u.test(name))
    throw appError("invalid", "A name has only letters, digits, spaces and hyphens.", "name");
  return name;
}

/** A name for someone whose identity provider gave one that our rule would refuse (O'Neil, J. Smith). */
export function nameFromIdentity(identity: { name?: string; email?: string; subject: string }): string {
  for (const candidate of [identity.name, identity.email?.split("@")[0], identity.subject]) {
    const name = (candidate ?? "")
      .replace(/[^\p{L}\p{M}\p{N} -]+/gu, " ")
      .replace(/\s+/g, " ")
      .trim()
      .slice(0, limits.nameLengthMax)
      .trim();
    if (name !== "") return name;
  }
  return "Someone";
}

/** An e-mail address, lower-cased: two people cannot have addresses that differ only in case. */
export function checkEmail(text: string, field = "email"): string {
  const email = text.trim().toLowerCase();
  if (email.length > limits.emailLengthMax || !/^[^\s@"<>()]+@[^\s@.]+(\.[^\s@.]+)+$/.test(email))
    throw appError("invalid", "Please enter a valid e-mail address.", field);
  return email;
}

/** An http(s) address, as pictures have. */
export function checkUrl(text: string, field: string): string {
  const url = text.trim();
  if (url.length > limits.urlLengthMax || !/^https?:\/\/[^\s]+$/i.test(url))
    throw appError("invalid", "The address of a picture starts with https:// or http://.", field);
  return url;
}

/** The theme's values are checked by the schema; the rest here. */
export function checkPreferences(preferences: Infer<typeof userPreferences>): Infer<typeof userPreferences> {
  const { language, defaultModel } = preferences;
  if (
    language !== undefined &&
    (language.length > limits.languageLengthMax || !/^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*$/.test(language))
  )
    throw appError("invalid", "A language is a tag such as en or pt-BR.", "preferences.language");
  if (defaultModel !== undefined) checkModel(defaultModel, "preferences.defaultModel");
  return preferences;
}

/** 1 to 200 characters. */
export function checkTitle(text: string): string {
  const title = text.trim().replace(/\s+/g, " ");
  if (title.length === 0) throw appError("invalid", "A title has at least one character.", "title");
  if (title.length > limits.titleLengthMax)
    throw appError("invalid", `A title has at most ${limits.titleLengthMax} characters.`, "title");
  return title;
}

/** One of the models this deployment offers. */
export function checkModel(model: string, field = "model"): string {
  if (!(availableModels as readonly string[]).includes(model))
    throw appError(
      "invalid",
      `There is no model of that name. Choose one of: ${availableModels.join(", ")}.`,
      field,
    );
  return model;
}

/** At most 2,000 characters. */
export function checkSystemPrompt(text: string): string {
  if (text.length > limits.systemPromptLengthMax)
    throw appError(
      "invalid",
      `A system prompt has at most ${limits.systemPromptLengthMax} characters.`,
      "systemPrompt",
    );
  return text;
}

/** Temperature 0 to 2, tokens 1 to 32,000, top P 0 to 1, penalties -2 to 2. */
export function checkSettings(settings: Infer<typeof chatSettings>): Infer<typeof chatSettings> {
  checkRange(settings.temperature, 0, limits.temperatureMax, "settings.temperature");
  checkRange(settings.maxTokens, 1, limits.tokensMax, "settings.maxTokens");
  if (settings.maxTokens !== undefined && !Number.isInteger(settings.maxTokens))
    throw appError("invalid", "The number of tokens is a whole number.", "settings.maxTokens");
  checkRange(settings.topP, 0, 1, "settings.topP");
  checkRange(settings.frequencyPenalty, -limits.penaltyMax, limits.penaltyMax, "settings.frequencyPenalty");
  checkRange(settings.presencePenalty, -limits.penaltyMax, limits.penaltyMax, "settings.presencePenalty");
  return settings;
}

/** At most 20 tags of 1 to 50 characters, without doubles. */
export function checkTags(texts: readonly string[]): string[] {
  const tags = [...new Set(texts.map((text) => text.trim()))];
  if (tags.length > limits.tagsMax)
    throw appError("invalid", `A chat has at most ${limits.tagsMax} tags.`, "tags");
  if (tags.some((tag) => tag.length === 0 || tag.length > limits.tagLengthMax))
    throw appError("invalid", `A tag has 1 to ${limits.tagLengthMax} characters.`, "tags");
  return tags;
}

/** What to search for: 1 to 200 characters. */
export function checkSearch(text: string): string {
  const search = text.trim();
  if (search.length === 0) throw appError("invalid", "Enter something to search for.", "query");
  if (search.length > limits.searchLengthMax)
    throw appError("invalid", `A search has at most ${limits.searchLengthMax} characters.`, "query");
  return search;
}

/** Not-a-number fails too: a comparison with it is false. */
function checkRange(value: number | undefined, low: number, high: number, field: string): void {
  if (value !== undefined && !(value >= low && value <= high))
    throw appError("invalid", `${field} must be between ${low} and ${high}.`, field);
}
