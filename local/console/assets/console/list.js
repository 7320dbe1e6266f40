// The conversations, the newest activity first.
import { html, useEffect, useLayoutEffect, useRef, busy, sentence } from "./hooks.js";
import { ago, clean, fileOf, preview, toolOf } from "./text.js";

/** The list as a store: REST has it, and events keep it in step. */
export class Conversations {
  constructor(client) {
    this.client = client;
    this.state = { all: undefined, cursor: undefined, reading: false, error: undefined, status: "active" };
    this.meanwhile = new Map();
    this.listeners = new Set();
    this.off = client.on("event", (f) => this.event(f));
    // What happened while there was no connection, no event tells.
    let was;
    this.offState = client.subscribe(() => {
      const { state } = client.getSnapshot();
      if (state === "connected" && was !== "connected") this.load();
      was = state;
    });
  }
  close() { this.off(); this.offState(); }
  subscribe = (f) => { this.listeners.add(f); return () => this.listeners.delete(f); };
  getSnapshot = () => this.state;
  set(change) { this.state = { ...this.state, ...change }; for (const f of this.listeners) f(); }

  /** Reads it anew, as far as it was shown. */
  load() { return this.read(this.state.all?.length ?? 0); }
  /** Reads what follows. */
  more() { return this.state.reading ? this.reading : this.state.cursor && this.read(0, this.state.cursor); }
  /** Another shelf; the one before if that cannot be read. */
  async show(status) {
    const { status: was, all, cursor } = this.state;
    if (status === was) return this.load();
    this.set({ status, all: undefined, cursor: undefined });
    await this.load();
    const { error, reading } = this.state;
    if (this.state.status === status && !this.state.all && all && !reading && error && error.code !== "rate_limited") this.set({ status: was, all, cursor });
  }
  find(id) { return this.state.all?.find((c) => c.id === id); }

  read(wanted, cursor) { return (this.reading = this.pages(wanted, cursor)); }
  async pages(wanted, cursor) {
    const { status } = this.state, turn = (this.turn = {}), from = cursor, further = !!cursor;
    let all = [];
    this.meanwhile = new Map(); // what events say of it is newer than a page
    this.set({ reading: true, error: undefined });
    try {
      do {
        const page = await this.client.rest.listConversations({ status, limit: 50, cursor });
        if (turn !== this.turn) return;
        all = all.concat(page.data);
        cursor = page.pagination.hasMore ? page.pagination.cursor : undefined;
      } while (cursor && all.length < wanted);
      const known = new Map([...all, ...(further ? this.state.all : []), ...this.meanwhile.values()].filter(Boolean).map((c) => [c.id, c]));
      for (const [id, c] of this.meanwhile) if (!c) known.delete(id);
      this.set({ all: sorted([...known.values()].filter((c) => c.status === status)), cursor, reading: false });
    } catch (error) {
      if (turn !== this.turn) return;
      this.set({ error, reading: false });
      if (error.code === "rate_limited") setTimeout(() => turn === this.turn && this.read(wanted, from), error.retryAfterMs ?? 5000);
    }
  }

  put(c) {
    const { lastMessage: last } = this.find(c.id) ?? {};
    if (last?.what && last.seq === c.lastMessage?.seq && !("what" in c.lastMessage)) c = { ...c, lastMessage: { ...c.lastMessage, what: last.what } }; // what lists do not tell
    this.meanwhile.set(c.id, c);
    this.change(c.id, c.status === this.state.status ? [c] : []);
  }
  drop(id) {
    this.meanwhile.set(id, undefined);
    this.change(id, []);
  }
  change(id, by) {
    const { all } = this.state;
    if (all) this.set({ all: sorted(all.filter((c) => c.id !== id).concat(by)) });
  }
  /** What is known of the last message from the talk that is open: lists tell a text alone, and nothing tells them what was said or deleted elsewhere. */
  says(m) {
    const c = this.find(m.conversationId), was = c?.lastMessage, now = lastOf(m);
    if (c && !(was?.seq > m.seq) && (now.seq !== was?.seq || now.content !== was.content || now.what !== was.what)) this.put({ ...c, lastMessage: now });
  }

