import type { Message, StreamBegun, StreamDelta, StreamSnapshot } from "./protocol.gen.js";
import type { Timing } from "./types.js";
import type { StreamView } from "./types.js";

/** The most pieces that are kept aside: what is more comes with the snapshot. */
const maxAside = 1000;
/** Ended streams that are remembered, so that what comes late of them is dropped. */
const maxEnded = 500;
const defaultLease = 30_000;

interface Piece {
  offset: number;
  length: number;
  text: string;
}

interface Part {
  name: string;
  text: string;
  aside: Piece[];
  since: number; // since when something has been missing
}

interface Assembly {
  epoch: number;
  parts: Part[];
  status?: string;
  truncated: boolean; // the whole has to be asked for
  stopping: boolean;
  dropped: boolean;
  final?: Message;
  ends: Message[]; // that may be its, while it is not known who writes it
  participantId: string;
  parentId?: string;
  startedAt?: string;
  began: number; // as far as is known here
  heard: number;
  lease: number;
  asked: number; // when missing named it
  view?: StreamView;
}

/**
 * @internal Makes of the frames of a conversation's streams the texts to show, in whatever
 * order they come, lost, doubled or overtaken. It asks nobody and has no clock.
 */
export class Assembler {
  readonly #all = new Map<string, Assembly>();
  readonly #timing: Pick<Timing, "gapPatience" | "streamSilence">;

  constructor(timing: Pick<Timing, "gapPatience" | "streamSilence">) {
    this.#timing = timing;
  }

  /** That a stream begins; or a snapshot of it, from a frame or from REST. */
  begun(d: StreamBegun | StreamSnapshot, now: number): void {
    // Somebody else's message with the same id came first: it is not of this stream.
    const had = this.#all.get(d.streamId);
    if (had?.final && had.participantId !== d.participantId) this.#all.delete(d.streamId);
    const s = this.#open(d.streamId, d.epoch, now);
    if (!s) return;
    s.view = undefined;
    s.participantId = d.participantId;
    s.parentId = d.parentId;
    s.startedAt = d.startedAt;
    const end = s.ends.find((m) => m.participantId === d.participantId);
    s.ends = [];
    if (end) return this.#end(s, end);
    s.lease = d.leaseMs || s.lease;
    if (!("parts" in d)) return;
    s.truncated = d.truncated ?? false;
    s.status = d.status ?? s.status;
    for (const p of d.parts) take(part(s, p.part), { offset: 0, ...p }, now);
  }

  /** More of one; says whether that changed what is shown. */
  delta(d: StreamDelta, now: number): boolean {
    const s = this.#open(d.streamId, d.epoch, now);
    if (!s) return false;
    const { status, parts } = s;
    const had = parts.length;
    s.status = d.status ?? status;
    let changed = !s.view || s.view.stalled || s.status !== status;
    if (d.part !== undefined && d.offset !== undefined) {
      const grew = take(part(s, d.part), { offset: d.offset, length: d.length ?? 0, text: d.text ?? "" }, now);
      changed = grew || parts.length > had || changed;
    }
    if (changed) s.view = undefined;
    return changed;
  }

  stopping(ids: readonly string[]): void {
    for (const id of ids) {
      const s = this.#all.get(id);
      if (s) s.stopping = !(s.view = undefined);
    }
  }

  dropped(id: string): void {
    const s = this.#stream(id);
    s.dropped = true;
    s.parts = [];
    s.view = undefined;
    this.#forget();
  }

  /**
   * A message, from wherever it comes. One of a stream is all that counts of that from now
   * on: if it is of who began the stream, for an id alone may be anybody's.
   */
  message(m: Message): void {
    if (!m.streamId) return;
    const s = this.#stream(m.streamId);
    if (s.participantId ? s.participantId === m.participantId : !isOpen(s)) this.#end(s, m);
    else if (!s.participantId && m.participantType !== "user") s.ends = [...s.ends.filter((e) => e.id !== m.id), m]; // only agents write
  }

  /** That there is no such stream any more: of the messages that may be its end, the first is. Says whether there is one. */
  over(id: string): boolean {
    const s = this.#all.get(id);
    const end = s?.ends[0];
    if (end) this.#end(s, end);
    return end !== undefined;
  }

