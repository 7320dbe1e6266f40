import type { Conversation } from "./conversation.js";

/** @internal Reads the page before what is shown; says whether there is another one. */
export async function older(c: Conversation, limit: number): Promise<boolean> {
  const { core, log } = c;
  const { data, pagination } = await core.rest.messages({ conversationId: c.id, beforeSeq: log.first, limit });
  if (log !== c.log) return false; // of somebody else
  for (const m of data) {
    core.outbox.seen(m);
    c.answers.also((a) => a.older(m));
    c.cut(m);
  }
  if (log.prepend(data)) c.changed();
  c.look();
  return log.hasOlder && pagination.hasMore;
}