  // Something was said: it moves to the front.
  touch(id, at, lastMessage) {
    const c = this.find(id);
    if (c) this.put({ ...c, updatedAt: at > c.updatedAt ? at : c.updatedAt, lastMessage: lastMessage ?? c.lastMessage });
    else if (this.state.status === "active" && this.state.all) this.client.rest.getConversation(id).then((c) => this.meanwhile.has(id) || this.put(c), () => {});
  }
  event({ event, data: d = {}, timestamp: at }) {
    switch (event) {
      case "conversation:added": case "conversation:updated": this.put(d); break;
      case "conversation:deleted": this.drop(d.conversationId); break;
      case "conversation:activity":
        this.touch(d.conversationId, at);
        break;
      case "message:new": case "message:from-user":
        this.touch(d.conversationId, at, lastOf(d));
        break;
      case "message:sent": { // the text is one's own: it is in the log in a moment
        const talk = this.client.conversation(d.conversationId);
        setTimeout(() => this.touch(d.conversationId, at, lastOf(talk.getSnapshot().messages.findLast((m) => m.seq === d.seq))), 0);
        break;
      }
    }
  }
}

/** What the list says of a message, as lists have it; and what is in it besides a text. */
function lastOf(m) {
  if (!m) return undefined;
  const what = m.isDeleted ? "a deleted message" : m.content ? undefined : m.toolCalls?.length ? `asks for ${toolOf(m.toolCalls[0])}` : m.attachments?.length ? fileOf(m.attachments[0]) : "no text";
  return { seq: m.seq, content: String(m.content ?? "").slice(0, 100), role: m.role, createdAt: m.createdAt, what };
}

const sorted = (all) => all.sort((a, b) => (a.updatedAt < b.updatedAt ? 1 : a.updatedAt > b.updatedAt ? -1 : 0));

const shelves = [["active", "Open"], ["archived", "Archived"], ["closed", "Closed"]];

export function List({ list, view, unread, open, onNew, children }) {
  const nav = useRef();
  const key = (e) => {
    if (!["ArrowDown", "ArrowUp", "Home", "End"].includes(e.key) || e.altKey) return;
    const all = [...nav.current.querySelectorAll("a")], i = all.indexOf(document.activeElement);
    if (i < 0) return;
    e.preventDefault();
    all[e.key === "Home" ? 0 : e.key === "End" ? all.length - 1 : Math.max(0, Math.min(all.length - 1, i + (e.key === "ArrowDown" ? 1 : -1)))].focus();
  };
  // What follows is read before one has come to the end.
  const near = () => {
    const el = nav.current;
    if (!view.error && el.clientHeight > 0 && el.scrollHeight - el.scrollTop - el.clientHeight < 400) list.more();
  };
  useEffect(near, [view.all, view.cursor]);
  useEffect(() => nav.current.querySelector("[aria-current]")?.scrollIntoView({ block: "nearest" }), [open, !view.all]);
  // What has the focus may move, and would lose it.
  const focused = nav.current?.contains(document.activeElement) ? document.activeElement : undefined;
  useLayoutEffect(() => { if (focused?.isConnected && document.activeElement !== focused) focused.focus({ preventScroll: true }); });

  const again = () => (view.cursor ? list.more() : list.load());
  return html`<aside class="list" aria-label="Conversations">
    <header class="head"><h1>aiwm-chat</h1><button class="primary" onClick=${onNew}>New</button></header>
    <div class="tabs" role="group" aria-label="Show">${shelves.map(([s, label]) => html`<button key=${s} aria-pressed=${view.status === s} onClick=${() => list.show(s)}>${label}</button>`)}</div>
    <nav ref=${nav} aria-label="Conversations" onKeyDown=${key} onScroll=${near}>
      ${view.all?.length === 0 && html`<p class="small nothing">${view.status === "active" ? "None yet. Begin one." : "None."}</p>`}
      <ul>${view.all?.map((c) => html`<${Entry} key=${c.id} c=${c} unread=${unread[c.id]} open=${c.id === open} />`)}</ul>
      <p class="small nothing" role="status">${view.reading && (!view.all || view.cursor) ? "Reading…" : ""}</p>
      ${view.error && html`<p class="failed nothing">${busy(view.error) ?? sentence(view.error)} <button class="link" onClick=${again}>Try again</button></p>`}
    </nav>
    ${children}
  </aside>`;
}

function Entry({ c, unread, open }) {
  const last = c.lastMessage, fresh = unread?.count > 0;
  return html`<li><a href=${"#" + encodeURIComponent(c.id)} aria-current=${open ? "page" : undefined} class=${fresh ? "fresh" : ""}>
    <span class="top"><bdi class="name">${clean(c.title)}</bdi><time datetime=${c.updatedAt}>${ago(c.updatedAt)}</time></span>
    <span class="under"><span class="last" dir="auto">${preview(c.lastMessage) || html`<i>${last?.what ?? (last ? "no text" : `with ${clean(c.agentId)}`)}</i>`}</span>${fresh && html`<span class="count">${unread.count}${unread.more ? "+" : ""}<span class="hidden"> unread</span></span>`}</span></a></li>`;
}
