import { asChatError, ChatError } from "./error.js";
import type { Link } from "./link.js";
import type { Identity, Message, Sent } from "./protocol.gen.js";
import { newId, type Rest } from "./rest.js";
import { backoff } from "./timing.js";
import type { Outgoing, OutgoingInput, Timing } from "./types.js";

/** The most messages that wait. */
const maxWaiting = 100;
/** The most bytes of a frame, a little under API Gateway's 32 KB; and of the content in one. */
const maxFrame = 32_000;
const maxContent = 24_576;

interface Entry {
  conversationId: string;
  out: Outgoing;
  sent?: Message; // it is in the log
  resolve: (m: Message) => void;
  reject: (e: ChatError) => void;
}

/** @internal What a queue of outgoing messages needs. */
export interface OutboxHost {
  readonly timing: Timing;
  readonly rest: Rest;
  readonly link: Link | undefined;
  readonly me: Identity | undefined;
  readonly storage: Storage | undefined;
  readonly storageKey: string;
  /** What is queued of a conversation changed. */
  outgoing(conversationId: string, sent?: Message): void;
}

/**
 * @internal The messages of one's own that are not in the log yet. Those of one conversation
 * are sent one after the other, each under one id for ever, so that it is stored once however
 * often it is sent.
 */
export class Outbox {
  #entries: Entry[] = [];
  readonly #lanes = new Map<string, () => void>(); // conversations that are being sent, and how to wake them
  #restored = "";
  #at = 0; // of the last one: they are told apart by it
  readonly #host: OutboxHost;

  constructor(host: OutboxHost) {
    this.#host = host;
  }

  of(conversationId: string): readonly Outgoing[] {
    return this.#entries.filter((e) => e.conversationId === conversationId).map((e) => e.out);
  }

  add(conversationId: string, input: OutgoingInput): Outgoing {
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
    Object.assign(entry, pending(entry.conversationId, { ...entry.out, error: undefined }));
    this.#queue(entry);
  }

  #queue(entry: Entry): void {
    this.#keep(entry);
    this.#host.outgoing(entry.conversationId);
    void this.#send(entry.conversationId);
  }

  /** Of one that is not on its way, which may have arrived. */
  discard(id: string): void {
    const entry = this.#find(id);
    if (!entry || entry.out.status === "sending") return;
    this.#entries = this.#entries.filter((e) => e !== entry);
    this.#store(id);
    entry.reject(new ChatError("discarded", "Taken back"));
    this.#host.outgoing(entry.conversationId);
  }

  /** Sends what waits: there is a connection, or it is known who is connected. */
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
      const entry = this.#entries.find((e) => e.conversationId === conversationId && waits(e));
      const { link } = this.#host;
      if (!entry || !link) break;
      this.#set(entry, { status: "sending", error: undefined });
      try {
        await this.#post(entry, link);
        attempt = 0;
      } catch (cause) {
        if (entry.sent || !this.#entries.includes(entry)) continue; // it came otherwise
        const error = asChatError(cause);
        if (!error.retryable) {
          this.#failed(entry, error);
          this.#keep(entry);
          continue;
        }
        this.#set(entry, { status: "queued", error });
        const wait = error.retryAfterMs ?? backoff(attempt++, this.#host.timing);
        if (link === this.#host.link) {
          await new Promise<void>((resolve) => {
            const timer = setTimeout(resolve, wait);
            if (error.code !== "rate_limited") this.#lanes.set(conversationId, () => (clearTimeout(timer), resolve()));
          });
          this.#lanes.set(conversationId, () => {});
        }
      }
    }
    this.#lanes.delete(conversationId);
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
    this.#store(entry.out.clientMessageId);
    entry.resolve(m);
    this.#host.outgoing(entry.conversationId, m);
  }

  #find(id: string): Entry | undefined {
    return this.#entries.find((e) => e.out.clientMessageId === id);
  }

  #entry(conversationId: string, out: Unsent): Entry {
    const entry = pending(conversationId, out);
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

  get #prefix(): string {
    const { me, storageKey } = this.#host;
    return me ? `${storageKey}:${me.type}:${me.id}:` : "";
  }

  #keep({ conversationId, out }: Entry): void {
    const { clientMessageId, input, at, status, error } = out;
    const failed = status === "failed" && error && { ...error, message: error.message };
    this.#store(clientMessageId, { conversationId, clientMessageId, input, at, failed });
  }

  #store(id: string, kept?: object): void {
    const { storage } = this.#host;
    const prefix = this.#prefix;
    if (!storage || !prefix) return;
    try {
      if (kept) storage.setItem(prefix + id, JSON.stringify(kept));
      else storage.removeItem(prefix + id);
    } catch {
      // It is full, or forbidden: memory has the message.
    }
  }

  /** Reads what a former page has left, once it is known whose it is; and keeps what was said until then. */
  #restore(): void {
    const { storage } = this.#host;
    const prefix = this.#prefix;
    if (!storage || !prefix || this.#restored === prefix) return;
    this.#restored = prefix;
    const now = this.#entries;
    for (const entry of now) if (!entry.sent) this.#keep(entry);
    try {
      for (const key of Array.from({ length: storage.length }, (_, i) => storage.key(i))) {
        if (!key?.startsWith(prefix) || this.#find(key.slice(prefix.length))) continue;
        const { conversationId, failed, ...out } = JSON.parse(storage.getItem(key)!);
        const entry = this.#entry(conversationId, { ...out, content: out.input.content ?? "" });
        if (failed) this.#failed(entry, new ChatError(failed.code, failed.message, failed));
        this.#host.outgoing(conversationId);
      }
    } catch {
      // Somebody else's.
    }
    const restored = this.#entries.filter((e) => !now.includes(e));
    this.#entries = restored.sort((a, b) => a.out.at - b.out.at).concat(now);
  }
}

function waits(e: Entry): boolean {
  return e.out.status !== "failed" && !e.sent;
}

type Unsent = Pick<Outgoing, "clientMessageId" | "content" | "input" | "at" | "error">;

function pending(conversationId: string, unsent: Unsent): Entry {
  let resolve!: Entry["resolve"];
  let reject!: Entry["reject"];
  const done = new Promise<Message>((yes, no) => ([resolve, reject] = [yes, no]));
  done.catch(() => {}); // nobody has to wait for it
  return { conversationId, resolve, reject, out: { ...unsent, status: "queued", done } };
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
