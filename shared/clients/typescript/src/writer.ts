import type { Conversation } from "./conversation.js";
import type { ChatClient } from "./client.js";
import { asChatError, ChatError, refusal } from "./error.js";
import type { Frame, Link } from "./link.js";
import { committed } from "./entry.js";
import { Pace } from "./pace.js";
import type { ErrorBody, Message, Sent, StreamStarted } from "./protocol.gen.js";
import { sleep } from "./timing.js";
import type { SendInput } from "./types.js";
import { pause, waitAfter } from "./waits.js";

/** The most bytes of JSON of a part that is sent whole. */
const maxWhole = 20_000;
/** How closely pieces follow each other that are sent again. */
const repeatEvery = 50;
/** A sign of life where nothing is written: the server ends what is silent for 30 s. */
const heartbeat = 10_000;
/** How often what is refused, but may be tried again, is: at its begin and at its end. */
const tries = 12;

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

let writers = 0;

/**
 * Writes an answer piece by piece. What comes faster than pieces may follow each other is
 * put together; what the server lost, or would not take, is sent again, also on the next
 * connection.
 */
export class StreamWriter {
  readonly streamId: string;
  /** Aborted when somebody wants the answer to end: then {@link end} or {@link abort} it; or when it has ended already. */
  readonly signal: AbortSignal;
  /** @internal */
  readonly conversationId: string;
  /** The id of its frames, by which their errors are known. */
  readonly #tag = `w${++writers}`;
  readonly #core: ChatClient;
  readonly #conversation: Conversation;
  readonly #parentId: string;
  readonly #stopped = new AbortController();
  readonly #pace = new Pace();
  readonly #parts = new Map<string, Part>();
  #status?: string;
  #link?: Link; // where it is written
  #lost = true; // the server is to be told that it begins, or goes on
  #error?: ChatError; // it takes no more
  #wake = () => {};
  #closing = false;
  #toClose = () => {};
  readonly #closed = new Promise<void>((resolve) => (this.#toClose = resolve));
  #alive = Date.now(); // the last sign of life
  #running?: Promise<void>;

  /** @internal */
  constructor(core: ChatClient, conversation: Conversation, streamId: string, parentId: string) {
    this.#core = core;
    this.#conversation = conversation;
    this.conversationId = conversation.id;
    this.streamId = streamId;
    this.#parentId = parentId;
    this.signal = this.#stopped.signal;
  }

  /** @internal */
  async begin(): Promise<void> {
    this.#core.writers.add(this);
    try {
      await this.#persist(() => this.#start(), tries);
    } catch (e) {
      this.#release();
      throw e;
    }
    this.#running = this.#run();
  }

  /** Adds to a part: `content`, `thinking` or `tool:<toolCallId>`. What is written after the end goes nowhere. */
  write(text: string, part = "content"): void {
    if (this.#error || this.#closing) return;
    this.#part(part).pending += text;
    this.#wake();
  }

  /** Tells what the agent does. */
  status(status: "thinking" | "generating" | "tool" | "waiting"): void {
    if (this.#error || this.#closing || this.#status === status) return;
    this.#status = status;
    if (!this.#lost) this.#append({ status });
  }

  /** Commits the answer: what was written, and the fields. */
  end(fields: SendInput = {}): Promise<Message> {
    return this.#finish(() => this.#endFrame(fields), fields.content) as Promise<Message>;
  }

  /** Breaks the answer off: what was written is committed as failed, or as cancelled where somebody stopped it; where that is nothing there is no message. */
  abort(reason?: string): Promise<Message | undefined> {
    return this.#finish(() => ({ state: "abort", reason, cancelled: this.signal.aborted || undefined }));
  }

  /** @internal */
  frame({ event, id, data, error }: Frame, link: Link): void {
    if (error) {
      if (id === this.#tag || (id === undefined && error.details?.streamId === this.streamId)) this.#refused(error, link);
    } else if (event === "stream:stop" && data.streamId === this.streamId && data.conversationId === this.conversationId) {
      this.#stop();
    }
  }

  #stop(): void {
    this.#stopped.abort(new ChatError("closed", "The answer was stopped"));
  }

  /** @internal There is another connection, which has to be told. */
  relink(): void {
    this.#wake();
  }

  /** Does what the error of a piece asks for. */
  #refused(e: ErrorBody, link: Link): void {
    if (link !== this.#link) return;
    const next = e.details?.next as Record<string, number> | undefined;
    const p = this.#parts.get(e.details?.part as string);
    if (e.code === "not_found") {
      this.#lost = true;
    } else if (e.code === "conflict" && next) {
      this.#sendAgain(next);
    } else if (e.code === "rate_limited" || e.code === "unavailable" || e.code === "internal") {
      if (e.code === "rate_limited") this.#pace.widen();
      if (p) p.again = Math.min(p.again, e.details?.index as number);
    } else if (!this.#closing) {
      this.#fail(refusal(e));
    }
    this.#wake();
  }

  #part(name: string): Part {
    let p = this.#parts.get(name);
    if (!p) this.#parts.set(name, (p = { text: "", before: false, pending: "", next: 0, sent: [], again: 0 }));
    return p;
  }

  /** Sends what is due, until the end. */
  async #run(): Promise<void> {
    while (!this.#error && !this.#closing) {
      const due = this.#isDue() ? this.#pace.due : this.#alive + heartbeat;
      const wait = due - Date.now();
      if (wait > 0) {
        let timer: ReturnType<typeof setTimeout> | undefined;
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
          timer = setTimeout(resolve, wait);
        });
        clearTimeout(timer);
        continue;
      }
      try {
        if (!this.#isDue()) this.#append({ status: this.#status ?? "generating" });
        await this.#persist(async () => this.#closing || (await this.#flush(false)), Infinity);
      } catch (e) {
        this.#fail(asChatError(e));
      }
    }
  }

