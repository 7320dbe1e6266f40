import { Assembler } from "./assembler.js";
import type { Conversation } from "./conversation.js";
import { asChatError } from "./error.js";
import type { Frame } from "./link.js";

/** @internal The answers that are being written in a conversation. Where nobody writes any, this is not loaded. */
export class Answers extends Assembler {
  readonly #of: Conversation;
  #tick?: ReturnType<typeof setInterval>;

  constructor(of: Conversation) {
    super(of.core.timing);
    this.#of = of;
  }

  /** A frame that is about one; now: when it came. */
  frame({ event, data }: Frame, now: number): void {
    let changed = true;
    if (event === "stream:delta") changed = this.delta(data, now);
    else if (event === "stream:stopping") this.stopping(data.streamIds);
    else if (event === "stream:dropped") this.dropped(data.streamId);
    else this.begun(data, now);
    if (changed) this.#of.changed();
    this.look();
  }

  /** Looks whether time may run out for one. */
  look(): void {
    const { core } = this.#of;
    if (core.isOver) this.#rest();
    else if (this.busy) this.#tick ??= setInterval(() => this.#watch(), core.timing.gapPatience);
  }

  #rest(): void {
    clearInterval(this.#tick);
    this.#tick = undefined;
  }

  #watch(): void {
    const of = this.#of;
    const now = Date.now();
    if (this.pass(now)) of.changed(); // one is stalled by now, or over
    for (const streamId of this.missing(now)) {
      of.core.rest.stream(of.id, streamId).then(
        (d) => {
          this.begun({ ...d, truncated: false }, Date.now());
          of.changed();
        },
        (e) => {
          // It has ended: its message comes, or has come.
          if (asChatError(e).code === "not_found" && this.over(streamId)) of.changed();
        },
      );
    }
    if (!this.busy || !of.isOpen || of.answers.it !== this) this.#rest();
  }
}
