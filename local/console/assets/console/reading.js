// What is read: the end of the log, while somebody looks at it.
import { html, useEffect, useRef, useState, useStore } from "./hooks.js";
import { clean } from "./text.js";

const nothing = { subscribe: () => () => {}, getSnapshot: () => none }, none = {};

/** How much is unread in each conversation. */
export function useUnread(client) {
  const [store, set] = useState(nothing);
  useEffect(() => {
    let off = false;
    const load = () => client.unread().then((s) => off || set(s), () => off || setTimeout(load, 2000));
    load();
    return () => { off = true; set(nothing); };
  }, [client]);
  return useStore(store);
}

const visible = () => document.visibilityState === "visible";

function useVisible() {
  const [is, set] = useState(visible());
  useEffect(() => {
    const changed = () => set(visible());
    document.addEventListener("visibilitychange", changed);
    return () => document.removeEventListener("visibilitychange", changed);
  }, []);
  return is;
}

/**
 * Moves one's mark to what is on the screen. It gives the mark behind which everything was new
 * when somebody began to look, and what makes a message unread again: what is on the screen is
 * not read then until one leaves, or says something.
 */
export function useReading({ talk, seq, joined, end, upTo, mine }) {
  const looks = useVisible(), at = useRef({ away: true }).current;
  useEffect(() => {
    if (!joined || at.asked) return;
    at.asked = true; // and kept in step from then on
    talk.loadReads().catch(() => { at.asked = false; });
  }, [talk, joined]);
  at.read ??= upTo;
  const known = at.read !== undefined && joined && seq;
  if (known && at.away && seq > at.read) at.line = at.read;
  useEffect(() => {
    if (!looks) at.away = true;
    if (!known || !looks || !end || (at.back && !(mine > at.back))) return;
    at.away = at.back = false;
    if (seq <= at.read) return;
    at.read = seq;
    talk.read(seq);
  });
  return [at.line, (from) => {
    Object.assign(at, { back: seq, line: from - 1, read: from - 1 });
    talk.unread(from);
  }];
}

/** Who has read what one said last. */
export function Readers({ others = none, m }) {
  const who = Object.keys(others).filter((key) => others[key] >= m.seq).map((key) => key.slice(key.indexOf(":") + 1));
  return who.length > 0 && html`<p class="small readers">Read by ${who.length > 3 ? `${who.length} others` : who.map((id, i) => html`${i > 0 && ", "}<bdi>${clean(id)}</bdi>`)}</p>`;
}
