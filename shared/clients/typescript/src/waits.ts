import type { ChatError } from "./error.js";
import { sleep } from "./timing.js";

/** @internal How long to wait before the same is tried again: as the error says, but never less than the backoff. */
export function waitAfter(error: ChatError, backoff: number): number {
  return Math.max(error.retryAfterMs ?? 0, backoff);
}

/** @internal Waits so long, or until there is nothing to wait for: no timer outlives that by much. */
export async function pause(ms: number, isOver: () => boolean): Promise<void> {
  for (const until = Date.now() + ms; Date.now() < until && !isOver(); ) await sleep(Math.min(until - Date.now(), 1000));
}
