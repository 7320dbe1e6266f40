import { type Entry, fail, pending } from "./entry.js";
import { ChatError } from "./error.js";
import { keep, keyOf, unkeep } from "./kept.js";
import type { OutgoingInput } from "./types.js";

interface Kept {
  conversationId: string;
  clientMessageId: string;
  input: OutgoingInput;
  at: number;
  failed?: ChatError;
}

/**
 * @internal What former pages, and others, have left of an owner, or of those that are
 * theirs as well: what was said before it was known who is connected. Those who keep
 * nothing in a storage do not load this.
 */
export function restore(storage: Storage, prefix: string, owners: readonly [owner: string, ...also: string[]], isKnown: (id: string) => boolean): Entry[] {
  const [owner] = owners;
  const entries: Entry[] = [];
  for (const key of keys(storage)) {
    const from = owners.find((o) => key.startsWith(keyOf(prefix, o, "")));
    if (from === undefined) continue;
    const id = key.slice(keyOf(prefix, from, "").length);
    const kept = isKnown(id) ? undefined : parsed(storage, key, id);
    if (!kept) continue;
    const { conversationId, failed, ...out } = kept;
    const entry = pending(conversationId, owner, { ...out, content: out.input.content ?? "" });
    if (failed) fail(entry, new ChatError(failed.code, failed.message, failed));
    if (from !== owner && keep(storage, prefix, entry)) unkeep(storage, prefix, { ...entry, owner: from });
    const now = has(storage, keyOf(prefix, owner, id)) ? keyOf(prefix, owner, id) : key;
    entry.isKept = () => has(storage, now);
    entries.push(entry);
  }
  return entries.sort((a, b) => a.out.at - b.out.at);
}

function has(storage: Storage, key: string): boolean {
  try {
    return storage.getItem(key) !== null;
  } catch {
    return true;
  }
}

function keys(storage: Storage): string[] {
  try {
    return Array.from({ length: storage.length }, (_, i) => storage.key(i)).filter((k) => k !== null);
  } catch {
    return [];
  }
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
