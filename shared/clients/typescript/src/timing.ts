import type { Timing } from "./types.js";

/** @internal */
export const defaults: Timing = {
  ackTimeout: 5_000,
  backoffBase: 300,
  backoffMax: 20_000,
  pingEvery: 540_000,
  hiddenPing: 20_000,
  rolloverAfter: 6_600_000,
  rolloverJitter: 300_000,
  gapPatience: 1_000,
  streamSilence: 45_000,
  typingEvery: 2_000,
  typingStop: 2_500,
  hiddenFinal: 30_000,
};

/** @internal How long to wait before the attempt that follows so many: anything up to a bound that doubles, so that clients who were cut off together do not come back together. */
export function backoff(attempt: number, t: Pick<Timing, "backoffBase" | "backoffMax">, random = Math.random): number {
  return random() * Math.min(t.backoffMax, t.backoffBase * 2 ** attempt);
}

/** @internal */
export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
