import { asChatError, ChatError } from "./error.js";
import type { Link } from "./link.js";
import { guessOf, nobody, ownerOf } from "./owner.js";
import type { Identity, Message, Sent } from "./protocol.gen.js";
import { newId, type Rest } from "./rest.js";
import { backoff } from "./timing.js";
import type { Outgoing, OutgoingInput, Timing } from "./types.js";
import { waitAfter } from "./waits.js";

/** The most messages that wait. */
const maxWaiting = 100;
/** The most bytes of a frame, a little under API Gateway's 32 KB; and of the content in one. */
const maxFrame = 32_000;
const maxContent = 24_576;

interface Entry {
  conversationId: string;
  owner: string; // who said it: nobody else sends it, or sees it
  out: Outgoing;
  sent?: Message; // it is in the log
  tried?: boolean; // it may have arrived
  restored?: boolean; // other pages have it too
  discarded?: boolean; // but it may have arrived
  resolve: (m: Message) => void;
  reject: (e: ChatError) => void;
}

/** @internal What a queue of outgoing messages needs. */
export interface OutboxHost {
  readonly timing: Timing;
  readonly rest: Rest;
  readonly link: Link | undefined;
  readonly me: Identity | undefined;
  readonly tokens?: { readonly last?: string };
  readonly storage: Storage | undefined;
  readonly storageKey: string;
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
  readonly #owners = new WeakMap<Link, string>(); // who is connected, as the server has said
  #awaited?: Link; // which has not said yet who is connected
  #guess?: { token?: string; guess: string };
  #guessOfMe = nobody; // what the token said of who is connected
  #restored = "";
  #at = 0; // of the last one: they are told apart by it
  readonly #host: OutboxHost;

  constructor(host: OutboxHost) {
    this.#host = host;
  }

  of(conversationId: string): readonly Outgoing[] {
    const owner = this.#owner();
    return this.#entries.filter((e) => e.conversationId === conversationId && e.owner === owner && !e.discarded).map((e) => e.out);
  }

  add(conversationId: string, input: OutgoingInput): Outgoing {
    input = copied(input);
    const waiting = this.#entries.filter(waits).length;
    const entry = this.#entry(conversationId, { clientMessageId: newId(), content: input.content ?? "", input, at: (this.#at = Math.max(Date.now(), this.#at + 1)) });
    if (waiting >= maxWaiting) this.#failed(entry, new ChatError("queue_full", `${maxWaiting} messages wait already`, { retryable: true }));
    else this.#queue(entry);
    return entry.out;
  }

  /** Of a failed one, under the same id. */
  retry(id: string): void {
    const entry = this.#find(id);
    if (entry?.out.status !== "failed") return;
    // Its promise is spent.
    Object.assign(entry, pending(entry.conversationId, entry.owner, { ...entry.out, error: undefined }));
    this.#queue(entry);
  }

