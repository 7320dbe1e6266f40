import { ChatError } from "./error.js";
import type { Identity, Message, Sent } from "./protocol.gen.js";
import type { Outgoing } from "./types.js";

/** @internal A message of one's own that is not in the log yet, as far as is known. */
export interface Entry {
  conversationId: string;
  owner: string; // who said it: nobody else sends it, or sees it
  out: Outgoing;
  sent?: Message; // it is in the log
  tried?: boolean; // it may have arrived
  discarded?: boolean; // but it may have arrived
  isKept?: () => boolean; // of one that another page may have sent, or taken back: then it is no more
  resolve: (m: Message) => void;
  reject: (e: ChatError) => void;
}

/** @internal One that is to be sent. */
export function pending(conversationId: string, owner: string, unsent: Pick<Outgoing, "clientMessageId" | "content" | "input" | "at">): Entry {
  let resolve!: Entry["resolve"];
  let reject!: Entry["reject"];
  const done = new Promise<Message>((yes, no) => ([resolve, reject] = [yes, no]));
  done.catch(() => {}); // nobody has to wait for it
  return { conversationId, owner, resolve, reject, out: { ...unsent, status: "queued", done } };
}

/** @internal */
export function waits(e: Entry): boolean {
  return e.out.status !== "failed" && !e.sent && !e.discarded;
}

/** @internal Says that one failed. */
export function fail(entry: Entry, error: ChatError): void {
  entry.out = { ...entry.out, status: "failed", error };
  entry.reject(error);
}

/** @internal The message that something became which was sent: what was sent, and what the server added. */
export function committed(me: Identity, input: object, d: Sent): Message {
  const { messageId: id, conversationId, seq, clientMessageId, createdAt, status = "sent" } = d;
  const { type, id: participantId } = me;
  return { role: type, type: "text", content: "", ...input, id, conversationId, seq, participantId, participantType: type, status, clientMessageId, createdAt, updatedAt: createdAt } as Message;
}
