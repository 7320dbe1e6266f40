import type { Conversation } from "./conversation.js";
import { asChatError } from "./error.js";
import type { Link } from "./link.js";
import { backoff } from "./timing.js";
import { pause, waitAfter } from "./waits.js";

/** @internal Makes a link have joined a conversation, or left it, as is wanted: of all who want it at once, one does. */
export function joinOrLeave(link: Link, c: Conversation): Promise<void> {
  let going = link.syncing.get(c.id);
  if (!going) link.syncing.set(c.id, (going = Promise.resolve().then(() => untilAsWanted(link, c))));
  return going;
}

async function untilAsWanted(link: Link, c: Conversation): Promise<void> {
  const { id, core } = c;
  try {
    for (let attempt = 0; !link.closed; ) {
      const wanted = c.isOpen ? core.streams : undefined;
      if (link.rooms.get(id) === wanted) return;
      if (!wanted) {
        link.rooms.delete(id);
        await link.request("leave", { conversationId: id }).catch(() => {}); // the next pong tells whether it is still in
        continue;
      }
      try {
        await link.request("join", { conversationId: id, afterSeq: c.log.based ? c.log.last : undefined, changedAfter: c.changedAfter, streams: wanted }, ({ data }) => {
          link.rooms.set(id, wanted);
          c.joined(data);
        });
        attempt = 0;
      } catch (cause) {
        if (link.closed) return;
        const error = asChatError(cause);
        c.failed(error);
        if (!error.retryable) return;
        await pause(waitAfter(error, backoff(attempt++, core.timing)), () => link.closed || !c.isOpen);
      }
    }
  } finally {
    link.syncing.delete(id); // in the very moment in which it was looked last: who wants something else after that begins anew
  }
}
