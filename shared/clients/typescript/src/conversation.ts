import { Assembler } from "./assembler.js";
import type { ChatClient } from "./client.js";
import { asChatError, ChatError } from "./error.js";
import { joinOrLeave } from "./joining.js";
import type { Frame, Link } from "./link.js";
import { Listeners } from "./listeners.js";
import { Log } from "./log.js";
import { deleted, type Known, reactionsOf } from "./merged.js";
import { Missing } from "./missing.js";
import { People } from "./people.js";
import type { Changed, ConversationInfo, Joined, Message } from "./protocol.gen.js";
import { newId } from "./rest.js";
import type { ConversationSnapshot, Outgoing, OutgoingInput } from "./types.js";
import { TypingOwn } from "./typing.js";
import type { StreamWriter } from "./writer.js";

/** How much of the log a first join shows. */
const firstPage = 50;
/** A room that was left is left a little later: mostly it is only opened anew. */
const linger = 500;

/** What most need seldom. */
const actions = () => import("./actions.js");

/** One conversation: what is said in it, and what one says. There is one object for each id. */
export class Conversation {
  readonly id: string;
  /** @internal */
  readonly core: ChatClient;
  /** @internal */
  log = new Log();
  /** @internal */
  streams: Assembler;
  /** @internal After which change of older messages to go on. */
  changedAfter?: string;
  /** @internal */
  info?: ConversationInfo;
  readonly #listeners = new Listeners();
  readonly #missing = new Missing(this);
  readonly #people = new People(this);
  readonly #own: TypingOwn;
  #opens = 0;
  #error?: ChatError;
  #snapshot?: ConversationSnapshot;

  /** @internal */
  constructor(id: string, core: ChatClient) {
    this.id = id;
    this.core = core;
    this.streams = new Assembler(core.timing);
    this.#own = new TypingOwn(core.timing, (state) => {
      const { link } = core;
      if (!link?.rooms.has(id)) return false;
      link.post({ action: "typing", conversationId: id, state });
      return true;
    });
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
    this.#own.stop();
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
    const { log } = this;
    if (!log.hasOlder) return false;
    const { data, pagination } = await this.core.rest.messages({ conversationId: this.id, beforeSeq: log.first, limit });
    if (log !== this.log) return false; // of somebody else
    for (const m of data) {
      this.core.outbox.seen(m);
      this.streams.older(m);
      this.#missing.cut(m);
    }
    if (log.prepend(data)) this.changed();
    this.#missing.look();
    return log.hasOlder && pagination.hasMore;
  }

  /** Reads who is online of those who are not in the room. */
  async loadPresence(): Promise<void> {
    const { data } = await this.core.rest.presence(this.id);
    this.core.present(data);
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
    this.add(await this.core.rest.decide(this.id, toolCallId, decision));
  }

  /** Reacts with an emoji, or a name such as `:party:`, or takes that back; each may be repeated. */
  async react(messageId: string, key: string, on = true): Promise<void> {
    await (await actions()).react(this, messageId, key, on);
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
    await (await actions()).remove(this, messageId);
  }

  /**
   * For agents: begins an answer, or, under the id of one that was begun on a connection
   * that is gone, goes on with it.
   */
  async answer(question: string | Message, streamId: string = newId()): Promise<StreamWriter> {
    const { StreamWriter } = await import("./writer.js"); // most clients never write one
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
    this.streams.message(m);
    this.#missing.cut(m);
    this.change(m, own);
  }

  /** @internal Takes what changed of a message. */
  change(m: Known, own?: boolean): void {
    if (this.log.add(m, own)) this.changed();
    this.#missing.look();
  }

  /** @internal The log is at least so long. */
  reaches(seq: number): void {
    if (this.log.reaches(seq)) this.changed();
    this.#missing.look();
  }

  /** @internal Something is not to be had, for now or for good. */
  failed(error: ChatError): void {
    this.#error = error;
    this.changed();
  }

  /** @internal Somebody else is connected, to whom nothing of this was said. */
  forget(link: Link): void {
    this.log = new Log();
    this.streams = new Assembler(this.core.timing);
    this.#people.clear();
    this.#missing.clear();
    this.info = this.#error = this.changedAfter = undefined;
    link.rooms.delete(this.id); // it was joined as if the old log were there
    void joinOrLeave(link, this);
    this.changed();
  }

  /** @internal */
  connectionChanged(): void {
    if (!this.core.link) this.#people.typing.clear();
    this.#missing.look();
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
  frame({ event, id, data }: Frame, link: Link): void {
    const now = Date.now();
    const { streams } = this;
    switch (event) {
      case "messages:history":
      case "messages:changed":
        for (const m of data.messages) this.add(m, true);
        if (event === "messages:changed") void this.#changedTo(data, link);
        return;
      case "message:updated":
        return this.add(data, id !== undefined);
      case "message:reactions":
        return this.change(reactionsOf(data), id !== undefined);
      case "message:new":
      case "message:from-user":
        this.#people.typing.stop({ type: data.participantType, id: data.participantId });
        return this.add(data);
      case "message:sent":
        return this.reaches(data.seq);
      case "message:deleted":
        this.#missing.deleted(data.messageId);
        return this.change(deleted(data));
      case "conversation:activity":
        return this.reaches(data.lastSeq);
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
        return this.#people.typing.start(data);
      case "typing:stop":
        return this.#people.typing.stop(data);
      case "stream:start":
      case "stream:snapshot":
        streams.begun(data, now);
        break;
      case "stream:delta":
        if (streams.delta(data, now)) this.changed();
        return this.#missing.look();
      case "stream:stopping":
        streams.stopping(data.streamIds);
        break;
      case "stream:dropped":
        streams.dropped(data.streamId);
        break;
      default:
        return;
    }
    this.#missing.look();
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
    this.reaches(d.lastSeq);
    this.changed();
  }

  async #changedTo({ changedAfter, hasMore }: Changed, link: Link): Promise<void> {
    if (changedAfter) this.changedAfter = changedAfter;
    if (hasMore && changedAfter) await actions().then((a) => a.readChanges(this, link)).catch(() => {}); // the next join asks again
  }

  async #stop(what: { streamId?: string; messageId?: string }): Promise<void> {
    const { link } = this.core;
    if (!link) throw asChatError("There is no connection");
    await link.request("stop", { conversationId: this.id, ...what }); // the reply is taken as what tells the others
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
      streams: this.streams.shown(Date.now(), (m) => m.seq <= log.last),
      typing: this.#people.typing.who,
      members: this.#people.here,
      presence: core.presence,
      agentOnline: this.#people.agentOnline,
      conversation: this.info,
      hasOlder: log.hasOlder,
      lastSeq: log.head,
    });
  }
}
