import { committed, type Entry, fail, pending, waits } from "./entry.js";
import { asChatError, ChatError } from "./error.js";
import { checkId, copied, isBig } from "./input.js";
import { keep, unkeep } from "./kept.js";
import type { Link } from "./link.js";
import { guessOf, nobody, ownerOf } from "./owner.js";
import type { Identity, Message, Sent } from "./protocol.gen.js";
import { newId, type Rest } from "./rest.js";
import { backoff } from "./timing.js";
import type { Outgoing, OutgoingInput, Timing } from "./types.js";
import { waitAfter } from "./waits.js";

/** The most messages that wait. */
const maxWaiting = 100;
/** @internal What a queue of outgoing messages needs. */
export interface OutboxHost {
  readonly timing: Timing;
  readonly rest: Rest;
  readonly link: Link | undefined;
  readonly me: Identity | undefined;
  readonly tokens?: { readonly last?: string };
  readonly storage: Storage | undefined;
  readonly storageKey: string;
  /** Why no further attempt to connect is made. */
  readonly failure?: ChatError;
  /** What is queued of a conversation changed. */
  outgoing(conversationId: string, sent?: Message): void;
  /** What came of a conversation already, under an id of the client's. */
  came(conversationId: string, clientMessageId: string): Message | undefined;
}

/**
 * @internal The messages of one's own that are not in the log yet. Those of one conversation
 * are sent one after the other, each under one id for ever, so that it is stored once however
 * often it is sent.
 */
export class Outbox {
  #entries: Entry[] = [];
  readonly #lanes = new Map<string, (closed?: boolean) => void>(); // conversations that are being sent, and how to wake them
  readonly #restored = new Map<string, boolean>(); // whose former pages' messages are here, or are being read
  #guessOfMe = nobody; // what the token said of who is connected
  #at = 0; // of the last one: they are told apart by it
  readonly #host: OutboxHost;

  constructor(host: OutboxHost) {
    this.#host = host;
  }

  of(conversationId: string): readonly Outgoing[] {
    const owner = this.#owner();
    return this.#entries.filter((e) => e.conversationId === conversationId && e.owner === owner && !e.discarded).map((e) => e.out);
  }

