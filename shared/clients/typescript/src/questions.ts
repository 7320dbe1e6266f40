import type { Message } from "./protocol.gen.js";
import type { Rest } from "./rest.js";

/** How many are remembered, so that each is told once. */
const remembered = 10_000;

/** @internal What users say to an agent: each message once, and whole. */
export class Questions {
  readonly #seen = new Set<string>();
  readonly #rest: Rest;
  readonly #tell: (m: Message) => void;

  constructor(rest: Rest, tell: (m: Message) => void) {
    this.#rest = rest;
    this.#tell = tell;
  }

  take(m: Message): void {
    if (this.#seen.has(m.id)) return;
    this.#seen.add(m.id);
    if (this.#seen.size > remembered) this.#seen.delete(this.#seen.values().next().value!);
    if (m.truncated) {
      this.#rest.message(m.id).then(this.#tell, () => this.#seen.delete(m.id)); // it comes again with the next backlog
    } else {
      this.#tell(m);
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