  #isDue(): boolean {
    if (this.#lost || this.#link?.closed) return true;
    for (const p of this.#parts.values()) if (p.again < p.next || whole(p.pending)) return true;
    return false;
  }

  /** Tries until it succeeds, or is refused for good; without a connection until there is one. */
  async #persist<T>(what: () => Promise<T>, most: number): Promise<T> {
    for (let attempt = 0; ; ) {
      try {
        while (!this.#core.link && !(this.#closing && most === Infinity) && this.#core.connection.state !== "failed" && this.#core.connection.state !== "initialized") await sleep(repeatEvery);
        if (!this.#core.link && !(this.#closing && most === Infinity)) throw this.#core.connection.error ?? new ChatError("closed", "The client is closed");
        return await what();
      } catch (e) {
        const error = asChatError(e);
        // Until the server has noticed that the last connection is gone, that one has it.
        const other = error.code === "conflict" && !error.details?.messageId && !error.details?.next && this.#link?.closed;
        if (!this.#again(error) && !other) throw error;
        if (this.#core.link && ++attempt >= (other ? 60 : most)) throw error;
        const { connection } = this.#core;
        const isOver = () => connection.state === "failed" || connection.state === "initialized" || (this.#closing && most === Infinity);
        const waited = pause(waitAfter(error, other ? 500 : Math.min(attempt, 10) * repeatEvery), isOver);
        await (most === Infinity ? Promise.race([waited, this.#closed]) : waited); // the end has a patience of its own
      }
    }
  }

  /** Notes what an error says is to be sent again, if it may be. */
  #again(e: ChatError): boolean {
    const next = e.details?.next as Record<string, number> | undefined;
    if (e.code === "not_found") this.#lost = true;
    else if (e.code === "conflict" && next) this.#sendAgain(next);
    else return e.retryable;
    return this.#running !== undefined || e.code !== "not_found";
  }

  #sendAgain(next: Record<string, number>): void {
    for (const [name, p] of this.#parts) if (next[name] !== undefined) p.again = Math.min(p.again, next[name]);
  }

  /** Begins, or takes over from a connection that is gone. */
  async #start(): Promise<void> {
    const link = this.#core.link!;
    const { conversationId, streamId } = this;
    const first = this.#running === undefined;
    const { data } = await link.request("stream", { state: "start", conversationId, streamId, parentId: this.#parentId }).catch((e: ChatError) => {
      // There is nowhere to begin it again.
      throw !first && e.code === "not_found" ? new ChatError("closed", e.message) : e;
    });
    const { next, stoppedBy } = data as StreamStarted;
    if (this.#link) this.#link.holds--;
    link.holds++;
    this.#link = link;
    this.#lost = false;
    if (stoppedBy) this.#stop();
    for (const name of new Set([...Object.keys(next), ...this.#parts.keys()])) {
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
    if (this.#status) this.#append({ status: this.#status });
  }

  async #flush(last: boolean): Promise<void> {
    if (this.#lost || this.#link?.closed) await this.#start();
    for (const [name, p] of this.#parts) await this.#flushPart(name, p, last);
  }

  async #flushPart(name: string, p: Part, last: boolean): Promise<void> {
    let fresh = last ? p.pending : whole(p.pending);
    const keep = p.pending.slice(fresh.length);
    const repeat = p.again < p.next;
    if (!repeat && !fresh) return;
    fresh = fresh.replace(/\p{Surrogate}/gu, "\uFFFD");
    const now = Date.now();
    if (repeat || this.#pace.repairs(now)) {
      const all = p.text + fresh;
      if (!p.before && encoded(all) <= maxWhole) {
        p.text = all;
        p.pending = keep;
        p.sent = [];
        this.#post(name, p, { index: p.next, text: all, whole: true }, now);
        return;
      }
    }
    const from = p.again;
    p.again = p.next; // unless one is refused meanwhile
    p.pending = p.pending.slice(fresh.length);
    for (const one of repeat ? [...p.sent] : []) {
      if (one.index < from) continue;
      this.#append({ part: name, ...one, whole: one.whole || undefined });
      await sleep(repeatEvery);
    }
    while (fresh) {
      const text = upTo(fresh);
      fresh = fresh.slice(text.length);
      p.text += text;
      this.#post(name, p, { index: p.next, text, whole: false }, now);
    }
  }

  /** Sends a new piece, and remembers it. */
  #post(name: string, p: Part, one: Piece, now: number): void {
    p.sent.push(one);
    p.next = one.index + 1;
    p.again = Math.min(p.again, one.index) === one.index || one.whole ? p.next : p.again;
    this.#pace.sent(now, one.whole);
    this.#append({ part: name, ...one, whole: one.whole || undefined });
  }

  #append(fields: object): void {
    const { conversationId, streamId } = this;
    this.#alive = Date.now();
    this.#link?.post({ action: "stream", id: this.#tag, conversationId, streamId, state: "append", ...fields });
  }

  #endFrame(fields: SendInput): object {
    const content = this.#part("content");
    if (content.next === 0) content.text ||= fields.content ?? ""; // nothing was written: it is said at once
    const thinking = this.#parts.get("thinking");
    const own = thinking && !fields.thinking;
    const size = encoded(content.text) + (own ? encoded(thinking.text) : 0);
    if (content.text && !content.before && !(own && thinking.before) && size <= maxWhole) {
      return { state: "end", ...fields, content: content.text, thinking: own ? { content: thinking.text, visible: true } : fields.thinking };
    }
    return { state: "end", ...fields, content: undefined, pieces: { content: content.next, thinking: own ? thinking.next : undefined } };
  }

  /** Sends what is left, and then the last frame, again where pieces are missing. */
  async #finish(last: () => object, content = ""): Promise<Message | undefined> {
    if (this.#closing) throw new ChatError("closed", "The answer has ended");
    this.#closing = true;
    this.#toClose();
    this.#wake();
    await this.#running;
    let asked = false;
    try {
      if (this.#error) throw this.#error;
      const written = this.#part("content");
      // What does not fit the last frame is written before it.
      if (written.next === 0 && !written.pending && encoded(content) > maxWhole) written.pending = content;
      return await this.#persist(async () => {
        await this.#flush(true);
        const frame: SendInput = last();
        asked = true;
        const { conversationId, streamId } = this;
        const { event, data } = await this.#link!.request("stream", { conversationId, streamId, ...frame });
        if (event !== "message:sent") return undefined; // nothing was written
        const sent = data as Sent;
        const { me } = this.#core;
        const known = me && frame.content !== undefined;
        const { state, ...input } = frame as SendInput & { state: string };
        const m = known ? { ...committed(me, { parentId: this.#parentId, ...input }, sent), streamId } : await this.#core.rest.message(sent.messageId);
        this.#conversation.add(m);
        return m;
      }, tries);
    } catch (e) {
      const error = asChatError(e);
      const id = error.details?.messageId as string | undefined;
      // It was committed, and only the reply was lost; or somebody stopped what is broken off.
      if (error.code === "conflict" && id && (asked || "cancelled" in last())) return await this.#core.rest.message(id);
      throw error;
    } finally {
      this.#fail(new ChatError("closed", "The answer has ended"));
    }
  }

  #fail(error: ChatError): void {
    if (this.#error) return;
    this.#error = error;
    this.#release();
    if (!this.#closing) this.#stopped.abort(error);
    this.#wake();
  }

  #release(): void {
    if (this.#link) this.#link.holds--;
    this.#core.writers.delete(this);
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
