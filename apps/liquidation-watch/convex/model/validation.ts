import type { Infer } from "convex/values";
import { v } from "convex/values";
import { refuse } from "./errors.ts";
import {
  BATCH_LIQUIDATIONS_MAX,
  BATCH_PRICES_MAX,
  BIO_CHARS_MAX,
  CLOCK_AHEAD_MAX_MS,
  MESSAGE_CHARS_MAX,
  USERNAME_CHARS_MAX,
  WALLET_CHARS_MAX,
} from "./limits.ts";

export const priceFields = {
  symbol: v.string(),
  price_usd: v.number(),
  change_24h: v.number(),
  updated_at: v.number(),
};

export const liquidationFields = {
  address: v.string(),
  collateral_type: v.string(),
  collateral_amount: v.string(),
  usd_value: v.number(),
  tx_hash: v.string(),
  created_at: v.number(),
};

export const batchFields = {
  prices: v.array(v.object(priceFields)),
  liquidations: v.array(v.object(liquidationFields)),
  /** How many price changes `prices` stands for: a feeder sends only the last one of each symbol. */
  ticks: v.number(),
};
const batchValidator = v.object(batchFields);
export type Batch = Infer<typeof batchValidator>;

const symbolPattern = /^[A-Z0-9.-]{1,16}$/;
const amountPattern = /^\d{1,30}(\.\d{1,30})?$/;
const hexPattern = /^0x[0-9a-fA-F]{1,128}$/;

/** Refuses a batch that would spoil what others see: one bad event refuses it all, with its place in the message. */
export function checkBatch(batch: Batch, now: number): void {
  if (batch.prices.length > BATCH_PRICES_MAX)
    refuse("invalid", `prices: at most ${BATCH_PRICES_MAX} in one batch, not ${batch.prices.length}.`);
  if (batch.liquidations.length > BATCH_LIQUIDATIONS_MAX)
    refuse(
      "invalid",
      `liquidations: at most ${BATCH_LIQUIDATIONS_MAX} in one batch, not ${batch.liquidations.length}.`,
    );
  if (!Number.isInteger(batch.ticks) || batch.ticks < 0)
    refuse("invalid", "ticks: a whole number of at least 0 is needed.");
  for (const [index, price] of batch.prices.entries()) {
    const where = `prices[${index}]`;
    check(symbolPattern.test(price.symbol), where, "symbol", "1 to 16 of A-Z, 0-9, '.', '-'");
    check(isAmount(price.price_usd) && price.price_usd > 0, where, "price_usd", "a number above 0");
    check(Number.isFinite(price.change_24h), where, "change_24h", "a finite number (per cent)");
    check(isTime(price.updated_at, now), where, "updated_at", "milliseconds, not in the future");
  }
  for (const [index, one] of batch.liquidations.entries()) {
    const where = `liquidations[${index}]`;
    check(symbolPattern.test(one.collateral_type), where, "collateral_type", "1 to 16 of A-Z, 0-9, '.', '-'");
    check(amountPattern.test(one.collateral_amount), where, "collateral_amount", "a decimal number as text");
    check(isAmount(one.usd_value), where, "usd_value", "a number of at least 0");
    check(hexPattern.test(one.address), where, "address", "hexadecimal with 0x");
    check(hexPattern.test(one.tx_hash), where, "tx_hash", "hexadecimal with 0x");
    check(isTime(one.created_at, now), where, "created_at", "milliseconds, not in the future");
  }
}

function check(holds: boolean, where: string, field: string, needed: string): void {
  if (!holds) refuse("invalid", `${where}.${field}: ${needed} is needed.`);
}

function isAmount(value: number): boolean {
  return Number.isFinite(value) && value >= 0;
}

function isTime(value: number, now: number): boolean {
  return Number.isFinite(value) && value > 0 && value <= now + CLOCK_AHEAD_MAX_MS;
}

export function checkedWallet(text: string): string {
  const wallet = text.trim();
  if (!/^[A-Za-z0-9:_-]+$/.test(wallet) || wallet.length > WALLET_CHARS_MAX)
    refuse(
      "invalid",
      `wallet_address: 1 to ${WALLET_CHARS_MAX} letters, digits, ':', '_' or '-' are needed.`,
    );
  return wallet;
}

export function checkedUsername(text: string): string {
  const name = singleLine(text);
  if (name === "" || Array.from(name).length > USERNAME_CHARS_MAX)
    refuse("invalid", `username: 1 to ${USERNAME_CHARS_MAX} characters are needed.`);
  return name;
}

export function checkedBio(text: string): string {
  const bio = singleLine(text);
  if (Array.from(bio).length > BIO_CHARS_MAX) refuse("invalid", `bio: at most ${BIO_CHARS_MAX} characters.`);
  return bio;
}

export function checkedContent(text: string): string {
  const content = singleLine(text);
  if (content === "") refuse("invalid", "content: a message needs some text.");
  if (Array.from(content).length > MESSAGE_CHARS_MAX)
    refuse("invalid", `content: at most ${MESSAGE_CHARS_MAX} characters.`);
  return content;
}

/** Terminals obey control characters: none may come from somebody else's message. */
function singleLine(text: string): string {
  return text
    .replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu, " ")
    .replace(/\s+/g, " ")
    .trim();
}
