import type { ChatClient } from "./client.js";
import { asChatError } from "./error.js";
import type { Frame } from "./link.js";
import type { Message } from "./protocol.gen.js";
import { backoff } from "./timing.js";
import { pause, waitAfter } from "./waits.js";

/** How many are remembered, so that each is told once. */
const remembered = 10_000;

/** @internal What users say to an agent: each message once, and whole. */
export class Questions {
  readonly #seen = new Set<string>();
  readonly #core: ChatClient;

  constructor(core: ChatClient) {
    this.#core = core;
  }

  /** A frame that has one, or says where those are that were said meanwhile. */
  frame({ event, data }: Frame): void {
    if (event === "backlog") void this.#backlog(data?.cursor);
    else this.#take(data);
  }

  #tell(m: Message): void {
    this.#core.emit("question", m);
  }

  #take(m?: Message): void {
    if (!m?.id || this.#seen.has(m.id)) return;
    this.#seen.add(m.id);
    if (this.#seen.size > remembered) this.#seen.delete(this.#seen.values().next().value!);
    if (m.truncated) void this.#readWhole(m.id);
    else this.#tell(m);
  }

  async #readWhole(id: string): Promise<void> {
    for (let attempt = 0; ; attempt++) {
      try {
        return this.#tell(await this.#core.rest.message(id));
      } catch (cause) {
        const error = asChatError(cause);
        if (!error.retryable) return; // it was deleted meanwhile
        await pause(waitAfter(error, backoff(attempt, this.#core.timing)), () => !this.#core.link);
        if (this.#core.link) continue;
        this.#seen.delete(id); // it comes again with the backlog of the next connection
        return;
      }
    }
  }

  /** Reads what of a backlog did not come by itself. */
  async #backlog(cursor?: string): Promise<void> {
    try {
      for (let at = cursor; at; ) {
        const page = await this.#core.rest.backlog(this.#core.me!.id, { cursor: at });
        for (const m of page.data) this.#take(m);
        at = page.pagination.cursor;
      }
    } catch {
      // The next connection begins it again.
    }
  }
}
