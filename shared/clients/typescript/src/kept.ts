import type { Entry } from "./entry.js";

// Each message has a key of its own, so that two tabs do not overwrite each other's.

/** @internal Where an entry is kept. */
export function keyOf(prefix: string, owner: string, id: string): string {
  return `${prefix}:${owner}:${id}`;
}

/** @internal Keeps what waits, or failed, for the next page. */
export function keep(storage: Storage | undefined, prefix: string, { owner, conversationId, out }: Entry): boolean {
  const { clientMessageId, input, at, status, error } = out;
  const failed = status === "failed" && error ? { ...error, message: error.message } : undefined;
  return tried(() => storage?.setItem(keyOf(prefix, owner, clientMessageId), JSON.stringify({ conversationId, clientMessageId, input, at, failed })));
}

/** @internal */
export function unkeep(storage: Storage | undefined, prefix: string, { owner, out }: Entry): void {
  tried(() => storage?.removeItem(keyOf(prefix, owner, out.clientMessageId)));
}

/** A storage may be full, or forbidden: memory has the message. */
function tried(what: () => void): boolean {
  try {
    what();
    return true;
  } catch {
    return false;
  }
}