  #end(s: Assembly, m: Message): void {
    if (s.final && !s.final.truncated) return;
    s.final = m;
    s.parts = [];
    s.ends = [];
    s.view = undefined;
    s.participantId = m.participantId;
    this.#forget();
  }

  /** A message of long ago: those of streams of which nothing was heard need not be remembered. */
  older(m: Message): void {
    if (this.#all.has(m.streamId ?? "")) this.message(m);
  }

  /** Forgets those that have been silent for too long; says whether what is shown is another now. */
  pass(now: number): boolean {
    let changed = false;
    for (const [id, s] of this.#all) {
      if (!isOpen(s)) continue;
      const silent = now - s.heard >= this.#timing.streamSilence;
      if (silent) this.#all.delete(id);
      if (silent || s.view?.stalled === now - s.heard < s.lease) changed = true;
    }
    return changed;
  }

  /** The streams of which a piece, or who writes them, has been missing for a while, and those that were cut: to be asked for. Each is named once in a while. */
  missing(now: number): string[] {
    const { gapPatience, streamSilence } = this.#timing;
    const ids: string[] = [];
    for (const [id, s] of this.#all) {
      if (!isOpen(s) || now - s.heard >= streamSilence || now - s.asked < gapPatience) continue;
      if (s.truncated || (!s.participantId && now - s.began >= gapPatience) || s.parts.some((p) => p.aside.length > 0 && now - p.since >= gapPatience)) {
        s.asked = now;
        ids.push(id);
      }
    }
    return ids;
  }

  /** There is something whose time may run out. */
  get busy(): boolean {
    return [...this.#all.values()].some(isOpen);
  }

  /** Those to show, in the order in which they began: also one that has ended, until its message is shown. */
  shown(now: number, isShown: (m: Message) => boolean): StreamView[] {
    const views: StreamView[] = [];
    for (const [id, s] of this.#all) {
      if (s.final ? isShown(s.final) : s.ends.some(isShown) || s.dropped || s.epoch === 0 || now - s.heard >= this.#timing.streamSilence) continue;
      const stalled = !s.final && now - s.heard >= s.lease;
      if (s.view?.stalled !== stalled) s.view = undefined;
      views.push((s.view ??= view(id, s, stalled)));
    }
    return views;
  }

  #stream(id: string): Assembly {
    let s = this.#all.get(id);
    if (!s) {
      s = { epoch: 0, parts: [], ends: [], truncated: false, stopping: false, dropped: false, participantId: "", began: 0, heard: 0, lease: defaultLease, asked: 0 };
      this.#all.set(id, s);
    }
    return s;
  }

  /** The stream that a frame of an epoch is about, unless that counts no more. */
  #open(id: string, epoch: number, now: number): Assembly | undefined {
    const s = this.#stream(id);
    if (s.final || s.dropped || epoch < s.epoch) return undefined;
    if (epoch > s.epoch) Object.assign(s, { epoch, parts: [], status: undefined, truncated: false, asked: 0, began: now, view: undefined });
    s.heard = now;
    return s;
  }

  #forget(): void {
    for (const [id, s] of this.#all) if (this.#all.size > maxEnded && !isOpen(s)) this.#all.delete(id);
  }
}

function isOpen(s: Assembly): boolean {
  return !s.final && !s.dropped && s.epoch > 0;
}

function part(s: Assembly, name: string): Part {
  let p = s.parts.find((p) => p.name === name);
  if (!p) s.parts.push((p = { name, text: "", aside: [], since: 0 }));
  return p;
}

/** Adds a piece, and then whatever waited for it; says whether that made the text longer. */
function take(p: Part, one: Piece, now: number): boolean {
  if (one.offset > p.text.length) {
    if (p.aside.length === 0) p.since = now;
    if (p.aside.length < maxAside) p.aside.push(one);
    return false;
  }
  const before = p.text.length;
  for (let next: Piece | undefined = one; next; ) {
    if (next.offset + next.length > p.text.length) p.text += next.text.slice(p.text.length - next.offset);
    const at = p.aside.findIndex((a) => a.offset <= p.text.length);
    next = at < 0 ? undefined : p.aside.splice(at, 1)[0];
  }
  if (p.text.length === before) return false;
  p.since = now; // what is missing now has only begun to be
  return true;
}

function view(streamId: string, s: Assembly, stalled: boolean): StreamView {
  const { final, participantId, startedAt, stopping } = s;
  let parts = s.parts.map(({ name: part, text }) => ({ part, text }));
  if (final) {
    parts = [{ part: "content", text: final.content }];
    if (final.thinking) parts.unshift({ part: "thinking", text: final.thinking.content });
  }
  const text = (name: string) => parts.find((p) => p.part === name)?.text ?? "";
  return Object.freeze({
    streamId, participantId, parentId: final?.parentId ?? s.parentId, startedAt, parts, content: text("content"), thinking: text("thinking"),
    status: s.status, stopping, stalled,
  });
}