  add(conversationId: string, { clientMessageId = newId(), ...said }: OutgoingInput & { clientMessageId?: string }): Outgoing {
    const owner = this.#owner();
    checkId(clientMessageId);
    const input = copied(said);
    const had = this.#find(clientMessageId);
    if (had) {
      if (had.conversationId !== conversationId || had.owner !== owner) throw new ChatError("conflict", "This clientMessageId is used for another message");
      if (had.sent || waits(had)) return had.out;
      this.#drop(had, "Said again");
    }
    const waiting = this.#entries.filter(waits).length;
    const entry = pending(conversationId, owner, { clientMessageId, content: input.content ?? "", input, at: (this.#at = Math.max(Date.now(), this.#at + 1)) });
    this.#entries = [...this.#entries, entry];
    if (waiting < maxWaiting) this.#queue(entry);
    else this.#failed(entry, new ChatError("queue_full", `${maxWaiting} messages wait already`, { retryable: true }));
    return entry.out;
  }

  /** Of a failed one, under the same id. */
  retry(id: string): void {
    const entry = this.#find(id);
    if (entry?.out.status !== "failed") return;
    const { conversationId, owner, out } = entry;
    Object.assign(entry, pending(conversationId, owner, { ...out, error: undefined } as Outgoing)); // its promise is spent
    this.#queue(entry);
  }

  #queue(entry: Entry): void {
    this.#keep(entry);
    this.#host.outgoing(entry.conversationId);
    if (this.#host.failure) this.rest();
    else void this.#send(entry.conversationId);
  }

  /** Of one that is not on its way. Of one that was, and may have arrived, nobody knows: it is not sent again, and if the log has it, that ends it. */
  discard(id: string): void {
    const entry = this.#find(id);
    if (!entry || entry.out.status === "sending" || entry.sent) return;
    this.#unkeep(entry);
    if (entry.tried && waits(entry)) entry.discarded = true;
    else this.#drop(entry, "Taken back");
    this.#host.outgoing(entry.conversationId);
  }

  #drop(entry: Entry, why: string): void {
    this.#entries = this.#entries.filter((e) => e !== entry);
    entry.reject(new ChatError("discarded", why));
    this.#host.outgoing(entry.conversationId);
  }

  /** The server has said who is connected: what was said before is theirs. */
  identified(link: Link, me: Identity): void {
    const { tokens } = this.#host;
    const owner = (link.owner = ownerOf(me, tokens?.last));
    this.#guessOfMe = guessOf(tokens?.last);
    for (const entry of this.#entries) {
      if (entry.owner !== nobody && entry.owner !== this.#guessOfMe) continue;
      this.#unkeep(entry);
      entry.owner = owner;
      if (!entry.sent && !entry.discarded) this.#keep(entry);
    }
    this.flush();
  }

  /** Who speaks now: whoever is, or was, connected, unless there is a token of somebody else. */
  #owner(): string {
    const { me, tokens } = this.#host;
    const guess = guessOf(tokens?.last);
    return me && (guess === nobody || guess === this.#guessOfMe || this.#guessOfMe === nobody) ? ownerOf(me, tokens?.last) : guess;
  }

  /** Sends what waits, and is of who is connected. */
  flush(): void {
    this.#restore();
    for (const id of new Set(this.#entries.map((e) => e.conversationId))) {
      const wake = this.#lanes.get(id);
      if (wake) wake();
      else void this.#send(id);
    }
  }

  /** Nothing is sent any more: nothing waits for its turn either. What a client that has failed had to send has failed; what is kept of it the next page sends. */
  rest(): void {
    for (const wake of this.#lanes.values()) wake(true);
    const { failure } = this.#host;
    if (failure) for (const entry of this.#entries.filter(waits)) this.#failed(entry, failure);
  }

  /** Reads what former pages have left, once it is known whose it is: what is said now is sent after that. */
  #restore(): void {
    const { storage, storageKey, me } = this.#host;
    const owner = this.#owner();
    if (!storage || !me || this.#restored.has(owner)) return;
    this.#restored.set(owner, false);
    void import("./restore.js")
      .then(({ restore }) => {
        const entries = restore(storage, storageKey, [owner, guessOf(this.#host.tokens?.last), nobody], (id) => this.#find(id) !== undefined);
        this.#entries = [...entries, ...this.#entries];
        for (const { conversationId, out } of entries) {
          // The former page did not hear any more that it has arrived.
          const m = this.#host.came(conversationId, out.clientMessageId);
          if (m) this.seen(m);
          this.#host.outgoing(conversationId);
        }
      })
      .catch(() => {}) // it cannot be loaded: the next page finds them
      .then(() => {
        this.#restored.set(owner, true);
        this.flush();
      });
  }

  /** The server has stored a message, as its reply says. */
  acknowledged(d: Sent): void {
    const entry = this.#find(d.clientMessageId);
    const { me } = this.#host;
    if (entry?.conversationId === d.conversationId && me) this.#arrived(entry, committed(me, entry.out.input, d));
  }

  /** A message came, which may be one's own: its reply was lost, or is on its way. Returns it, whole if it is. */
  seen(m: Message): Message {
    const entry = this.#find(m.clientMessageId);
    const { me } = this.#host;
    if (entry?.conversationId !== m.conversationId || me?.id !== m.participantId || me.type !== m.participantType) return m;
    if (m.truncated && !m.version) {
      const { truncated, ...rest } = m;
      m = { ...rest, ...entry.out.input } as Message;
    }
    this.#arrived(entry, m);
    return m;
  }

  /** Forgets what the log shows, up to its end. */
  settle(conversationId: string, last: number): void {
    this.#entries = this.#entries.filter((e) => e.conversationId !== conversationId || !e.sent || e.sent.seq > last);
  }

  async #send(conversationId: string): Promise<void> {
    if (this.#lanes.has(conversationId)) return;
    this.#lanes.set(conversationId, () => {});
    for (let attempt = 0; ; ) {
      const { link, storage } = this.#host;
      const owner = link?.owner;
      if (!owner || (storage && !this.#restored.get(owner))) break;
      const entry = this.#entries.find((e) => e.conversationId === conversationId && e.owner === owner && waits(e));
      if (!entry) break;
      if (entry.isKept?.() === false) {
        this.#drop(entry, "Another page has sent it, or taken it back");
        continue;
      }
      this.#set(entry, { status: "sending", error: undefined });
      const { tried } = entry;
      entry.tried = true;
      try {
        await this.#post(entry, link);
        attempt = 0;
      } catch (cause) {
        if (entry.sent) continue; // it came otherwise
        const error = asChatError(cause);
        const limited = error.code === "rate_limited";
        if (!error.retryable || limited) entry.tried = tried;
        if (!error.retryable) {
          this.#failed(entry, error);
          this.#keep(entry);
          continue;
        }
        this.#set(entry, { status: "queued", error });
        const wait = waitAfter(error, backoff(attempt++, this.#host.timing));
        if (link !== this.#host.link) continue;
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, wait);
          this.#lanes.set(conversationId, (closed) => {
            if (!closed && limited) return;
            clearTimeout(timer);
            resolve();
          });
        });
      }
    }
    this.#lanes.delete(conversationId);
  }

  async #post(entry: Entry, link: Link): Promise<void> {
    const { input, clientMessageId } = entry.out;
    const { conversationId } = entry;
    const body = { ...input, conversationId, clientMessageId };
    const sent: Sent = isBig(body) ? await this.#host.rest.postMessage(body) : (await link.request("send", body)).data;
    this.acknowledged(sent);
    // Who is connected is not known any more: the log says it.
    if (!entry.sent) this.#arrived(entry, await this.#host.rest.message(sent.messageId));
  }

  #arrived(entry: Entry, m: Message): void {
    if (entry.sent) return;
    entry.sent = m;
    this.#unkeep(entry);
    entry.resolve(m);
    this.#host.outgoing(entry.conversationId, m);
  }

  #find(id: string): Entry | undefined {
    return this.#entries.find((e) => e.out.clientMessageId === id);
  }

  #set(entry: Entry, change: Partial<Outgoing>): void {
    entry.out = { ...entry.out, ...change };
    this.#host.outgoing(entry.conversationId);
  }

  #failed(entry: Entry, error: ChatError): void {
    fail(entry, error);
    this.#host.outgoing(entry.conversationId);
  }

  #keep(entry: Entry): void {
    keep(this.#host.storage, this.#host.storageKey, entry);
  }

  #unkeep(entry: Entry): void {
    unkeep(this.#host.storage, this.#host.storageKey, entry);
  }
}
