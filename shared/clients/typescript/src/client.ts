import { Connection } from "./connection.js";
import { Conversation } from "./conversation.js";
import { ChatError } from "./error.js";
import { nameOf } from "./identity.js";
import { joinOrLeave } from "./joining.js";
import { Later, notLoaded } from "./later.js";
import { guarded, Listeners } from "./listeners.js";
import type { Frame, Link } from "./link.js";
import { Outbox } from "./outbox.js";
import type { Identity, Message, ServerFrame } from "./protocol.gen.js";
import type { Questions } from "./questions.js";
import { Rest } from "./rest.js";
import { defaults } from "./timing.js";
import { Tokens } from "./tokens.js";
import type { Activity, ChatOptions, ClientEvents, ClientSnapshot, Timing, Uploaded, UploadOptions } from "./types.js";
import type { Unread } from "./unread.js";
import type { StreamWriter } from "./writer.js";

const uploads = () => import("./uploads.js").catch(notLoaded);

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
  /** @internal */
  counts: Unread | undefined;
  readonly #listeners = new Listeners();
  // Nobody can tell a conversation that was forgotten from a new one, unless they have it, it is
  // open, or it is subscribed to: the garbage collector knows the first, and these the others.
  readonly #conversations = new Map<string, WeakRef<Conversation>>();
  readonly #held = new Set<unknown>();
  readonly #forgotten = new FinalizationRegistry<string>((id) => this.#known(id) ?? this.#conversations.delete(id));
  readonly #presenceAt = new Map<string, string>();
  readonly #on: { [E in keyof ClientEvents]?: Set<any> } = {};
  /** What agents need is loaded by them; of what was missed because it could not be, a backlog tells. */
  readonly #questions = new Later<Questions>(async () => new (await import("./questions.js")).Questions(this));
  #snapshot?: ClientSnapshot;

  constructor(options: ChatOptions) {
    for (const name of ["url", "restUrl", "getToken"] as const) if (!options?.[name]) throw new ChatError("validation_failed", `${name} is missing`, { details: { [name]: "is missing" } });
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
    let one = this.#known(id);
    if (!one) {
      one = new Conversation(id, this);
      this.#conversations.set(id, new WeakRef(one));
      this.#forgotten.register(one, id);
    }
    return one;
  }

  /** Uploads a file, for the `attachments` of a message in that conversation. */
  async upload(conversationId: string, file: Blob, options?: UploadOptions): Promise<Uploaded> {
    return (await uploads()).upload(this, conversationId, file, options);
  }

  /** Where the bytes of a `document:` are that was uploaded: for four minutes the same, and then another one. */
  async documentUrl(attachment: string): Promise<string> {
    return (await uploads()).documentUrl(this, attachment);
  }

  #known(id: string): Conversation | undefined {
    return this.#conversations.get(id)?.deref();
  }

  get #all(): Conversation[] {
    return [...this.#conversations.values()].flatMap((ref) => ref.deref() ?? []);
  }

  /** @internal Keeps a conversation until what this returns is called, which ends what it is kept for, once. */
  holding(c: Conversation, end: () => void): () => void {
    const hold = { c };
    this.#held.add(hold);
    return () => {
      if (this.#held.delete(hold)) end();
    };
  }

  /** How much is unread in each of one's conversations, kept in step from the first call on; always the same object. */
  async unread(): Promise<Unread> {
    return (await import("./unread.js").catch(notLoaded)).unreadOf(this);
  }

  /** Calls the listener for each, until the function that it returns is called. */
  on<E extends keyof ClientEvents>(event: E, listener: ClientEvents[E]): () => void {
    const all = (this.#on[event] ??= new Set());
    all.add(listener);
    return () => void all.delete(listener);
  }

  /** @internal */
  get link(): Link | undefined {
    return this.connection.link;
  }

  /** @internal */
  get failure(): ChatError | undefined {
    const { state, error } = this.connection;
    return state === "failed" ? error : undefined;
  }

  /** @internal It does not want to be connected: nothing is read or sent either. */
  get isOver(): boolean {
    const { state } = this.connection;
    return state === "initialized" || state === "failed";
  }

  /** @internal */
  emit<E extends keyof ClientEvents>(event: E, what: Parameters<ClientEvents[E]>[0]): void {
    const all = this.#on[event] ?? [];
    for (const listener of [...all]) if (this.#on[event]!.has(listener)) guarded(() => listener(what));
  }

  // What the connection needs, and whom it tells.

  /** @internal */
  changed(): void {
    this.#snapshot = undefined;
    this.#listeners.tell();
    if (this.isOver) this.outbox.rest();
    for (const c of this.#all) c.connectionChanged();
  }

  /** @internal */
  enter(link: Link): Promise<unknown> {
    return Promise.all(this.#all.map((c) => joinOrLeave(link, c)));
  }

  /** @internal */
  swapped(): void {
    this.outbox.flush();
    for (const w of this.writers) w.relink();
  }

  /** @internal */
  readonly wire = (dir: "in" | "out", text: string): void => {
    if (this.#on.frame?.size) this.emit("frame", { dir, text, at: Date.now() });
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
      const one = this.#known(id);
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
    this.emit("event", f as ServerFrame);
    const { data } = f;
    for (const w of this.writers) w.frame(f, link);
    if (f.error) return;
    switch (f.event) {
      case "connected":
        return this.#identified({ type: data.type, id: data.userId ?? data.agentId }, link);
      case "message:sent":
        this.outbox.acknowledged(data);
        if (data.resync) void this.connection.ping();
        break;
      case "presence:update":
        return this.present([data, ...(data.more ?? [])].map((p: Identity) => ({ ...p, status: data.status })), data.at);
    }
    if (f.event === "backlog" || f.event === "message:from-user" || data?.forYou) this.#questions.do((questions) => questions.frame(f));
    // Of a whole conversation the id is its own. Its replies have one too, and are nothing that happened to it.
    const conversationId = data?.conversationId ?? data?.id;
    if (f.event.startsWith("conversation:") && f.id === undefined) {
      const { event } = f as { event: Activity["event"] };
      this.emit("activity", { event, conversationId, lastSeq: data.lastSeq, conversation: data.id && data });
    }
    this.#known(conversationId)?.frame(f, link);
  }

  #identified(me: Identity, link: Link): void {
    const before = this.me;
    if (!before || nameOf(before) !== nameOf(me)) {
      this.me = me;
      if (before) for (const c of this.#all) c.forget(link);
      this.changed();
    }
    this.outbox.identified(link, me);
  }

  /** @internal Notes who is there. What was decided before what is known does not count; what does not say when is of now. */
  present(all: readonly { type: string; id: string; status: "online" | "offline" }[], at?: string): void {
    const news = all.filter((p) => !at || at >= (this.#presenceAt.get(nameOf(p)) ?? ""));
    const changed = news.some((p) => this.presence[nameOf(p)] !== p.status);
    if (changed) this.presence = { ...this.presence, ...Object.fromEntries(news.map((p) => [nameOf(p), p.status])) };
    if (at) for (const p of news) this.#presenceAt.set(nameOf(p), at); // by the server's clock alone: the one here may be wrong
    for (const c of this.#all) c.presenceChanged(news, changed);
  }

  /** @internal */
  outgoing(conversationId: string, sent?: Message): void {
    this.conversation(conversationId).outgoingChanged(sent);
  }

  /** @internal */
  came(conversationId: string, clientMessageId: string): Message | undefined {
    return this.#known(conversationId)?.log.find((m) => m.clientMessageId === clientMessageId);
  }
}
