import { Connection } from "./connection.js";
import { Conversation } from "./conversation.js";
import { guarded, Listeners } from "./listeners.js";
import type { Frame, Link } from "./link.js";
import { Outbox } from "./outbox.js";
import type { Identity, Message, Sent, ServerFrame } from "./protocol.gen.js";
import type { Questions } from "./questions.js";
import { Rest } from "./rest.js";
import { defaults } from "./timing.js";
import { Tokens } from "./tokens.js";
import type { Activity, ChatOptions, ClientEvents, ClientSnapshot, Timing } from "./types.js";
import type { StreamWriter } from "./writer.js";

/** A connection to the chat that keeps itself up, and the conversations on it. */
export class ChatClient {
  /** The REST interface, with the same token. */
  readonly rest: Rest;
  /** @internal */
  readonly options: ChatOptions;
  /** @internal */
  readonly timing: Timing;
  /** @internal */
  readonly tokens: Tokens;
  /** @internal */
  readonly connection: Connection;
  /** @internal */
  readonly outbox: Outbox;
  /** @internal */
  readonly writers = new Set<StreamWriter>();
  /** @internal */
  readonly storage: Storage | undefined;
  /** @internal */
  readonly storageKey: string;
  /** @internal */
  me: Identity | undefined;
  /** @internal Of everybody of whom something is known. */
  presence: Readonly<Record<string, "online" | "offline">> = {};
  /** @internal */
  streams: "full" | "final";
  readonly #listeners = new Listeners();
  readonly #conversations = new Map<string, Conversation>();
  readonly #presenceAt = new Map<string, string>();
  readonly #on: { [E in keyof ClientEvents]: Set<ClientEvents[E]> } = { frame: new Set(), event: new Set(), activity: new Set(), question: new Set() };
  #questions?: Promise<Questions>;
  #snapshot?: ClientSnapshot;

  constructor(options: ChatOptions) {
    this.options = options;
    this.timing = { ...defaults, ...options.timing };
    this.tokens = new Tokens(options.getToken);
    this.rest = new Rest({ url: options.restUrl, token: this.tokens.get, fetch: options.fetch ?? ((...args) => fetch(...args)) });
    this.storage = options.storage;
    this.storageKey = options.storageKey ?? "aiwm-chat";
    this.streams = options.streams === "final" ? "final" : "full";
    this.connection = new Connection(this);
    this.outbox = new Outbox(this);
  }

  /** The client then keeps itself connected until {@link close}, or until it is failed. While it waits before the next attempt, that is made at once; else a repeat does nothing. */
  connect(): void {
    this.connection.connect();
  }

  /** Ends everything; {@link connect} may be called again. */
  close(): void {
    this.connection.close();
  }

  /** Calls the listener, in a microtask, when {@link getSnapshot} has something new, until the function that it returns is called. */
  readonly subscribe = (listener: () => void): (() => void) => this.#listeners.add(listener);

