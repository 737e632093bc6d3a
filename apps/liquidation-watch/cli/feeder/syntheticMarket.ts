import type { MarketEvent, MarketSource } from "./events.ts";

interface Asset {
  readonly symbol: string;
  readonly openUsd: number;
  /** How often it is traded, against the others. */
  readonly weight: number;
  /** Standard deviation of one price change. */
  readonly step: number;
  priceUsd: number;
}

/** Symbol, price, weight, standard deviation of one change. */
const assets: readonly (readonly [string, number, number, number])[] = [
  ["BTC", 97_250, 20, 0.00012],
  ["ETH", 3_410, 18, 0.00018],
  ["SOL", 187.4, 14, 0.00028],
  ["BNB", 655.2, 8, 0.00018],
  ["XRP", 1.12, 8, 0.0003],
  ["DOGE", 0.162, 8, 0.0004],
  ["AVAX", 34.7, 6, 0.0003],
  ["LINK", 15.1, 6, 0.00028],
  ["SUI", 3.62, 6, 0.0004],
  ["ARB", 0.611, 4, 0.00035],
  ["OP", 1.87, 4, 0.00035],
  ["PEPE", 0.0000204, 4, 0.0006],
];

/** How many events are liquidations, in calm and in a cascade. */
const CALM_SHARE = 0.06;
const CASCADE_SHARE = 0.35;
/** With each event: how likely a cascade begins and ends. */
const CASCADE_BEGINS = 1 / 20_000;
const CASCADE_ENDS = 1 / 4_000;
/** Prices are drawn back to where they opened, so that a market that runs for weeks stays one. */
const PULL_BACK = 0.0004;
const LIQUIDATION_USD_MEDIAN = 6_500;
const LIQUIDATION_USD_SPREAD = 1.5;
const LIQUIDATION_USD_MAX = 12_000_000;

/**
 * A made-up market: prices that wander, liquidations with the heavy tail they have in life, and cascades now and then
 * in which prices fall together. The same seed gives the same market.
 */
export class SyntheticMarket implements MarketSource {
  readonly #random: () => number;
  readonly #assets: Asset[];
  readonly #weightSum: number;
  #inCascade = false;

  constructor(seed: number) {
    this.#random = mulberry32(seed);
    this.#assets = assets.map(([symbol, openUsd, weight, step]) => ({
      symbol,
      openUsd,
      weight,
      step,
      priceUsd: openUsd * Math.exp(0.03 * this.#normal()),
    }));
    this.#weightSum = assets.reduce((sum, [, , weight]) => sum + weight, 0);
  }

  next(): MarketEvent {
    if (this.#random() < (this.#inCascade ? CASCADE_ENDS : CASCADE_BEGINS))
      this.#inCascade = !this.#inCascade;
    const share = this.#inCascade ? CASCADE_SHARE : CALM_SHARE;
    const asset = this.#chooseAsset();
    return this.#random() < share ? this.#liquidate(asset) : this.#move(asset);
  }

  #move(asset: Asset): MarketEvent {
    const drift =
      (this.#inCascade ? -0.6 * asset.step : 0) - PULL_BACK * Math.log(asset.priceUsd / asset.openUsd);
    asset.priceUsd *= Math.exp(drift + asset.step * this.#normal());
    return {
      type: "price",
      symbol: asset.symbol,
      price_usd: significant(asset.priceUsd, 7),
      change_24h: Math.round((asset.priceUsd / asset.openUsd - 1) * 1e4) / 100,
    };
  }

  #liquidate(asset: Asset): MarketEvent {
    const usd = Math.min(
      LIQUIDATION_USD_MAX,
      LIQUIDATION_USD_MEDIAN * Math.exp(LIQUIDATION_USD_SPREAD * this.#normal()),
    );
    return {
      type: "liquidation",
      address: this.#hex(40),
      collateral_type: asset.symbol,
      collateral_amount: plainDecimal(usd / asset.priceUsd),
      usd_value: Math.round(usd * 100) / 100,
      tx_hash: this.#hex(64),
    };
  }

  #chooseAsset(): Asset {
    let left = this.#random() * this.#weightSum;
    for (const asset of this.#assets) {
      left -= asset.weight;
      if (left < 0) return asset;
    }
    return this.#assets[0] as Asset;
  }

  /** Box and Muller. */
  #normal(): number {
    return Math.sqrt(-2 * Math.log(1 - this.#random())) * Math.cos(2 * Math.PI * this.#random());
  }

  #hex(digits: number): string {
    let text = "0x";
    while (text.length < digits + 2)
      text += Math.floor(this.#random() * 2 ** 32)
        .toString(16)
        .padStart(8, "0");
    return text.slice(0, digits + 2);
  }
}

function significant(value: number, digits: number): number {
  return Number(value.toPrecision(digits));
}

/** Six significant digits, never in the form 1e-7. */
function plainDecimal(value: number): string {
  const decimals = Math.min(20, Math.max(0, 5 - Math.floor(Math.log10(value))));
  return value.toFixed(decimals);
}

/** A small generator of numbers from 0 to below 1. */
function mulberry32(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