  #queue(entry: Entry): void {
    this.#keep(entry);
    this.#host.outgoing(entry.conversationId);
    void this.#send(entry.conversationId);
  }

  /** Of one that is not on its way. Of one that was, and may have arrived, nobody knows: it is not sent again, and if the log has it, that ends it. */
  discard(id: string): void {
    const entry = this.#find(id);
    if (!entry || entry.out.status === "sending" || entry.sent) return;
    this.#store(entry);
    if (entry.tried && waits(entry)) entry.discarded = true;
    else this.#drop(entry, "Taken back");
    this.#host.outgoing(entry.conversationId);
  }

  #drop(entry: Entry, why: string): void {
    this.#entries = this.#entries.filter((e) => e !== entry);
    entry.reject(new ChatError("discarded", why));
  }

  /** The server has said who is connected: what was said before is theirs. */
  identified(link: Link, me: Identity): void {
    const owner = ownerOf(me, this.#host.tokens?.last);
    this.#owners.set(link, owner);
    this.#guessOfMe = this.#guessed();
    for (const entry of this.#entries) {
      if (entry.owner !== nobody && entry.owner !== this.#guessOfMe) continue;
      this.#store(entry);
      entry.owner = owner;
      if (!entry.sent && !entry.discarded) this.#keep(entry);
    }
    this.flush();
  }

  /** Nothing is sent any more: nothing waits for its turn either. */
  rest(conversationId: string): void {
    this.#lanes.get(conversationId)?.(true);
  }

  #guessed(): string {
    const token = this.#host.tokens?.last;
    if (!this.#guess || this.#guess.token !== token) this.#guess = { token, guess: guessOf(token) };
    return this.#guess.guess;
  }

  /** Who speaks now: whoever is, or was, connected, unless there is a token of somebody else. */
  #owner(): string {
    const { me, tokens } = this.#host;
    const guess = this.#guessed();
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

  /** The server has stored a message, as its reply says. */
  acknowledged(d: Sent): void {
    const entry = this.#find(d.clientMessageId);
    const { me } = this.#host;
    if (!entry || entry.conversationId !== d.conversationId || !me) return;
    this.#arrived(entry, committed(me, entry.out.input, d));
  }

  /** A message came, which may be one's own: its reply was lost, or is on its way. Returns it, whole if it is. */
  seen(m: Message): Message {
    const entry = this.#find(m.clientMessageId);
    const { me } = this.#host;
    if (entry?.conversationId !== m.conversationId || me?.id !== m.participantId || me.type !== m.participantType) return m;
    if (m.truncated) {
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
      const { link } = this.#host;
      const owner = link && this.#owners.get(link);
      const entry = owner && this.#entries.find((e) => e.conversationId === conversationId && e.owner === owner && waits(e));
      if (!entry) {
        if (link && !owner) this.#await(link);
        break;
      }
      if (entry.restored && !this.#isKept(entry)) {
        this.#drop(entry, "Another page has sent it, or taken it back");
        this.#host.outgoing(conversationId);
        continue;
      }
      this.#set(entry, { status: "sending", error: undefined });
      const { tried } = entry;
      entry.tried = true;
      try {
        await this.#post(entry, link);
        attempt = 0;
      } catch (cause) {
        if (entry.sent || !this.#entries.includes(entry)) continue; // it came otherwise
        const error = asChatError(cause);
        if (!error.retryable || error.code === "rate_limited") entry.tried = tried;
        if (!error.retryable) {
          this.#failed(entry, error);
          this.#keep(entry);
          continue;
        }
        this.#set(entry, { status: "queued", error });
        const wait = waitAfter(error, backoff(attempt++, this.#host.timing));
        if (link === this.#host.link) {
          await new Promise<void>((resolve) => {
            const timer = setTimeout(resolve, wait);
            this.#lanes.set(conversationId, (closed) => {
              if (!closed && error.code === "rate_limited") return;
              clearTimeout(timer);
              resolve();
            });
          });
          this.#lanes.set(conversationId, () => {});
        }
      }
    }
    this.#lanes.delete(conversationId);
  }

  /** A link that does not say who is connected is none. */
  #await(link: Link): void {
    if (this.#awaited === link) return;
    this.#awaited = link;
    setTimeout(() => this.#owners.has(link) || link.close(), 2 * this.#host.timing.ackTimeout);
  }

  async #post(entry: Entry, link: Link): Promise<void> {
    const { input, clientMessageId } = entry.out;
    const { conversationId } = entry;
    const body = { ...input, conversationId, clientMessageId };
    const big = bytes(JSON.stringify(body)) > maxFrame || bytes(input.content ?? "") > maxContent;
    const sent: Sent = big ? await this.#host.rest.postMessage(body) : (await link.request("send", body)).data;
    this.acknowledged(sent);
    // Who is connected is not known yet: the log says it.
    if (!entry.sent && this.#entries.includes(entry)) this.#arrived(entry, await this.#host.rest.message(sent.messageId));
  }

  #arrived(entry: Entry, m: Message): void {
    if (entry.sent) return;
    entry.sent = m;
    this.#store(entry);
    entry.resolve(m);
    this.#host.outgoing(entry.conversationId, m);
  }

  #find(id: string): Entry | undefined {
    return this.#entries.find((e) => e.out.clientMessageId === id);
  }

  #entry(conversationId: string, out: Unsent): Entry {
    const entry = pending(conversationId, this.#owner(), out);
    this.#entries = [...this.#entries, entry];
    return entry;
  }

  #set(entry: Entry, change: Partial<Outgoing>): void {
    entry.out = { ...entry.out, ...change };
    this.#host.outgoing(entry.conversationId);
  }

  #failed(entry: Entry, error: ChatError): void {
    this.#set(entry, { status: "failed", error });
    entry.reject(error);
  }

  // Each message has a key of its own, so that two tabs do not overwrite each other's.

  #key({ owner, out }: Entry): string {
    return `${this.#host.storageKey}:${owner}:${out.clientMessageId}`;
  }

  #keep(entry: Entry): boolean {
    const { conversationId, out } = entry;
    const { clientMessageId, input, at, status, error } = out;
    const failed = status === "failed" && error ? { ...error, message: error.message } : undefined;
    return this.#store(entry, { conversationId, clientMessageId, input, at, failed });
  }

  #store(entry: Entry, kept?: object): boolean {
    const { storage } = this.#host;
    try {
      if (kept) storage?.setItem(this.#key(entry), JSON.stringify(kept));
      else storage?.removeItem(this.#key(entry));
      return true;
    } catch {
      return false; // it is full, or forbidden: memory has the message
    }
  }

  #isKept(entry: Entry): boolean {
    try {
      return this.#host.storage!.getItem(this.#key(entry)) !== null;
    } catch {
      return true;
    }
  }

  /** Reads what a former page has left, once it is known whose it is. */
  #restore(): void {
    const { storage, me, storageKey } = this.#host;
    const owner = this.#owner();
    if (!storage || !me || this.#restored === owner) return;
    this.#restored = owner;
    const now = this.#entries;
    for (const key of keys(storage)) {
      // What was said before it was known who is connected is theirs too.
      const from = [owner, this.#guessed(), nobody].find((o) => key.startsWith(`${storageKey}:${o}:`));
      if (from === undefined) continue;
      const id = key.slice(`${storageKey}:${from}:`.length);
      const kept = this.#find(id) ? undefined : parsed(storage, key, id);
      if (!kept) continue;
      const { conversationId, failed, ...out } = kept;
      const entry = this.#entry(conversationId, { ...out, content: out.input.content ?? "" });
      if (failed) this.#failed(entry, new ChatError(failed.code, failed.message, failed));
      entry.restored = from === owner || this.#keep(entry);
      if (from !== owner && entry.restored) this.#store({ ...entry, owner: from });
      // The former page did not hear any more that it has arrived.
      const m = this.#host.came(conversationId, id);
      if (m) this.seen(m);
      this.#host.outgoing(conversationId);
    }
    const restored = this.#entries.filter((e) => !now.includes(e));
    this.#entries = restored.sort((a, b) => a.out.at - b.out.at).concat(now);
  }
}

