import type { Conversation } from "./conversation.js";
import { asChatError, unavailable } from "./error.js";
import type { Link } from "./link.js";
import { reactionsOf } from "./merged.js";
import type { Decide, EditBody, Message } from "./protocol.gen.js";
import { backoff } from "./timing.js";
import { pause, waitAfter } from "./waits.js";

// What one does to messages that are there, and to answers. Changes go over REST, where each may be repeated:
// the answer is shown at once, and the room is told. The log of somebody else gets none of it.

/** @internal */
export async function react(c: Conversation, messageId: string, key: string, on: boolean): Promise<void> {
  const { log } = c;
  const reactions = await c.core.rest[on ? "react" : "unreact"](messageId, key);
  if (log === c.log) c.change(reactionsOf(reactions), true);
}

/** @internal */
export async function edit(c: Conversation, messageId: string, what: Omit<EditBody, "edits">): Promise<Message> {
  const { log } = c;
  const { rest } = c.core;
  const { edits = 0 } = find(c, messageId) ?? (await rest.message(messageId));
  const m = await rest.editMessage(messageId, { ...what, edits }).catch(async (e) => {
    // The log is behind: whoever sees what it is now may edit that.
    const now = asChatError(e).code === "conflict" && (await rest.message(messageId).catch(() => undefined));
    if (now && log === c.log) c.add(now, true);
    throw e;
  });
  if (log === c.log) c.add(m, true);
  return m;
}

/** @internal */
export async function remove(c: Conversation, messageId: string): Promise<void> {
  const { log } = c;
  await c.core.rest.deleteMessage(messageId);
  const m = find(c, messageId);
  if (m && log === c.log) c.change({ seq: m.seq, content: "", isDeleted: true });
}

/** @internal Asks answers to end. */
export async function stop(c: Conversation, what: { streamId?: string; messageId?: string }): Promise<void> {
  const { link } = c.core;
  if (!link) throw unavailable("There is no connection");
  await link.request("stop", { conversationId: c.id, ...what }); // the reply is taken as what tells the others
}

/** @internal */
export async function decide(c: Conversation, toolCallId: string, decision: Decide): Promise<void> {
  c.add(await c.core.rest.decide(c.id, toolCallId, decision));
}

/** @internal */
export async function readPresence(c: Conversation): Promise<void> {
  const { data } = await c.core.rest.presence(c.id);
  c.core.present(data);
}

/** @internal Reads what changed of older messages, from where a frame has left off, as long as the connection on which it came is there: the next one asks with its join. */
export async function readChanges(c: Conversation, link: Link): Promise<void> {
  const { log } = c;
  const { rest, timing } = c.core;
  const isOver = () => link.closed || log !== c.log;
  for (let attempt = 0, more = true; more && !isOver(); ) {
    try {
      const { data, pagination } = await rest.messages({ conversationId: c.id, changedAfter: c.changedAfter, limit: 100 });
      if (isOver()) return;
      for (const m of data) c.add(m, true);
      c.changedAfter = pagination.changedAfter;
      more = pagination.hasMore;
      attempt = 0;
    } catch (cause) {
      const error = asChatError(cause);
      if (!error.retryable) return;
      await pause(waitAfter(error, backoff(attempt++, timing)), isOver);
    }
  }
}

function find(c: Conversation, messageId: string): Message | undefined {
  return c.log.find((m) => m.id === messageId);
}
