import type { Conversation } from "./conversation.js";
import type { ChatClient } from "./client.js";
import { asChatError, ChatError, refusal } from "./error.js";
import type { Frame, Link } from "./link.js";
import { committed } from "./entry.js";
import { Pace } from "./pace.js";
import { Parts } from "./parts.js";
import type { ErrorBody, Message, Sent, StreamStarted } from "./protocol.gen.js";
import { sleep } from "./timing.js";
import type { SendInput } from "./types.js";
import { pause, waitAfter } from "./waits.js";

/** How long to wait, at first, for another connection, or before the same is tried again. */
const patience = 50;
/** A sign of life where nothing is written: the server ends what is silent for 30 s. */
const heartbeat = 10_000;
/** How often what is refused, but may be tried again, is: at its begin and at its end. */
const tries = 12;

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
  readonly #parts = new Parts();
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
    this.#parts.add(part, text);
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
    return this.#finish(() => ({ state: "end", ...this.#parts.end(fields) }), fields.content) as Promise<Message>;
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
    if (e.code === "not_found") {
      this.#lost = true;
    } else if (e.code === "conflict" && next) {
      this.#parts.sendAgain(next);
    } else if (e.code === "rate_limited" || e.code === "unavailable" || e.code === "internal") {
      if (e.code === "rate_limited") this.#pace.widen();
      this.#parts.sendAgain({ [e.details?.part as string]: e.details?.index as number });
    } else if (!this.#closing) {
      this.#fail(refusal(e));
    }
    this.#wake();
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

  #isDue(): boolean | undefined {
    return this.#lost || this.#link?.closed || this.#parts.areDue;
  }

  /** Tries until it succeeds, or is refused for good; without a connection until there is one. */
  async #persist<T>(what: () => Promise<T>, most: number): Promise<T> {
    const ends = () => this.#closing && most === Infinity; // the end has a patience of its own
    const isOver = () => this.#core.isOver || ends();
    for (let attempt = 0; ; ) {
      try {
        while (!this.#core.link && !isOver()) await sleep(patience);
        if (!this.#core.link && !ends()) throw this.#core.connection.error ?? new ChatError("closed", "The client is closed");
        return await what();
      } catch (e) {
        const error = asChatError(e);
        // Until the server has noticed that the last connection is gone, that one has it.
        const other = error.code === "conflict" && !error.details?.messageId && !error.details?.next && this.#link?.closed;
        if (!this.#again(error) && !other) throw error;
        if (this.#core.link && ++attempt >= (other ? 60 : most)) throw error;
        const waited = pause(waitAfter(error, other ? 500 : Math.min(attempt, 10) * patience), isOver);
        await (most === Infinity ? Promise.race([waited, this.#closed]) : waited);
      }
    }
  }

  /** Notes what an error says is to be sent again, if it may be. */
  #again(e: ChatError): boolean {
    const next = e.details?.next as Record<string, number> | undefined;
    if (e.code === "not_found") this.#lost = true;
    else if (e.code === "conflict" && next) this.#parts.sendAgain(next);
    else return e.retryable;
    return this.#running !== undefined || e.code !== "not_found";
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
    this.#parts.taken(next, first);
    if (this.#status) this.#append({ status: this.#status });
  }

  async #flush(last: boolean): Promise<void> {
    if (this.#lost || this.#link?.closed) await this.#start();
    await this.#parts.flush(last, this.#pace, (piece) => this.#append(piece));
  }

  #append(fields: object): void {
    const { conversationId, streamId } = this;
    this.#alive = Date.now();
    this.#link?.post({ action: "stream", id: this.#tag, conversationId, streamId, state: "append", ...fields });
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
      this.#parts.sayAtEnd(content);
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
