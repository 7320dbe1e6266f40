import type { Answers } from "./answers.js";
import type { ChatClient } from "./client.js";
import { ChatError } from "./error.js";
import { joinOrLeave } from "./joining.js";
import type { Frame, Link } from "./link.js";
import { Later, notLoaded } from "./later.js";
import { Listeners } from "./listeners.js";
import { Log } from "./log.js";
import { deleted, type Known, reactionsOf } from "./merged.js";
import type { Missing } from "./missing.js";
import { People } from "./people.js";
import type { Changed, ConversationInfo, Joined, Message } from "./protocol.gen.js";
import type { Reads } from "./reads.js";
import { newId } from "./rest.js";
import type { ConversationSnapshot, Outgoing, OutgoingInput } from "./types.js";
import type { TypingOwn } from "./typing.js";
import type { StreamWriter } from "./writer.js";

/** How much of the log a first join shows. */
const firstPage = 50;
/** A room that was left is left a little later: mostly it is only opened anew. */
const linger = 500;

/** The frames that are about an answer that is being written. */
const aboutAnswers = /^stream:(start|snapshot|delta|stopping|dropped)$/;

/** What most need seldom. */
const actions = () => import("./actions.js").catch(notLoaded);

/** One conversation: what is said in it, and what one says. There is one object for each id. */
export class Conversation {
  readonly id: string;
  /** @internal */
  readonly core: ChatClient;
  /** @internal */
  log = new Log();
  /** @internal What nobody writes needs no place: it is loaded with the first piece. */
  answers!: Later<Answers>;
  /** @internal */
  reads!: Later<Reads>;
  /** @internal After which change of older messages to go on. */
  changedAfter?: string;
  /** @internal */
  info?: ConversationInfo;
  readonly #listeners = new Listeners();
  readonly #missing = new Later<Missing>(async () => new (await import("./missing.js")).Missing(this));
  readonly #people = new People(this);
  readonly #own = new Later<TypingOwn>(async () => (await import("./typing.js")).ownOf(this));
  #gap?: ReturnType<typeof setTimeout>;
  #opens = 0;
  #error?: ChatError;
  #snapshot?: ConversationSnapshot;

  /** @internal */
  constructor(id: string, core: ChatClient) {
    this.id = id;
    this.core = core;
    this.#anew();
  }

