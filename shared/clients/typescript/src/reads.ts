import type { Conversation } from "./conversation.js";
import { asChatError } from "./error.js";
import { nameOf } from "./identity.js";
import type { ReadUpdate } from "./protocol.gen.js";
import { backoff } from "./timing.js";
import type { ReadState } from "./types.js";
import { waitAfter } from "./waits.js";

/** Between two marks that are sent: what comes in between is the newest alone. */
const every = 1_000;

interface Mark {
  action: "read" | "unread";
  seq: number; // the last that is read, or the first that is not
  private?: boolean;
  again?: boolean; // it was taken: only others have not heard of it
}

/** @internal What of a conversation is read: by oneself, and by the others, as far as they say so. */
export class Reads {
  readonly #of: Conversation;
  #own?: { seq: number; version: number };
  #others: Readonly<Record<string, number>> = {};
  #told = 0; // up to where the others know of it
  #waiting: Mark[] = []; // to go back, and then forward: of each kind the newest
  #sending?: Mark;
  #timer?: ReturnType<typeof setTimeout>;
  #next = 0; // when another may be sent
  #attempt = 0;
  #loaded = false; // what others have read is asked for, with each join anew
  #view?: ReadState;

  constructor(of: Conversation) {
    this.#of = of;
  }

  /** Says that all up to a message is read. */
  read(seq: number, hidden?: boolean): void {
    const marks = [this.#sending, ...this.#waiting].filter((m) => m !== undefined);
    const isKnown = (this.#own?.seq ?? 0) >= seq && !marks.some((m) => m.action === "unread") && (hidden || this.#told >= seq);
    if (!(seq > 0) || isKnown || marks.some((m) => m.action === "read" && !m.private === !hidden && m.seq >= seq && !m.again)) return;
    this.#put({ action: "read", seq, private: hidden || undefined });
    this.#changed();
  }

  /** Says that a message, and all after it, is not read. */
  unread(seq: number): void {
    const back = Math.min(seq, ...this.#waiting.flatMap((m) => (m.action === "unread" ? [m.seq] : [])));
    this.#waiting = [{ action: "unread", seq: back }];
    this.#changed();
  }

  /** What is known, and what is about to be said. */
  get view(): ReadState {
    return (this.#view ??= Object.freeze({ upTo: this.#upTo, others: this.#others }));
  }

  get #upTo(): number | undefined {
    return [this.#sending, ...this.#waiting].reduce<number | undefined>((seq, m) => {
      if (!m) return seq;
      return m.action === "read" ? Math.max(seq ?? 0, m.seq) : Math.min(seq ?? m.seq - 1, m.seq - 1);
    }, this.#own?.seq);
  }

  /** Somebody has read, or one's other device. */
  told({ type, id, seq, version = 0 }: ReadUpdate): void {
    const { me } = this.#of.core;
    const name = nameOf({ type, id });
    if (me && name === nameOf(me)) {
      if (version < (this.#own?.version ?? 0)) return;
      this.#own = { seq, version };
      this.#waiting = this.#waiting.filter((m) => !m.again || m.seq <= seq); // another device has gone back
    } else {
      if (seq <= (this.#others[name] ?? -1)) return;
      this.#others = Object.freeze({ ...this.#others, [name]: seq });
    }
    this.#changed();
  }

  /** Asks for what was read before; from then on that is kept in step. */
  async load(): Promise<void> {
    const { core, id } = this.#of;
    const [info, { data }] = await Promise.all([core.rest.getConversation(id), core.rest.reads(id)]);
    this.#loaded = true;
    const { lastReadSeq: seq, readVersion: version } = info;
    for (const mark of data) if (!core.me || nameOf(mark) !== nameOf(core.me)) this.told({ ...mark, conversationId: id });
    if (core.me && seq !== undefined) this.told({ ...core.me, conversationId: id, seq, version });
  }

  /** What was told while one was not in the room is not known. */
  joined(): void {
    if (this.#loaded) void this.load().catch(() => {}); // the next join asks again
  }

  /** Sends what waits, when it may. */
  look(): void {
    const { link, isOver, timing } = this.#of.core;
    clearTimeout(this.#timer);
    if (this.#sending || !this.#waiting.length || !link || isOver || this.#of.reads.it !== this) return;
    const wait = this.#next - Date.now();
    if (wait > 0) {
      this.#timer = setTimeout(() => this.look(), wait);
      return;
    }
    const [mark, ...rest] = this.#waiting as [Mark, ...Mark[]];
    this.#waiting = rest;
    this.#sending = mark;
    const { action, seq } = mark;
    const what = action === "read" ? { seq, private: mark.private } : { fromSeq: seq };
    link.request(action, { conversationId: this.#of.id, ...what }).then(
      ({ data }) => {
        const { retryAfterMs } = data as ReadUpdate;
        this.#sent(every);
        if (action === "read" && !mark.private) {
          if (retryAfterMs === undefined) this.#told = Math.max(this.#told, seq);
          else if (!this.#waiting.length) {
            // Not everybody has heard of it: once more, unless it is another one by then.
            this.#waiting = [{ ...mark, again: true }];
            this.#sent(Math.max(every, retryAfterMs));
          }
        }
        this.#changed();
      },
      (cause) => {
        const error = asChatError(cause);
        this.#sent(waitAfter(error, backoff(this.#attempt++, timing)));
        if (error.retryable && !this.#waiting.some((m) => m.action === "unread" || isOfKind(m, mark))) this.#waiting = [mark, ...this.#waiting];
        this.#changed();
      },
    );
  }

  #put(mark: Mark): void {
    this.#waiting = [...this.#waiting.filter((m) => !isOfKind(m, mark)), mark];
  }

  #sent(wait: number): void {
    this.#sending = undefined;
    this.#next = Date.now() + wait;
  }

  #changed(): void {
    this.#view = undefined;
    this.#of.changed();
    this.look();
  }
}

function isOfKind(a: Mark, b: Mark): boolean {
  return a.action === b.action && !a.private === !b.private;
}

/** @internal */
export function loadReads(c: Conversation): Promise<void> {
  return new Promise((resolve, reject) => c.reads.do((reads) => void reads.load().then(resolve, reject)));
}
