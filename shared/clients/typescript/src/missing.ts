import type { Conversation } from "./conversation.js";
import { asChatError } from "./error.js";
import { backoff } from "./timing.js";
import { pause, waitAfter } from "./waits.js";

/** @internal Reads what of a conversation did not come: messages, and the ends of those that did not fit a frame. Where nothing is missing, this is not loaded. */
export class Missing {
  readonly #of: Conversation;
  readonly #cut = new Set<string>(); // truncated messages that are to be read
  #gap?: ReturnType<typeof setTimeout>;
  #filling = false;
  #reading = false;
  #failures = 0; // to read what is missing, in a row

  constructor(of: Conversation) {
    this.#of = of;
  }

  /** Looks whether something is missing. */
  look(): void {
    const { core, log, isOpen } = this.#of;
    const { timing } = core;
    if (core.isOver) {
      clearTimeout(this.#gap);
      this.#gap = undefined;
      return;
    }
    if (isOpen && log.lacks && !this.#filling) this.#gap ??= setTimeout(() => void this.fill(), timing.gapPatience + (this.#failures && backoff(this.#failures, timing)));
    void this.#readWhole();
  }

  /** Notes a message that did not fit its frame. */
  cut(id: string): void {
    this.#cut.add(id);
    this.look();
  }

  /** One that was deleted is not read. */
  deleted(id: string): void {
    this.#cut.delete(id);
  }

  clear(): void {
    this.#cut.clear();
  }

  /** Reads the messages that did not come. */
  async fill(): Promise<void> {
    const { core, log, id } = this.#of;
    this.#gap = undefined;
    if (this.#filling) return;
    this.#filling = true;
    try {
      while (log === this.#of.log && log.lacks && this.#of.isOpen && !core.isOver) {
        const { last } = log;
        const { data } = await core.rest.messages({ conversationId: id, afterSeq: last, limit: 100 });
        if (log !== this.#of.log) break; // of somebody else
        for (const m of data) this.#of.add(m, true);
        this.#failures = log.last === last ? this.#failures + 1 : 0;
        if (this.#failures) break; // the database that was asked is behind: again a little later
      }
    } catch (cause) {
      const error = asChatError(cause);
      this.#failures++;
      if (error.code === "not_found" || error.code === "forbidden") this.#of.failed(error);
    }
    this.#filling = false;
    this.look();
  }

  /** Reads the messages that did not fit their frames, one after the other. */
  async #readWhole(): Promise<void> {
    if (this.#reading) return;
    this.#reading = true;
    const { core } = this.#of;
    for (let attempt = 0; this.#cut.size > 0 && !core.isOver; ) {
      const [id] = this.#cut as unknown as [string];
      try {
        const m = await core.rest.message(id);
        if (this.#cut.delete(id)) this.#of.add(m, true);
        attempt = 0;
      } catch (cause) {
        const error = asChatError(cause);
        // It was deleted meanwhile, which a frame tells; or else its beginning has to do.
        if (!this.#cut.delete(id) || !error.retryable) continue;
        this.#cut.add(id); // after the others
        await pause(waitAfter(error, backoff(attempt++, core.timing)), () => core.isOver);
      }
    }
    this.#reading = false;
  }
}
