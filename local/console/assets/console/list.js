// The conversations, the newest activity first.
import { html, useEffect, useRef, useState, sentence } from "./hooks.js";
import { ago, clean } from "./text.js";

/** The list as a store: REST has it, and events keep it in step. */
export class Conversations {
  constructor(client) {
    this.client = client;
    this.state = { all: undefined, cursor: undefined, error: undefined, status: "active", fresh: new Set() };
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

  async load(more) {
    const { status } = this.state, turn = (this.turn = (this.turn ?? 0) + 1);
    try {
      const page = await this.client.rest.listConversations({ status, limit: 50, ...(more && { cursor: this.state.cursor }) });
      if (turn !== this.turn) return;
      const all = more ? merge(this.state.all ?? [], page.data) : page.data;
      this.set({ all, cursor: page.pagination.hasMore ? page.pagination.cursor : undefined, error: undefined });
    } catch (error) {
      if (turn === this.turn) this.set({ error });
    }
  }
  show(status) { this.set({ status, all: undefined }); return this.load(); }
  find(id) { return this.state.all?.find((c) => c.id === id); }

  put(c) {
    const all = (this.state.all ?? []).filter((x) => x.id !== c.id);
    if (c.status === this.state.status) all.push(c);
    this.set({ all: sorted(all) });
  }
  drop(id) { this.set({ all: this.state.all?.filter((c) => c.id !== id) }); }
  seen(id) { if (this.state.fresh.delete(id)) this.set({ fresh: new Set(this.state.fresh) }); }

  // Something was said: it moves to the front.
  touch(id, lastMessage) {
    const c = this.find(id);
    if (!c) {
      if (this.state.status === "active" && this.state.all) this.client.rest.getConversation(id).then((c) => this.put(c), () => {});
      return;
    }
    this.put({ ...c, updatedAt: new Date().toISOString(), lastMessage: lastMessage ?? c.lastMessage });
  }
  event(f) {
    const d = f.data;
    switch (f.event) {
      case "conversation:added": case "conversation:updated": this.put(d); break;
      case "conversation:deleted": this.drop(d.conversationId); break;
      case "conversation:activity":
        if (d.conversationId !== this.open) this.state.fresh.add(d.conversationId);
        this.touch(d.conversationId);
        break;
      case "message:new": case "message:from-user":
        if (d.conversationId !== this.open) this.state.fresh.add(d.conversationId);
        this.touch(d.conversationId, { seq: d.seq, content: d.content.slice(0, 100), role: d.role, createdAt: d.createdAt });
        break;
      case "message:sent": { // the text is one's own: it is in the log in a moment
        const talk = this.client.conversation(d.conversationId);
        setTimeout(() => this.touch(d.conversationId, talk.getSnapshot().messages.findLast((m) => m.seq === d.seq)), 0);
        break;
      }
    }
  }
}

const sorted = (all) => all.sort((a, b) => (a.updatedAt < b.updatedAt ? 1 : a.updatedAt > b.updatedAt ? -1 : 0));

function merge(have, more) {
  const known = new Set(have.map((c) => c.id));
  return [...have, ...more.filter((c) => !known.has(c.id))];
}

const shelves = [["active", "Open"], ["archived", "Archived"], ["closed", "Closed"]];

export function List({ list, view, open, onOpen, onNew, children }) {
  const [more, setMore] = useState(false), nav = useRef();
  const key = (e) => {
    if (!["ArrowDown", "ArrowUp", "Home", "End"].includes(e.key) || e.altKey) return;
    const all = [...nav.current.querySelectorAll("a")], i = all.indexOf(document.activeElement);
    if (i < 0) return;
    e.preventDefault();
    all[e.key === "Home" ? 0 : e.key === "End" ? all.length - 1 : Math.max(0, Math.min(all.length - 1, i + (e.key === "ArrowDown" ? 1 : -1)))].focus();
  };
  return html`<aside class="list" aria-label="Conversations">
    <header class="head"><h1>aiwm-chat</h1><button class="primary" onClick=${onNew}>New</button></header>
    <div class="tabs" role="group" aria-label="Show">${shelves.map(([s, label]) => html`<button key=${s} aria-pressed=${view.status === s} onClick=${() => list.show(s)}>${label}</button>`)}</div>
    <nav ref=${nav} aria-label="Conversations" onKeyDown=${key}>
      ${view.error && html`<p class="failed">${sentence(view.error)} <button class="link" onClick=${() => list.load()}>Try again</button></p>`}
      ${view.all?.length === 0 && html`<p class="small none">${view.status === "active" ? "None yet. Begin one." : "None."}</p>`}
      <ul>${view.all?.map((c) => html`<li key=${c.id}><a href=${"#" + encodeURIComponent(c.id)} aria-current=${c.id === open ? "page" : undefined} class=${view.fresh.has(c.id) ? "fresh" : ""} onClick=${() => onOpen(c.id)}>
        <span class="top"><bdi class="name">${clean(c.title)}</bdi><time datetime=${c.updatedAt}>${ago(c.updatedAt)}</time></span>
        <span class="last" dir="auto">${view.fresh.has(c.id) ? html`<span class="hidden">New. </span>` : ""}${clean(c.lastMessage?.content) || html`<i>with ${clean(c.agentId)}</i>`}</span></a></li>`)}</ul>
      ${view.cursor && html`<button class="link" disabled=${more} onClick=${async () => { setMore(true); await list.load(true); setMore(false); }}>More</button>`}
    </nav>
    ${children}
  </aside>`;
}
