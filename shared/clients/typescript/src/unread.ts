import type { ChatClient } from "./client.js";
import { asChatError, ChatError } from "./error.js";
import { nameOf } from "./identity.js";
import { Listeners } from "./listeners.js";
import type { ConversationInfo, ServerFrame, UnreadCount } from "./protocol.gen.js";
import { backoff } from "./timing.js";
import { pause, waitAfter } from "./waits.js";

/** Between two times that what changed is asked for. */
const every = 1_000;
/** Who is not in the room is told of activity once in 5 s: of what was said in the rest of them nothing tells. */
const quiet = 5_500;
/** Of how many, those with the newest activity, it is known. */
const most = 1_000;
/** So many that changed are asked for one by one; of more the whole list is read. */
const few = 10;

interface Row extends UnreadCount {
  head: number; // the end of the log, as far as is known
  version: number; // of the caller's mark
}

/**
 * How much is unread in each conversation. The server counts; what happens there, and what
 * this and other devices have read, makes it ask again for the conversations that are concerned.
 */
export class Unread {
  readonly #core: ChatClient;
  readonly #listeners = new Listeners();
  #rows = new Map<string, Row>();
  #snapshot?: Readonly<Record<string, UnreadCount>>;
  #dirty = new Set<string>(); // of which the count is to be asked for
  #all = true; // of each
  readonly #quiet = new Map<string, ReturnType<typeof setTimeout>>(); // after which it is asked for once more
  #asking = false;
  #me = "";
  #link: unknown;

  /** @internal */
  constructor(core: ChatClient) {
    this.#core = core;
    core.on("event", (f) => this.#frame(f));
    core.subscribe(() => this.#connected());
    this.#connected();
  }

  /** Calls the listener, in a microtask, when {@link getSnapshot} has something new, until the function that it returns is called. */
  readonly subscribe = (listener: () => void): (() => void) => this.#listeners.add(listener);

  /** By the id of the conversation, of those that are known; the same object while nothing changed. */
  readonly getSnapshot = (): Readonly<Record<string, UnreadCount>> => {
    return (this.#snapshot ??= Object.freeze(Object.fromEntries([...this.#rows].map(([id, { count, more }]) => [id, Object.freeze({ count, more })]))));
  };

  /** What no connection told of is asked for with the next one; nothing of it is anybody else's. */
  #connected(): void {
    const { link, me, isOver } = this.#core;
    if (isOver) this.#rest();
    if (!link || !me || (link === this.#link && nameOf(me) === this.#me)) return;
    this.#link = link;
    if (this.#me !== nameOf(me)) this.#rows.clear();
    this.#me = nameOf(me);
    this.#all = true;
    this.#rest();
    this.#changed();
    void this.#ask();
  }

  #rest(): void {
    for (const timer of this.#quiet.values()) clearTimeout(timer);
    this.#quiet.clear();
  }

  #frame({ event, id: answers, data }: ServerFrame & { data?: any }): void {
    if (!data) return;
    const id: string | undefined = data.conversationId ?? data.id;
    const row = this.#rows.get(id ?? "");
    switch (event) {
      case "message:new":
        return this.#grown(id!, data.seq, nameOf({ type: data.participantType, id: data.participantId }) === this.#me);
      case "message:sent":
        return this.#grown(id!, data.seq, true);
      case "conversation:activity":
        clearTimeout(this.#quiet.get(id!));
        this.#quiet.set(id!, setTimeout(() => this.#quiet.delete(id!) && this.#askFor(id!), quiet));
        return this.#grown(id!, data.lastSeq);
      case "message:deleted":
      case "conversation:added":
        return this.#askFor(id!);
      case "conversation:left":
      case "conversation:deleted":
        if (answers === undefined && this.#rows.delete(id!)) this.#changed();
        return;
      case "read:update":
        if (nameOf(data) !== this.#me || !row || (data.version ?? 0) <= row.version) return;
        row.version = data.version;
        if (data.seq < row.head) return this.#askFor(id!);
        this.#dirty.delete(id!);
        this.#count(row, { count: 0, more: false });
    }
  }

  #grown(id: string, seq: number, own = false): void {
    const row = this.#rows.get(id);
    if (row && seq <= row.head) return;
    if (row) row.head = seq;
    if (!own || !row) this.#askFor(id);
  }

  /** This device has read a conversation, which the server will hear of. */
  read(id: string, seq: number): void {
    const row = this.#rows.get(id);
    if (row && seq >= row.head) this.#count(row, { count: 0, more: false });
  }

  #askFor(id: string): void {
    this.#dirty.add(id);
    void this.#ask();
  }

  async #ask(): Promise<void> {
    if (this.#asking) return;
    this.#asking = true;
    const { timing } = this.#core;
    for (let attempt = 0; this.#core.link && (this.#all || this.#dirty.size); ) {
      const ids = [...this.#dirty];
      const all = this.#all || ids.length > few;
      this.#dirty.clear();
      this.#all = false;
      let wait = every;
      try {
        if (all) await this.#list();
        else for (const id of ids) await this.#one(id);
        attempt = 0;
      } catch (cause) {
        const error = asChatError(cause);
        // An answer that cannot be understood is no better the next time.
        if (error.retryable && cause instanceof ChatError) {
          this.#all ||= all;
          for (const id of ids) this.#dirty.add(id);
        }
        wait = waitAfter(error, backoff(attempt++, timing));
      }
      const { link } = this.#core;
      await pause(wait, () => this.#core.link !== link);
    }
    this.#asking = false;
  }

  async #one(id: string): Promise<void> {
    try {
      this.#put(await this.#core.rest.getConversation(id));
    } catch (cause) {
      if (asChatError(cause).code !== "not_found") throw cause;
      if (this.#rows.delete(id)) this.#changed();
    }
  }

  async #list(): Promise<void> {
    const me = this.#me;
    let seen = 0;
    for (let cursor: string | undefined; ; ) {
      const { data, pagination } = await this.#core.rest.listConversations({ limit: 100, cursor });
      if (me !== this.#me) return;
      for (const info of data) this.#put(info);
      seen += data.length;
      if (seen >= most || !pagination.hasMore || !(cursor = pagination.cursor)) return;
    }
  }

  #put({ id, totalMessages, readVersion: version = 0, unread }: ConversationInfo): void {
    if (!unread) return;
    const row = this.#rows.get(id) ?? { head: 0, version: 0, count: -1, more: false };
    this.#rows.set(id, row);
    row.head = Math.max(row.head, totalMessages);
    if (version < row.version) return this.#askFor(id); // it was asked for before the mark was moved
    row.version = version;
    this.#count(row, unread);
  }

  #count(row: Row, { count, more }: UnreadCount): void {
    if (row.count === count && row.more === more) return;
    Object.assign(row, { count, more });
    this.#changed();
  }

  #changed(): void {
    this.#snapshot = undefined;
    this.#listeners.tell();
  }
}

/** @internal Always the same one. */
export function unreadOf(core: ChatClient): Unread {
  return (core.counts ??= new Unread(core));
}
