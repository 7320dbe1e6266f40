import { type Known, marked, merged } from "./merged.js";
import type { Message } from "./protocol.gen.js";

/** The most messages that are kept aside; what is more is read when its turn comes. */
const maxAside = 2000;

/** @internal The messages of a conversation from one on, without a gap, and each as it is now, however that comes. */
export class Log {
  /** Where it begins: what is before has not been read. */
  first = 1;
  /** The last message of which all before are there. */
  last = 0;
  /** The end of the log, as far as it is known. */
  head = 0;
  /** It is known where to begin. */
  based = false;
  #list: Message[] = [];
  #shown?: readonly Message[];
  readonly #aside = new Map<number, Known>(); // what is known of messages that are not shown yet: later ones, and older ones
  readonly #mine = new Map<number, [version: number, keys: string[]]>(); // one's own reactions, as the last answer to oneself says

  /** There are messages before it. */
  get hasOlder(): boolean {
    return this.based && this.first > 1;
  }

  /** Some that there are have not come. */
  get lacks(): boolean {
    return this.based && this.head > this.last;
  }

  /** Begins after a message; once. */
  base(after: number): void {
    if (this.based || !isSeq(after)) return;
    this.based = true;
    this.first = after + 1;
    this.last = after;
    this.#drain();
  }

  /** The log is at least so long; says whether that is news. */
  reaches(seq: number): boolean {
    if (!isSeq(seq) || seq <= this.head) return false;
    this.head = seq;
    return true;
  }

  /** Takes a message, or what changed of one, and says whether that changed what is shown. own: an answer to the caller, which marks what is theirs. */
  add(m: Known, own?: boolean): boolean {
    if (!isSeq(m.seq)) return false;
    const news = this.reaches(m.seq);
    const at = m.seq - this.first;
    const have = this.#list[at];
    const now = this.#with(have, m, own);
    if (have) {
      if (now === have) return news;
      this.#list[at] = now as Message;
      this.#shown = undefined;
      return true;
    }
    if (this.#aside.size >= maxAside) this.#aside.delete(this.#aside.keys().next().value!); // it is read when its turn comes
    this.#aside.set(m.seq, now);
    return (this.based && this.#drain()) || news;
  }

  /** Takes an older page, which ends where the log begins. */
  prepend(page: readonly Message[]): boolean {
    const older = page.filter((m) => m.seq < this.first);
    const first = older[0]?.seq;
    if (first === undefined || older.some((m, i) => m.seq !== first + i) || first + older.length !== this.first) return false;
    this.#list = older.map((m) => this.#with(undefined, m, true) as Message).concat(this.#list);
    for (const m of older) this.#aside.delete(m.seq);
    this.first = first;
    this.#shown = undefined;
    return true;
  }

  /** What is shown; the same array while nothing changed. */
  get messages(): readonly Message[] {
    this.#shown ??= Object.freeze(this.#list.slice());
    return this.#shown;
  }

  /** One that came, be it shown or not. */
  find(is: (m: Message) => boolean): Message | undefined {
    return ([...this.#aside.values()].filter((m) => m.id) as Message[]).find(is) ?? this.#list.find(is);
  }

  /** What is known of a message with what comes of it. */
  #with(have: Known | undefined, m: Known, own?: boolean): Known {
    have ??= this.#aside.get(m.seq);
    const { seq, reactionVersion = 0, reactions = [] } = m;
    if (own && reactionVersion >= (this.#mine.get(seq)?.[0] ?? 1)) this.#mine.set(seq, [reactionVersion, reactions.filter((r) => r.mine).map((r) => r.key)]);
    const now = merged(have, m);
    return now.reactions ? marked(now, this.#mine.get(seq)?.[1]) : now;
  }

  #drain(): boolean {
    let some = false;
    for (let m: Known | undefined; (m = this.#aside.get(this.last + 1))?.id; some = true) {
      this.#aside.delete(m.seq);
      this.#list.push(m as Message);
      this.last = m.seq;
    }
    if (some) this.#shown = undefined;
    this.reaches(this.last);
    return some;
  }
}

/** What else a server says is no place in a log. */
function isSeq(seq: unknown): boolean {
  return Number.isSafeInteger(seq) && (seq as number) >= 0;
}