function keys(storage: Storage): string[] {
  try {
    return Array.from({ length: storage.length }, (_, i) => storage.key(i)).filter((k) => k !== null);
  } catch {
    return [];
  }
}

interface Kept {
  conversationId: string;
  clientMessageId: string;
  input: OutgoingInput;
  at: number;
  failed?: ChatError;
}

/** What was kept under a key, unless it is somebody else's. */
function parsed(storage: Storage, key: string, id: string): Kept | undefined {
  try {
    const { conversationId, clientMessageId, input, at, failed } = JSON.parse(storage.getItem(key)!) as Kept;
    const { content = "" } = input;
    if (clientMessageId !== id || typeof conversationId !== "string" || typeof content !== "string" || !Number.isFinite(at)) return undefined;
    return { conversationId, clientMessageId, input, at, failed: typeof failed?.code === "string" ? failed : undefined };
  } catch {
    return undefined;
  }
}

/** A copy as it goes over the wire, which does not change any more. */
function copied(input: OutgoingInput): OutgoingInput {
  try {
    return JSON.parse(JSON.stringify(input));
  } catch (e) {
    throw new ChatError("validation_failed", `This is no JSON: ${(e as Error).message}`);
  }
}

function waits(e: Entry): boolean {
  return e.out.status !== "failed" && !e.sent && !e.discarded;
}

type Unsent = Pick<Outgoing, "clientMessageId" | "content" | "input" | "at" | "error">;

function pending(conversationId: string, owner: string, unsent: Unsent): Entry {
  let resolve!: Entry["resolve"];
  let reject!: Entry["reject"];
  const done = new Promise<Message>((yes, no) => ([resolve, reject] = [yes, no]));
  done.catch(() => {}); // nobody has to wait for it
  return { conversationId, owner, resolve, reject, out: { ...unsent, status: "queued", done } };
}

/** @internal The message that something became which was sent: what was sent, and what the server added. */
export function committed(me: Identity, input: OutgoingInput, d: Sent): Message {
  const { messageId: id, conversationId, seq, clientMessageId, createdAt, status = "sent" } = d;
  const { type, id: participantId } = me;
  return { role: type, type: "text", content: "", ...input, id, conversationId, seq, participantId, participantType: type, status, clientMessageId, createdAt, updatedAt: createdAt } as Message;
}

function bytes(text: string): number {
  return text.length * 3 <= maxContent ? text.length : new TextEncoder().encode(text).length;
}