  /** The state of the connection; the same object while nothing changed. */
  readonly getSnapshot = (): ClientSnapshot => {
    const { state, error, retryAt } = this.connection;
    return (this.#snapshot ??= Object.freeze({ state, me: this.me, error, retryAt }));
  };

  /** Always the same object for one id. */
  conversation(id: string): Conversation {
    let one = this.#conversations.get(id);
    if (!one) this.#conversations.set(id, (one = new Conversation(id, this)));
    return one;
  }

  /** Calls the listener for each, until the function that it returns is called. */
  on<E extends keyof ClientEvents>(event: E, listener: ClientEvents[E]): () => void {
    this.#on[event].add(listener);
    return () => void this.#on[event].delete(listener);
  }

  /** @internal */
  get link(): Link | undefined {
    return this.connection.link;
  }

  /** @internal */
  emit<E extends keyof ClientEvents>(event: E, call: (listener: ClientEvents[E]) => void): void {
    const all = this.#on[event];
    for (const listener of [...all]) if (all.has(listener)) guarded(() => call(listener));
  }

  // What the connection needs, and whom it tells.

  /** @internal */
  changed(): void {
    this.#snapshot = undefined;
    this.#listeners.tell();
    for (const c of this.#conversations.values()) c.connectionChanged();
  }

  /** @internal */
  enter(link: Link): Promise<unknown> {
    return Promise.all([...this.#conversations.values()].map((c) => c.sync(link)));
  }

  /** @internal */
  swapped(): void {
    this.outbox.flush();
    for (const w of this.writers) w.relink();
  }

  /** @internal */
  readonly wire = (dir: "in" | "out", text: string): void => {
    if (this.#on.frame.size > 0) this.emit("frame", (tell) => tell({ dir, text, at: Date.now() }));
  };

  /** @internal */
  streamsWanted(mode: "full" | "final"): void {
    if ((this.options.streams ?? "auto") !== "auto" || this.streams === mode) return;
    this.streams = mode;
    if (this.link) void this.enter(this.link);
  }

  /** @internal What the server knows of this connection is held against what it should be. */
  pong(data: { rooms: { conversationId: string; lastSeq: number }[]; resync?: boolean; truncated?: boolean }, before: ReadonlySet<string>, link: Link): void {
    const rooms = new Map(data.rooms.map((r) => [r.conversationId, r.lastSeq]));
    for (const [id, lastSeq] of rooms) {
      const one = this.#conversations.get(id);
      one?.reaches(lastSeq);
      // Left, but the server has not heard of it.
      if (!link.rooms.has(id) && !link.syncing.has(id) && !one?.isOpen) void link.request("leave", { conversationId: id }).catch(() => {});
    }
    for (const id of before) {
      if (!rooms.has(id) && !link.syncing.has(id) && (!data.truncated || data.resync)) link.rooms.delete(id);
    }
    void this.enter(link); // also what never came about, whatever was the reason
  }

  /** @internal */
  frame(f: Frame, link: Link): void {
    if (!f.event) return;
    this.emit("event", (tell) => tell(f as ServerFrame));
    const { data } = f;
    if (f.error) {
      const id = f.error.details?.streamId;
      for (const w of this.writers) if (w.tag === f.id || (f.id === undefined && w.streamId === id)) w.refused(f.error, link);
      return;
    }
    switch (f.event) {
      case "connected":
        this.#identified({ type: data.type, id: data.userId ?? data.agentId }, link);
        return;
      case "backlog":
        this.#asked((q) => q.backlog(this.me!.id, data.cursor));
        return;
      case "message:sent":
        this.outbox.acknowledged(data);
        if ((data as Sent).resync) void this.connection.ping();
        break;
      case "message:from-user":
      case "message:new":
        if (f.event === "message:from-user" || (data as Message).forYou) this.#asked((q) => q.take(data));
        break;
      case "presence:update":
        this.present([data, ...(data.more ?? [])].map((p: Identity) => ({ ...p, status: data.status })), data.at);
        return;
      case "stream:stop":
        for (const w of this.writers) if (w.streamId === data.streamId && w.conversationId === data.conversationId) w.stop();
        return;
    }
    // Of a whole conversation the id is its own. Its replies have one too, and are nothing that happened to it.
    const conversationId = data?.conversationId ?? data?.id;
    if (f.event.startsWith("conversation:") && f.id === undefined) {
      const { event } = f as { event: Activity["event"] };
      this.emit("activity", (tell) => tell({ event, conversationId, lastSeq: data.lastSeq, conversation: data.id && data }));
    }
    this.#conversations.get(conversationId)?.frame(f, link);
  }

  #identified(me: Identity, link: Link): void {
    const same = this.me?.type === me.type && this.me.id === me.id;
    if (!same) {
      const known = this.me !== undefined;
      this.me = me;
      if (known) for (const c of this.#conversations.values()) c.forget(link);
      this.changed();
    }
    this.outbox.identified(link, me);
  }

  /** What agents need is loaded by them. */
  #asked(what: (q: Questions) => unknown): void {
    this.#questions ??= import("./questions.js").then(
      ({ Questions }) => new Questions(this.rest, (m) => this.emit("question", (tell) => tell(m)), this.timing, () => this.link !== undefined),
      (cause) => {
        this.#questions = undefined; // the next one loads it again
        throw cause;
      },
    );
    this.#questions.then(what).catch(() => {}); // not loaded, or none of this protocol: a backlog tells what was missed
  }

  /** @internal Notes who is there. What was decided before what is known does not count; what does not say when is of now. */
  present(all: readonly { type: string; id: string; status: "online" | "offline" }[], at?: string): void {
    const news = all.filter(({ type, id }) => !at || at >= (this.#presenceAt.get(`${type}:${id}`) ?? ""));
    const next = { ...this.presence };
    for (const { type, id, status } of news) {
      const key = `${type}:${id}`;
      if (at) this.#presenceAt.set(key, at); // by the server's clock alone: the one here may be wrong
      next[key] = status;
    }
    const changed = news.some(({ type, id, status }) => this.presence[`${type}:${id}`] !== status);
    if (changed) this.presence = next;
    for (const c of this.#conversations.values()) c.presenceChanged(news, changed);
  }

  /** @internal */
  outgoing(conversationId: string, sent?: Message): void {
    this.conversation(conversationId).outgoingChanged(sent);
  }

  /** @internal */
  came(conversationId: string, clientMessageId: string): Message | undefined {
    return this.#conversations.get(conversationId)?.came(clientMessageId);
  }
}
