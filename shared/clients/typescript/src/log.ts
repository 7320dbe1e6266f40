import type { Message } from "./protocol.gen.js";

/** The most messages that are kept aside; what is more is read when its turn comes. */
const maxAside = 2000;

/** @internal The messages of a conversation from one on, without a gap, however they come. */
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
  readonly #aside = new Map<number, Message>();
  readonly #deleted = new Set<number>();

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
    for (const seq of this.#aside.keys()) if (seq <= after) this.#aside.delete(seq);
    this.#drain();
  }

  /** The log is at least so long; says whether that is news. */
  reaches(seq: number): boolean {
    if (!isSeq(seq) || seq <= this.head) return false;
    this.head = seq;
    return true;
  }

  /** Takes a message, and says whether that changed what is shown. */
  add(m: Message): boolean {
    if (!isSeq(m.seq)) return false;
    m = this.#asDeleted(m);
    const news = this.reaches(m.seq);
    if (this.based && m.seq <= this.last) {
      const have = this.#list[m.seq - this.first];
      // A message never changes, but it may have been cut, and it may be deleted.
      if (!have || have.isDeleted || !(m.isDeleted || (have.truncated && !m.truncated))) return false;
      return this.#replace(m);
    }
    const aside = this.#aside.get(m.seq);
    if (aside ? m.isDeleted || aside.truncated : this.#aside.size < maxAside || m.seq === this.last + 1) this.#aside.set(m.seq, m);
    return (this.based && this.#drain()) || news;
  }

  /** Takes an older page, which ends where the log begins. */
  prepend(page: readonly Message[]): boolean {
    const older = page.filter((m) => m.seq < this.first);
    const first = older[0]?.seq;
    if (first === undefined || older.some((m, i) => m.seq !== first + i) || first + older.length !== this.first) return false;
    this.#list = older.map((m) => this.#asDeleted(m)).concat(this.#list);
    this.first = first;
    this.#shown = undefined;
    return true;
  }

  /** Notes that a message was deleted, which may not have come yet. */
  delete(seq: number): boolean {
    if (!isSeq(seq)) return false;
    this.#deleted.add(seq);
    const news = this.reaches(seq);
    const aside = this.#aside.get(seq);
    if (aside) this.#aside.set(seq, emptied(aside));
    const have = this.#list[seq - this.first];
    return (have !== undefined && !have.isDeleted && this.#replace(emptied(have))) || news;
  }

  /** What is shown; the same array while nothing changed. */
  get messages(): readonly Message[] {
    this.#shown ??= Object.freeze(this.#list.slice());
    return this.#shown;
  }

  /** One that came, be it shown or not. */
  find(is: (m: Message) => boolean): Message | undefined {
    return [...this.#aside.values()].find(is) ?? this.#list.find(is);
  }

  #asDeleted(m: Message): Message {
    return this.#deleted.has(m.seq) && !m.isDeleted ? emptied(m) : m;
  }

  #replace(m: Message): boolean {
    this.#list[m.seq - this.first] = m;
    this.#shown = undefined;
    return true;
  }

  #drain(): boolean {
    let some = false;
    for (let m: Message | undefined; (m = this.#aside.get(this.last + 1)); some = true) {
      this.#aside.delete(m.seq);
      this.#list.push(m);
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

/** What is left of a message that was deleted: whose it was, and its place. */
function emptied(m: Message): Message {
  const left = Object.entries(m).filter(([name]) => /^(id|seq|role|type|status|streamId|conv.*|part.*|client.*|created.*|updated.*)$/.test(name));
  return { ...(Object.fromEntries(left) as unknown as Message), content: "", isDeleted: true };
}
