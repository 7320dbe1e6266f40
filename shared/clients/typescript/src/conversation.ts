import { Assembler } from "./assembler.js";
import type { ChatClient } from "./client.js";
import { asChatError, ChatError } from "./error.js";
import { Listeners } from "./listeners.js";
import type { Frame, Link } from "./link.js";
import { Log } from "./log.js";
import type { ConversationInfo, Identity, Joined, Membership, Message } from "./protocol.gen.js";
import { newId } from "./rest.js";
import { backoff } from "./timing.js";
import { TypingOthers, TypingOwn } from "./typing.js";
import type { ConversationSnapshot, Outgoing, OutgoingInput } from "./types.js";
import { pause, waitAfter } from "./waits.js";
import type { StreamWriter } from "./writer.js";

/** How much of the log a first join shows. */
const firstPage = 50;
/** A room that was left is left a little later: mostly it is only opened anew. */
const linger = 500;

/** One conversation: what is said in it, and what one says. There is one object for each id. */
export class Conversation {
  readonly id: string;
  readonly #core: ChatClient;
  readonly #listeners = new Listeners();
  #log = new Log();
  #streams: Assembler;
  readonly #typing = new TypingOthers(() => this.#changed());
  readonly #own: TypingOwn;
  readonly #members = new Map<string, Identity>();
  readonly #cut = new Set<string>(); // truncated messages that are to be read
  #opens = 0;
  #gone = false;
  #error?: ChatError;
  #agentOnline?: boolean;
  #info?: ConversationInfo;
  #snapshot?: ConversationSnapshot;
  #gap?: ReturnType<typeof setTimeout>;
  #tick?: ReturnType<typeof setInterval>;
  #filling = false;
  #reading = false;
  #failures = 0; // to read what is missing, in a row

