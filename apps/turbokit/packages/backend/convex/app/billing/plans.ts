import type { Doc } from "../../_generated/dataModel.js";

export type Plan = Doc<"users">["plan"];

export interface PlanTerms {
  readonly name: string;
  /** In cents. */
  readonly pricePerMonth: number;
  readonly creditsPerMonth: number;
  readonly projectsMax: number;
  readonly uploadBytesMax: number;
}

const mebibyte = 1024 * 1024;

/** What each plan has. Their ids are the products' ids in Autumn. */
export const plans: Readonly<Record<Plan, PlanTerms>> = {
  free: {
    name: "Free",
    pricePerMonth: 0,
    creditsPerMonth: 100,
    projectsMax: 10,
    uploadBytesMax: 10 * mebibyte,
  },
  pro: {
    name: "Pro",
    pricePerMonth: 2_000,
    creditsPerMonth: 2_000,
    projectsMax: 100,
    uploadBytesMax: 100 * mebibyte,
  },
  enterprise: {
    name: "Enterprise",
    pricePerMonth: 20_000,
    creditsPerMonth: 30_000,
    projectsMax: 200,
    uploadBytesMax: 500 * mebibyte,
  },
};

/** Credits that can be bought once. Prices in cents. */
export const packs = {
  small: { credits: 500, price: 500 },
  large: { credits: 3_000, price: 2_500 },
} as const;

export type Pack = keyof typeof packs;

/** What calls of models cost. */
export const costs = {
  tokensPerCredit: 100,
  /** Held back while a call runs; what it does not use is given back. */
  chat: 20,
  generate: 10,
  summarize: 10,
} as const;

/** Credits for a call: at least one, for it took somebody's time. */
export function creditsFor(tokens: number): number {
  return Math.max(1, Math.ceil(tokens / costs.tokensPerCredit));
}

/** "2026-11" */
export function monthOf(time: number): string {
  return new Date(time).toISOString().slice(0, 7);
}
