import type { Message } from "./protocol.gen.js";
import { asChatError } from "./error.js";
import type { Rest } from "./rest.js";
import { backoff } from "./timing.js";
import type { Timing } from "./types.js";
import { pause, waitAfter } from "./waits.js";

/** How many are remembered, so that each is told once. */
const remembered = 10_000;

/** @internal What users say to an agent: each message once, and whole. */
export class Questions {
  readonly #seen = new Set<string>();
  readonly #rest: Rest;
  readonly #tell: (m: Message) => void;
  readonly #timing: Timing;
  readonly #isConnected: () => boolean;

  constructor(rest: Rest, tell: (m: Message) => void, timing: Timing, isConnected: () => boolean) {
    this.#rest = rest;
    this.#tell = tell;
    this.#timing = timing;
    this.#isConnected = isConnected;
  }

  take(m: Message): void {
    if (!m?.id || this.#seen.has(m.id)) return;
    this.#seen.add(m.id);
    if (this.#seen.size > remembered) this.#seen.delete(this.#seen.values().next().value!);
    if (m.truncated) void this.#readWhole(m.id);
    else this.#tell(m);
  }

  async #readWhole(id: string): Promise<void> {
    for (let attempt = 0; ; attempt++) {
      try {
        return this.#tell(await this.#rest.message(id));
      } catch (cause) {
        const error = asChatError(cause);
        if (!error.retryable) return; // it was deleted meanwhile
        await pause(waitAfter(error, backoff(attempt, this.#timing)), () => !this.#isConnected());
        if (this.#isConnected()) continue;
        this.#seen.delete(id); // it comes again with the backlog of the next connection
        return;
      }
    }
  }

  /** Reads what of a backlog did not come by itself. */
  async backlog(agentId: string, cursor: string): Promise<void> {
    try {
      for (let at: string | undefined = cursor; at; ) {
        const page = await this.#rest.backlog(agentId, { cursor: at });
        for (const m of page.data) this.take(m);
        at = page.pagination.cursor;
      }
    } catch {
      // The next connection begins it again.
    }
  }
}