  /** @internal */
  constructor(id: string, core: ChatClient) {
    this.id = id;
    this.#core = core;
    this.#streams = new Assembler(core.timing);
    this.#own = new TypingOwn(core.timing, (state) => {
      const there = core.link?.rooms.has(id) ?? false;
      if (there) core.link?.post({ action: "typing", conversationId: id, state });
      return there;
    });
  }

  /** Joins, as soon as there is a connection, and stays in until the function that it returns was called, for each call of open. */
  open(): () => void {
    this.#opens++;
    if (this.#gone) this.#error = undefined;
    this.#gone = false; // perhaps one was added meanwhile
    this.#sync();
    let open = true;
    return () => {
      if (!open) return;
      open = false;
      if (--this.#opens > 0) return;
      this.blur();
      setTimeout(() => this.#sync(), linger);
    };
  }

  /** Calls the listener, in a microtask, when {@link getSnapshot} has something new, until the function that it returns is called. */
  readonly subscribe = (listener: () => void): (() => void) => this.#listeners.add(listener);

  /** What there is to show; the same object while nothing changed. */
  readonly getSnapshot = (): ConversationSnapshot => (this.#snapshot ??= this.#make());

  /**
   * Says something: shown at once among `outgoing`, sent when there is a connection, after
   * what was said before, and stored once. What it throws is never of the network.
   */
  send(message: string | OutgoingInput): Outgoing {
    this.#own.stop();
    return this.#core.outbox.add(this.id, typeof message === "string" ? { content: message } : message);
  }

  /** Sends one that failed again, under the same id. */
  retry(clientMessageId: string): void {
    this.#core.outbox.retry(clientMessageId);
  }

  /**
   * Takes one back that failed, or that is not being sent. Where an attempt has gone
   * unanswered it may have arrived: then it is not sent again, and its `done` settles only
   * when the log shows that it is there.
   */
  discard(clientMessageId: string): void {
    this.#core.outbox.discard(clientMessageId);
  }

  /** Reads what was said before what is shown; false: there is nothing older. */
  async loadOlder(limit = 50): Promise<boolean> {
    if (!this.#log.based || this.#log.first <= 1) return false;
    const page = await this.#core.rest.messages({ conversationId: this.id, beforeSeq: this.#log.first, limit });
    for (const m of page.data) {
      this.#core.outbox.seen(m);
      this.#streams.older(m);
      this.#makeWhole(m);
    }
    if (this.#log.prepend(page.data)) this.#changed();
    return this.#log.first > 1 && page.pagination.hasMore;
  }

  /** Reads who is online of those who are not in the room. */
  async loadPresence(): Promise<void> {
    const { data } = await this.#core.rest.presence(this.id);
    this.#core.present(data);
  }

  /** The user types: tells the others, now and then. */
  keystroke(): void {
    this.#own.keystroke();
  }

  /** The user does something else. */
  blur(): void {
    this.#own.stop();
  }

  /** Asks an answer to end, or all that are being written here. */
  stop(streamId?: string): Promise<void> {
    return this.#stop({ streamId });
  }

  /** Asks the answer to a question to end, also before it has begun. */
  stopAnswer(messageId: string): Promise<void> {
    return this.#stop({ messageId });
  }

  /** Decides a tool call that asks first. */
  async approve(toolCallId: string, decision: { approved: boolean; reason?: string; arguments?: Record<string, unknown> }): Promise<void> {
    this.add(await this.#core.rest.decide(this.id, toolCallId, decision));
  }

  /**
   * For agents: begins an answer, or, under the id of one that was begun on a connection
   * that is gone, goes on with it.
   */
  async answer(question: string | Message, streamId: string = newId()): Promise<StreamWriter> {
    const { StreamWriter } = await import("./writer.js"); // most clients never write one
    const writer = new StreamWriter(this.#core, this, streamId, typeof question === "string" ? question : question.id);
    await writer.begin();
    return writer;
  }

  /** @internal */
  get isOpen(): boolean {
    return this.#opens > 0 && !this.#gone;
  }

  /** @internal Makes a link have joined, or left, as is wanted. */
  sync(link: Link): Promise<void> {
    let going = link.syncing.get(this.id);
    if (!going) {
      going = this.#joinOrLeave(link).finally(() => link.syncing.delete(this.id));
      link.syncing.set(this.id, going);
    }
    return going;
  }

  /** @internal Takes a message, from wherever it comes. */
  add(m: Message): void {
    m = this.#core.outbox.seen(m); // before it is shown, so that it is not shown twice
    this.#streams.message(m);
    this.#makeWhole(m);
    if (this.#log.add(m)) this.#changed();
    this.#look();
  }

  /** @internal The log is at least so long. */
  reaches(seq: number): void {
    if (this.#log.reaches(seq)) this.#changed();
    this.#look();
  }

  /** @internal Somebody else is connected, to whom nothing of this was said. */
  forget(link: Link): void {
    this.#log = new Log();
    this.#streams = new Assembler(this.#core.timing);
    this.#members.clear();
    this.#typing.clear();
    this.#cut.clear();
    this.#info = this.#error = this.#agentOnline = undefined;
    this.#gone = false;
    link.rooms.delete(this.id); // it was joined as if the old log were there
    void this.sync(link);
    this.#changed();
  }

  /** @internal */
  connectionChanged(): void {
    if (!this.#core.link) this.#typing.clear();
    if (this.#isOver) {
      clearInterval(this.#tick);
      clearTimeout(this.#gap);
      this.#tick = this.#gap = undefined;
      this.#core.outbox.rest(this.id);
    } else {
      this.#look();
      void this.#readWhole();
    }
    this.#changed();
  }

  /** @internal */
  presenceChanged(all: readonly { type: string; id: string; status: "online" | "offline" }[], changed: boolean): void {
    const before = this.#agentOnline;
    for (const p of all) if (p.type === "agent" && this.#served(p.id)) this.#agentOnline = p.status === "online";
    if (changed || this.#agentOnline !== before) this.#changed();
  }

  /** Whether an agent is known to be the one of this conversation: by what is known of it, or because it is here or has spoken. */
  #served(agentId: string): boolean {
    if (this.#info) return this.#info.agentId === agentId;
    return this.#members.has(`agent:${agentId}`) || this.#log.messages.some((m) => m.participantType === "agent" && m.participantId === agentId);
  }

  /** @internal */
  outgoingChanged(sent?: Message): void {
    if (sent) {
      this.add(sent);
      this.#settle();
    }
    this.#changed();
  }

  /** @internal What came already, under an id of the client's. */
  came(clientMessageId: string): Message | undefined {
    return this.#log.find((m) => m.clientMessageId === clientMessageId);
  }

  /** @internal A frame that is about this conversation. */
  frame(f: Frame, link: Link): void {
    const { data } = f;
    const now = Date.now();
    switch (f.event) {
      case "messages:history":
        for (const m of data.messages) this.add(m);
        return;
      case "message:new":
      case "message:from-user":
        this.#typing.stop({ type: data.participantType, id: data.participantId });
        this.add(data);
        return;
      case "message:sent":
        this.reaches(data.seq);
        return;
      case "message:deleted":
        this.#cut.delete(data.messageId);
        if (this.#log.delete(data.seq)) this.#changed();
        return;
      case "conversation:activity":
        this.reaches(data.lastSeq);
        return;
      case "conversation:updated":
        this.#info = data;
        break;
      case "conversation:added":
        this.#info = data;
        this.#gone = false;
        this.#error = undefined;
        this.#sync();
        break;
      case "conversation:left":
        if (f.id !== undefined) return; // answers our own leave
        this.#lost(link, new ChatError("forbidden", "You are no participant any more"));
        break;
      case "conversation:deleted":
        this.#lost(link, new ChatError("not_found", "The conversation was deleted"));
        break;
      case "user:joined":
      case "user:left":
        this.#moved(data, f.event === "user:joined");
        break;
      case "typing:start":
        return this.#typing.start(data);
      case "typing:stop":
        return this.#typing.stop(data);
      case "stream:start":
      case "stream:snapshot":
        this.#streams.begun(data, now);
        break;
      case "stream:delta":
        if (this.#streams.delta(data, now)) this.#changed();
        return this.#look();
      case "stream:stopping":
        this.#streams.stopping(data.streamIds);
        break;
      case "stream:dropped":
        this.#streams.dropped(data.streamId);
        break;
      default:
        return;
    }
    this.#look();
    this.#changed();
  }

  #lost(link: Link, error: ChatError): void {
    link.rooms.delete(this.id);
    this.#gone = true;
    this.#error = error;
  }

  #sync(): void {
    this.#changed();
    const { link } = this.#core;
    if (link) void this.sync(link);
  }

  async #joinOrLeave(link: Link): Promise<void> {
    for (let attempt = 0; !link.closed; ) {
      const wanted = this.isOpen ? this.#core.streams : undefined;
      if (link.rooms.get(this.id) === wanted) return;
      try {
        if (wanted) {
          const afterSeq = this.#log.based ? this.#log.last : undefined;
          const { data } = await link.request("join", { conversationId: this.id, afterSeq, streams: wanted });
          link.rooms.set(this.id, wanted);
          this.#joined(data);
        } else {
          link.rooms.delete(this.id);
          await link.request("leave", { conversationId: this.id });
        }
        attempt = 0;
      } catch (cause) {
        if (link.closed) return;
        const error = asChatError(cause);
        if (!wanted) {
          if (this.isOpen) continue; // it was opened meanwhile
          return; // the next pong tells whether it is still in
        }
        this.#error = error;
        if (!error.retryable) {
          this.#gone = error.code !== "too_many_rooms";
          this.#changed();
          return;
        }
        this.#changed();
        await pause(waitAfter(error, backoff(attempt++, this.#core.timing)), () => link.closed || this.isOpen !== (wanted !== undefined));
      }
    }
  }

  /** The client does not want to be connected: nothing is read either. */
  get #isOver(): boolean {
    const { state } = this.#core.connection;
    return state === "initialized" || state === "failed";
  }

  #joined(d: Joined): void {
    this.#error = undefined;
    this.#log.base(Math.max(0, d.lastSeq - firstPage));
    this.#members.clear();
    this.#typing.clear();
    for (const m of d.members) this.#members.set(`${m.type}:${m.id}`, m);
    for (const t of d.typing ?? []) this.#typing.start(t);
    this.#agentOnline = d.agentOnline;
    this.#core.present(d.members.map((m) => ({ ...m, status: "online" })));
    this.reaches(d.lastSeq);
    this.#changed();
  }

  #moved(d: Membership, here: boolean): void {
    for (const { type, id } of [d, ...(d.more ?? [])]) {
      const key = `${type}:${id}`;
      if (here) this.#members.set(key, { type, id });
      else this.#members.delete(key);
      if (!here) this.#typing.stop({ type, id });
    }
    if (here) this.#core.present([{ type: d.type, id: d.id, status: "online" }]);
  }

  /** One that did not fit its frame is read. */
  #makeWhole(m: Message): void {
    if (!m.truncated || this.#cut.has(m.id)) return;
    this.#cut.add(m.id);
    void this.#readWhole();
  }

  /** Reads the messages that did not fit their frames, one after the other. */
  async #readWhole(): Promise<void> {
    if (this.#reading) return;
    this.#reading = true;
    for (let attempt = 0; this.#cut.size > 0 && !this.#isOver; ) {
      const [id] = this.#cut as unknown as [string];
      try {
        const m = await this.#core.rest.message(id);
        if (this.#cut.delete(id)) this.add(m);
        attempt = 0;
      } catch (cause) {
        const error = asChatError(cause);
        // It was deleted meanwhile, which a frame tells; or else its beginning has to do.
        if (this.#cut.delete(id) && error.retryable) this.#cut.add(id); // after the others
        if (error.retryable) await pause(waitAfter(error, backoff(attempt++, this.#core.timing)), () => this.#isOver);
      }
    }
    this.#reading = false;
  }

  /** Looks whether something is missing, and whether time may run out for a stream. */
  #look(): void {
    if (this.#isOver) return;
    const { gapPatience } = this.#core.timing;
    if (this.#log.based && this.#log.head > this.#log.last && this.isOpen && !this.#filling) {
      this.#gap ??= setTimeout(() => void this.#fill(), gapPatience + backoff(this.#failures, this.#core.timing) * Math.min(this.#failures, 1));
    }
    if (this.#streams.busy) this.#tick ??= setInterval(() => this.#watch(), gapPatience);
  }

  /** Reads the messages that did not come. */
  async #fill(): Promise<void> {
    this.#gap = undefined;
    this.#filling = true;
    const log = this.#log;
    try {
      while (log === this.#log && log.head > log.last && this.isOpen && !this.#isOver) {
        const before = log.last;
        const page = await this.#core.rest.messages({ conversationId: this.id, afterSeq: before, limit: 100 });
        if (log !== this.#log) break; // of somebody else
        for (const m of page.data) this.add(m);
        this.#failures = log.last === before ? this.#failures + 1 : 0;
        if (log.last === before) break; // the database that was asked is behind: again a little later
      }
    } catch (cause) {
      const error = asChatError(cause);
      this.#failures++;
      if (error.code === "not_found" || error.code === "forbidden") {
        this.#gone = true;
        this.#error = error;
        this.#changed();
      }
    }
    this.#filling = false;
    this.#look();
  }

  #watch(): void {
    const streams = this.#streams;
    if (streams.pass(Date.now())) this.#changed(); // one is stalled by now, or over
    for (const id of this.#streams.missing(Date.now())) {
      this.#core.rest.stream(this.id, id).then(
        (d) => {
          streams.begun({ ...d, truncated: false }, Date.now());
          this.#changed();
        },
        () => {}, // it has ended: its message comes
      );
    }
    if (!this.#streams.busy || !this.isOpen) {
      clearInterval(this.#tick);
      this.#tick = undefined;
    }
  }

  async #stop(what: { streamId?: string; messageId?: string }): Promise<void> {
    const { link } = this.#core;
    if (!link) throw asChatError("There is no connection");
    await link.request("stop", { conversationId: this.id, ...what }); // the reply is taken as what tells the others
  }

  #changed(): void {
    this.#snapshot = undefined;
    this.#listeners.tell();
  }

  /** Forgets the outgoing ones that are among the messages, or that nobody looks at. */
  #settle(): void {
    this.#core.outbox.settle(this.id, !this.isOpen ? Infinity : this.#log.based ? this.#log.last : 0);
  }

  #make(): ConversationSnapshot {
    const log = this.#log;
    this.#settle();
    const joined = this.#core.link?.rooms.has(this.id);
    return Object.freeze({
      state: this.#gone ? "gone" : !this.#opens ? "idle" : joined ? "joined" : this.#error && !this.#error.retryable ? "idle" : "joining",
      error: this.#error,
      messages: log.messages,
      outgoing: this.#core.outbox.of(this.id),
      streams: this.#streams.shown(Date.now(), (m) => log.based && m.seq <= log.last),
      typing: this.#typing.who,
      members: [...this.#members.values()],
      presence: this.#core.presence,
      agentOnline: this.#agentOnline,
      conversation: this.#info,
      hasOlder: log.based && log.first > 1,
      lastSeq: log.head,
    });
  }
}