  /** Joins, as soon as there is a connection, and stays in until the function that it returns was called, for each call of open. */
  open(): () => void {
    this.#opens++;
    if (this.#gone) this.#error = undefined; // perhaps one was added meanwhile
    this.#sync();
    return this.core.holding(this, () => {
      if (--this.#opens > 0) return;
      this.blur();
      setTimeout(() => this.#sync(), linger);
    });
  }

  /** Calls the listener, in a microtask, when {@link getSnapshot} has something new, until the function that it returns is called. */
  readonly subscribe = (listener: () => void): (() => void) => this.core.holding(this, this.#listeners.add(listener));

  /** What there is to show; the same object while nothing changed. */
  readonly getSnapshot = (): ConversationSnapshot => (this.#snapshot ??= this.#make());

  /**
   * Says something: shown at once among `outgoing`, sent when there is a connection, after
   * what was said before, and stored once. Under a `clientMessageId` of one's own a repeat
   * says nothing twice: while the first waits it is the same, and one that failed is sent
   * again. What it throws is never of the network.
   */
  send(message: string | (OutgoingInput & { clientMessageId?: string })): Outgoing {
    this.blur();
    return this.core.outbox.add(this.id, typeof message === "string" ? { content: message } : message);
  }

  /** Sends one that failed again, under the same id. */
  retry(clientMessageId: string): void {
    this.core.outbox.retry(clientMessageId);
  }

  /**
   * Takes one back that failed, or that is not being sent. Where an attempt has gone
   * unanswered it may have arrived: then it is not sent again, and its `done` settles only
   * when the log shows that it is there.
   */
  discard(clientMessageId: string): void {
    this.core.outbox.discard(clientMessageId);
  }

  /** Reads what was said before what is shown; false: there is nothing older. */
  async loadOlder(limit = 50): Promise<boolean> {
    return this.log.hasOlder && (await import("./older.js").catch(notLoaded)).older(this, limit);
  }

  /**
   * One has read up to a message, the last one where none is named; the others learn of it unless it is
   * private. It may be called as often as one likes: the newest is sent, once a second at most, and
   * what is read offline when there is a connection again.
   */
  read(seq = this.log.last, { private: hidden }: { private?: boolean } = {}): void {
    this.core.counts?.read(this.id, seq);
    this.reads.do((reads) => reads.read(seq, hidden));
  }

  /** Makes a message, and what comes after it, unread again for oneself. */
  unread(fromSeq: number): void {
    this.reads.do((reads) => reads.unread(fromSeq));
  }

  /** Reads what one has read oneself, and what others have; from then on `reads` is kept in step with that. */
  async loadReads(): Promise<void> {
    return (await import("./reads.js").catch(notLoaded)).loadReads(this);
  }

  /** Reads who is online of those who are not in the room. */
  async loadPresence(): Promise<void> {
    return (await actions()).readPresence(this);
  }

  /** The user types: tells the others, now and then. */
  keystroke(): void {
    this.#own.do((own) => own.keystroke());
  }

  /** The user does something else. */
  blur(): void {
    this.#own.also((own) => own.stop());
  }

  /** Asks an answer to end, or all that are being written here. */
  async stop(streamId?: string): Promise<void> {
    return (await actions()).stop(this, { streamId });
  }

  /** Asks the answer to a question to end, also before it has begun. */
  async stopAnswer(messageId: string): Promise<void> {
    return (await actions()).stop(this, { messageId });
  }

  /** Decides a tool call that asks first. */
  async approve(toolCallId: string, decision: { approved: boolean; reason?: string; arguments?: Record<string, unknown> }): Promise<void> {
    return (await actions()).decide(this, toolCallId, decision);
  }

  /** Reacts with an emoji, or a name such as `:party:`, or takes that back; each may be repeated. */
  async react(messageId: string, key: string, on = true): Promise<void> {
    return (await actions()).react(this, messageId, key, on);
  }

  /**
   * Replaces what one said; without `attachments` they stay. It is a `conflict` where it was edited
   * since it was shown here: the error's `details` have the number of `edits`, and the `content` of now.
   */
  async edit(messageId: string, what: string | { content: string; attachments?: string[] }): Promise<Message> {
    return (await actions()).edit(this, messageId, typeof what === "string" ? { content: what } : what);
  }

  /** Deletes what one said, or, of a conversation that one has created, a text of somebody else. */
  async deleteMessage(messageId: string): Promise<void> {
    return (await actions()).remove(this, messageId);
  }

  /**
   * For agents: begins an answer, or, under the id of one that was begun on a connection
   * that is gone, goes on with it.
   */
  async answer(question: string | Message, streamId: string = newId()): Promise<StreamWriter> {
    const { StreamWriter } = await import("./writer.js").catch(notLoaded); // most clients never write one
    const writer = new StreamWriter(this.core, this, streamId, typeof question === "string" ? question : question.id);
    await writer.begin();
    return writer;
  }

  /** @internal */
  get isOpen(): boolean {
    return this.#opens > 0 && !this.#gone;
  }

  /** @internal Takes a message, from wherever it comes. own: from an answer to the caller. */
  add(m: Message, own?: boolean): void {
    m = this.core.outbox.seen(m); // before it is shown, so that it is not shown twice
    if (m.streamId) this.answers.do((a) => a.message(m), false);
    this.cut(m);
    this.change(m, own);
  }

  /** @internal Takes what changed of a message. */
  change(m: Known, own?: boolean): void {
    if (this.log.add(m, own)) this.changed();
    this.look();
  }

  /** @internal The log is at least so long. */
  reaches(seq: number): void {
    if (this.log.reaches(seq)) this.changed();
    this.look();
  }

  /** @internal Something is not to be had, for now or for good. */
  failed(error: ChatError): void {
    this.#error = error;
    this.changed();
  }

  /** @internal Somebody else is connected, to whom nothing of this was said. */
  forget(link: Link): void {
    this.log = new Log();
    this.#anew();
    this.#people.clear();
    this.#missing.also((missing) => missing.clear());
    this.info = this.#error = this.changedAfter = undefined;
    link.rooms.delete(this.id); // it was joined as if the old log were there
    void joinOrLeave(link, this);
    this.changed();
  }

  /** @internal */
  connectionChanged(): void {
    if (!this.core.link) this.#people.typing.also((typing) => typing.clear());
    this.look();
    this.changed();
  }

  /** @internal */
  presenceChanged(all: readonly { type: string; id: string; status: "online" | "offline" }[], changed: boolean): void {
    if (this.#people.presence(all) || changed) this.changed();
  }

  /** @internal */
  outgoingChanged(sent?: Message): void {
    if (sent) {
      this.add(sent);
      this.#settle();
    }
    this.changed();
  }

  /** @internal A frame that is about this conversation. */
  frame(f: Frame, link: Link): void {
    const { event, id, data } = f;
    switch (event) {
      case "messages:history":
      case "messages:changed":
        for (const m of data.messages) this.add(m, true);
        if (event === "messages:changed") void this.#changedTo(data, link);
        return;
      case "message:updated":
        return this.add(data, id !== undefined);
      case "message:reactions":
        return this.change(reactionsOf(data), data.yours ?? id !== undefined);
      case "message:new":
      case "message:from-user":
        this.#people.typing.also((typing) => typing.stop({ type: data.participantType, id: data.participantId }));
        return this.add(data);
      case "message:sent":
        return this.reaches(data.seq);
      case "message:deleted":
        this.#missing.also((missing) => missing.deleted(data.messageId));
        return this.change(deleted(data));
      case "conversation:activity":
        return this.reaches(data.lastSeq);
      case "read:update":
        return this.reads.also((reads) => reads.told(data));
      case "conversation:updated":
        this.info = data;
        break;
      case "conversation:added":
        this.info = data;
        this.#error = undefined;
        this.#sync();
        break;
      case "conversation:left":
        if (id !== undefined) return; // answers our own leave
        this.#lost(link, new ChatError("forbidden", "You are no participant any more"));
        break;
      case "conversation:deleted":
        this.#lost(link, new ChatError("not_found", "The conversation was deleted"));
        break;
      case "user:joined":
      case "user:left":
        this.#people.moved(data, event === "user:joined");
        break;
      case "typing:start":
        return this.#people.typing.do((typing) => typing.start(data));
      case "typing:stop":
        return this.#people.typing.also((typing) => typing.stop(data));
      default:
        if (aboutAnswers.test(event!)) {
          const now = Date.now();
          this.answers.do((a) => a.frame(f, now));
        }
        return;
    }
    this.look();
    this.changed();
  }

  /** It was deleted, or one is no participant. */
  get #gone(): boolean {
    const error = this.#error;
    return error !== undefined && !error.retryable && error.code !== "too_many_rooms";
  }

  #lost(link: Link, error: ChatError): void {
    link.rooms.delete(this.id);
    this.#error = error;
  }

  #sync(): void {
    this.changed();
    const { link } = this.core;
    if (link) void joinOrLeave(link, this);
  }

  /** @internal */
  joined(d: Joined): void {
    this.#error = undefined;
    this.changedAfter ??= d.changedAfter;
    this.log.base(Math.max(0, d.lastSeq - firstPage));
    this.#people.joined(d);
    this.reads.also((reads) => reads.joined());
    this.reaches(d.lastSeq);
    this.changed();
  }

  #anew(): void {
    this.answers = new Later(async () => new (await import("./answers.js")).Answers(this));
    this.reads = new Later(async () => new (await import("./reads.js")).Reads(this));
  }

  /** @internal A message may not have fit its frame. */
  cut({ id, truncated }: Message): void {
    if (truncated) this.#missing.do((missing) => missing.cut(id));
  }

  /** @internal Looks whether something is missing, and whether time may run out for an answer. */
  look(): void {
    this.answers.look();
    this.reads.look();
    this.#missing.look();
    if (this.#missing.it || !this.#lacks) return;
    this.#gap ??= setTimeout(() => {
      this.#gap = undefined;
      if (!this.#lacks) return;
      this.#missing.do((missing) => missing.fill());
      this.look(); // until that is there
    }, this.core.timing.gapPatience);
  }

  get #lacks(): boolean {
    return this.isOpen && this.log.lacks && !this.core.isOver;
  }

  async #changedTo({ changedAfter, hasMore }: Changed, link: Link): Promise<void> {
    if (changedAfter) this.changedAfter = changedAfter;
    if (hasMore && changedAfter) await actions().then((a) => a.readChanges(this, link)).catch(() => {}); // the next join asks again
  }

  /** @internal */
  changed(): void {
    this.#snapshot = undefined;
    this.#listeners.tell();
  }

  /** Forgets the outgoing ones that are among the messages, or that nobody looks at. */
  #settle(): void {
    this.core.outbox.settle(this.id, this.isOpen ? this.log.last : Infinity);
  }

  #make(): ConversationSnapshot {
    const { core, id, log } = this;
    this.#settle();
    return Object.freeze({
      state: this.#gone ? "gone" : !this.#opens ? "idle" : core.link?.rooms.has(id) ? "joined" : this.#error?.retryable === false ? "idle" : "joining",
      error: this.#error,
      messages: log.messages,
      outgoing: core.outbox.of(id),
      streams: this.answers.it?.shown(Date.now(), (m) => m.seq <= log.last) ?? [],
      typing: this.#people.typing.it?.who ?? [],
      members: this.#people.here,
      presence: core.presence,
      agentOnline: this.#people.agentOnline,
      conversation: this.info,
      reads: this.reads.it?.view,
      hasOlder: log.hasOlder,
      lastSeq: log.head,
    });
  }
}
