import type { Conversation } from "./conversation.js";
import { nameOf } from "./identity.js";
import type { Identity, TypingNotice } from "./protocol.gen.js";
import type { Timing } from "./types.js";

/** @internal Who types, until they stop or nothing more is heard of it. */
export class TypingOthers {
  readonly #all = new Map<string, { who: Identity; timer?: ReturnType<typeof setTimeout> }>();
  readonly #changed: () => void;

  constructor(changed: () => void) {
    this.#changed = changed;
  }

  get who(): Identity[] {
    return [...this.#all.values()].map((t) => t.who);
  }

  start({ type, id, expiresIn }: Pick<TypingNotice, "type" | "id" | "expiresIn">): void {
    const who = { type, id };
    clearTimeout(this.#all.get(nameOf(who))?.timer);
    this.#all.set(nameOf(who), { who, timer: setTimeout(() => this.stop(who), expiresIn ?? 5000) });
    this.#changed();
  }

  stop(who: { type: string; id: string }): void {
    clearTimeout(this.#all.get(nameOf(who))?.timer);
    if (this.#all.delete(nameOf(who))) this.#changed();
  }

  clear(): void {
    for (const t of this.#all.values()) clearTimeout(t.timer);
    this.#all.clear();
  }
}

/** @internal Tells others that the user types: not with each keystroke, and when it is over. */
export class TypingOwn {
  #told = 0; // when it was told that it began; 0: it is over
  #over?: ReturnType<typeof setTimeout>;
  readonly #timing: Timing;
  readonly #tell: (state: "start" | "stop") => boolean;

  /** tell returns false where nobody can be told. */
  constructor(timing: Timing, tell: (state: "start" | "stop") => boolean) {
    this.#timing = timing;
    this.#tell = tell;
  }

  keystroke(): void {
    const now = Date.now();
    if (now - this.#told >= this.#timing.typingEvery && this.#tell("start")) this.#told = now;
    clearTimeout(this.#over);
    this.#over = setTimeout(() => this.stop(), this.#timing.typingStop);
  }

  /** told: by something else, such as the message itself. */
  stop(told = false): void {
    clearTimeout(this.#over);
    if (this.#told && !told) this.#tell("stop");
    this.#told = 0;
  }
}

/** @internal Of a conversation: whoever is in its room is told. */
export function ownOf({ core, id }: Conversation): TypingOwn {
  return new TypingOwn(core.timing, (state) => {
    const { link } = core;
    if (!link?.rooms.has(id)) return false;
    link.post({ action: "typing", conversationId: id, state });
    return true;
  });
}
