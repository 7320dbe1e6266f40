import { ChatError } from "./error.js";
import type { Pace } from "./pace.js";
import { sleep } from "./timing.js";
import type { SendInput } from "./types.js";

/** The most bytes of JSON of a part that is sent whole. */
const maxWhole = 20_000;
/** How closely pieces follow each other that are sent again. */
const repeatEvery = 50;

interface Piece {
  index: number;
  text: string;
  whole: boolean;
}

/** What was written of one part. */
interface Part {
  text: string; // all of it that is in pieces, unless before
  before: boolean; // it was begun elsewhere: the beginning is not known here
  pending: string; // what is not yet in a piece
  next: number;
  sent: Piece[]; // from the last whole on
  again: number; // from this index on to be sent again; next: none
}

/** @internal Sends a piece. */
type Append = (piece: { part: string; index: number; text: string; whole?: boolean }) => void;

/** @internal The parts of an answer as their writer has them: what is in pieces, what is to be, and what is to be sent again. */
export class Parts {
  readonly #all = new Map<string, Part>();

  add(name: string, text: string): void {
    this.#part(name).pending += text;
  }

  /** There is something to send. */
  get areDue(): boolean {
    return [...this.#all.values()].some((p) => p.again < p.next || whole(p.pending) !== "");
  }

  /** What comes from these indices on, by part, did not arrive. */
  sendAgain(next: Record<string, number>): void {
    for (const [name, p] of this.#all) if (next[name] !== undefined) p.again = Math.min(p.again, next[name]);
  }

  /** What the server has, by the next index of each part. first: nothing was written here before. */
  taken(next: Record<string, number>, first: boolean): void {
    for (const name of new Set([...Object.keys(next), ...this.#all.keys()])) {
      const p = this.#part(name);
      const theirs = next[name] ?? 0;
      if (first) {
        p.next = p.again = theirs;
        p.before = theirs > 0;
      } else {
        p.again = Math.min(p.next, theirs);
        if (theirs <= p.next) continue;
        // Another connection has begun it meanwhile: only the whole can take the place of its pieces.
        if (p.before || encoded(p.text) > maxWhole) throw new ChatError("conflict", "Another connection has written other pieces of it");
        p.again = 0;
        p.next = theirs;
      }
    }
  }

  /** Sends what is due. last: also half a character, because no more comes. */
  async flush(last: boolean, pace: Pace, append: Append): Promise<void> {
    for (const [name, p] of this.#all) await this.#flush(name, p, last, pace, append);
  }

  async #flush(name: string, p: Part, last: boolean, pace: Pace, append: Append): Promise<void> {
    let fresh = last ? p.pending : whole(p.pending);
    const keep = p.pending.slice(fresh.length);
    const repeat = p.again < p.next;
    if (!repeat && !fresh) return;
    fresh = fresh.replace(/\p{Surrogate}/gu, "\uFFFD");
    const now = Date.now();
    const post = (one: Piece) => {
      p.sent.push(one);
      p.next = one.index + 1;
      p.again = Math.min(p.again, one.index) === one.index || one.whole ? p.next : p.again;
      pace.sent(now, one.whole);
      append({ part: name, ...one, whole: one.whole || undefined });
    };
    if (repeat || pace.repairs(now)) {
      const all = p.text + fresh;
      if (!p.before && encoded(all) <= maxWhole) {
        p.text = all;
        p.pending = keep;
        p.sent = [];
        post({ index: p.next, text: all, whole: true });
        return;
      }
    }
    const from = p.again;
    p.again = p.next; // unless one is refused meanwhile
    p.pending = p.pending.slice(fresh.length);
    for (const one of repeat ? [...p.sent] : []) {
      if (one.index < from) continue;
      append({ part: name, ...one, whole: one.whole || undefined });
      await sleep(repeatEvery);
    }
    while (fresh) {
      const text = upTo(fresh);
      fresh = fresh.slice(text.length);
      p.text += text;
      post({ index: p.next, text, whole: false });
    }
  }

  /** An answer of which nothing was written is said at its end: what does not fit the last frame is written before it. */
  sayAtEnd(content: string): void {
    const written = this.#part("content");
    if (written.next === 0 && !written.pending && encoded(content) > maxWhole) written.pending = content;
  }

  /** What the last frame says: all of it, where that fits, or else how many pieces there are. */
  end(fields: SendInput): object {
    const content = this.#part("content");
    if (content.next === 0) content.text ||= fields.content ?? ""; // nothing was written: it is said at once
    const thinking = this.#all.get("thinking");
    const own = thinking && !fields.thinking;
    const size = encoded(content.text) + (own ? encoded(thinking.text) : 0);
    if (content.text && !content.before && !(own && thinking.before) && size <= maxWhole) {
      return { ...fields, content: content.text, thinking: own ? { content: thinking.text, visible: true } : fields.thinking };
    }
    return { ...fields, content: undefined, pieces: { content: content.next, thinking: own ? thinking.next : undefined } };
  }

  #part(name: string): Part {
    let p = this.#all.get(name);
    if (!p) this.#all.set(name, (p = { text: "", before: false, pending: "", next: 0, sent: [], again: 0 }));
    return p;
  }
}

/** A text without half a character at its end. */
function whole(text: string): string {
  const last = text.charCodeAt(text.length - 1);
  return last >= 0xd800 && last < 0xdc00 ? text.slice(0, -1) : text;
}

/** As much of a text as fits a piece. */
function upTo(text: string): string {
  while (encoded(text) > maxWhole) text = whole(text.slice(0, text.length >> 1));
  return text;
}

function encoded(text: string): number {
  return text.length > maxWhole ? text.length : new TextEncoder().encode(JSON.stringify(text)).length;
}
