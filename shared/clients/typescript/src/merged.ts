import type { Message, MessageGone, Reactions } from "./protocol.gen.js";

/** @internal What is known of a message: of one that has not come only what changed of it. */
export type Known = Partial<Message> & { seq: number };

/** @internal What message:deleted says. */
export function deleted({ seq, version, deletedBy }: MessageGone): Known {
  return { seq, version, content: "", isDeleted: true, ...(deletedBy && { deletedBy }) };
}

/** @internal What message:reactions says. */
export function reactionsOf({ seq, reactionVersion, reactions }: Reactions): Known {
  return { seq, reactionVersion, reactions };
}

/** What makes of two texts the newer one, the first that differs: a deletion is the end, and of one version one may be cut, or not say when. */
const ranks: ((m: Known) => number | string | boolean)[] = [(m) => !!m.isDeleted, (m) => !!m.id, (m) => m.version ?? 0, (m) => !m.truncated, (m) => m.updatedAt ?? ""];

function isNewer(b: Known, a: Known): boolean {
  const of = ranks.find((of) => of(a) !== of(b));
  return of !== undefined && of(b) > of(a);
}

/** @internal Two that are about one message as one: of each part the newer, whichever came first. Where b brings nothing it is a. */
export function merged(a: Known | undefined, b: Known): Known {
  if (!a) return b;
  const [text, other] = isNewer(b, a) ? [b, a] : [a, b];
  const { reactions, reactionVersion = 0 } = (b.reactionVersion ?? 0) > (a.reactionVersion ?? 0) ? b : a;
  if (text === a && (text.id || !other.id) && reactionVersion === (a.reactionVersion ?? 0)) return a;
  const one: Known = { ...(text.id ? {} : text.isDeleted ? emptied(other) : other), ...text };
  if (reactionVersion) Object.assign(one, { reactionVersion, reactions });
  if (one.isDeleted || !reactions?.length) delete one.reactions;
  return one;
}

/** @internal A message with a mark at the reactions that are the caller's; the same where they are marked so already. */
export function marked(m: Known, mine: readonly string[] = []): Known {
  if (m.reactions!.every((r) => !r.mine === !mine.includes(r.key))) return m;
  return { ...m, reactions: m.reactions!.map(({ key, count }) => (mine.includes(key) ? { key, count, mine: true } : { key, count })) };
}

/** What is left of a message that was deleted, whichever of its texts it was: whose it was, and its place. */
function emptied(m: Known): Known {
  const left = Object.entries(m).filter(([name]) => /^(id|seq|role|type|status|streamId|conv.*|part.*|client.*|created.*)$/.test(name));
  return { ...(Object.fromEntries(left) as Known), ...(m.createdAt !== undefined && { updatedAt: m.createdAt }) };
}
