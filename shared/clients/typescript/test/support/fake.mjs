// A server in a few lines, inside the process: sockets that a test opens, answers and kills as it likes.
import { ChatClient } from "../../dist/index.js";

export const sleep = (ms) => new Promise((r) => setTimeout(r, ms));
export async function until(what, ms = 3000, why = "") {
  for (const end = Date.now() + ms; ; await sleep(5)) {
    const v = await what();
    if (v) return v;
    if (Date.now() > end) throw new Error(`did not come about: ${why || what}`);
  }
}
export function jwt(claims) {
  const part = (v) => Buffer.from(JSON.stringify(v)).toString("base64url");
  return `${part({ alg: "none" })}.${part(claims)}.x`;
}
export const message = (seq, more = {}) => ({ id: `m${seq}`, conversationId: "c", seq, participantType: "user", participantId: "other", role: "user", type: "text", content: `t${seq}`, status: "sent", clientMessageId: `x${seq}`, createdAt: "", updatedAt: "", ...more });

// fake({opened, on, fetch}): opened(socket, n) false: the test opens it; on[action](frame, socket) gives what to send, or false for nothing.
export function fake({ opened, on = {}, fetch, me = { type: "user", userId: "me" }, timing = {}, lastSeq = 0, ...options } = {}) {
  const sockets = [];
  let acks = lastSeq;
  const replies = {
    join: (f) => ({ event: "joined", id: f.id, data: { conversationId: f.conversationId, lastSeq, members: [], agentOnline: true } }),
    leave: (f) => ({ event: "conversation:left", id: f.id, data: { conversationId: f.conversationId } }),
    ping: (f, s) => ({ event: "pong", id: f.id, data: { rooms: [...s.rooms].map((conversationId) => ({ conversationId, lastSeq })) } }),
    send: (f) => ({ event: "message:sent", id: f.id, data: { messageId: `s${acks + 1}`, conversationId: f.conversationId, seq: ++acks, clientMessageId: f.clientMessageId, createdAt: "" } }),
    typing: () => false,
    stream: (f) => f.state === "start" ? { event: "stream:started", id: f.id, data: { streamId: f.streamId, next: {}, leaseMs: 30000, minIntervalMs: 50 } } : f.state === "append" ? false : { event: "message:sent", id: f.id, data: { messageId: "a", conversationId: f.conversationId, seq: ++acks, clientMessageId: f.streamId, createdAt: "" } },
    ...on,
  };
  class Socket {
    constructor(url, protocols) {
      Object.assign(this, { url, token: protocols?.[2], readyState: 0, out: [], rooms: new Set() });
      sockets.push(this);
      if (opened?.(this, sockets.length) !== false) setTimeout(() => this.accept());
    }
    accept() {
      if (this.readyState !== 0) return;
      this.readyState = 1;
      this.onopen?.({});
      this.in({ event: "connected", data: { connectionId: "x", ...(typeof me === "function" ? me(this) : me) } });
    }
    in(f) {
      if (this.readyState === 1) this.onmessage?.({ data: typeof f === "string" ? f : JSON.stringify(f) });
    }
    send(text) {
      if (this.readyState !== 1) return;
      const f = JSON.parse(text);
      this.out.push(f);
      const r = replies[f.action]?.(f, this);
      if (r && f.action === "join" && !r.error) this.rooms.add(f.conversationId);
      if (r && f.action === "leave" && !r.error) this.rooms.delete(f.conversationId);
      if (r) setTimeout(() => this.in(r));
    }
    close() {
      if (this.readyState > 1) return;
      this.readyState = 3;
      setTimeout(() => this.onclose?.({ code: 1000 }));
    }
    sent(action, state) {
      return this.out.filter((f) => f.action === action && (!state || f.state === state));
    }
  }
  const asked = [];
  const client = new ChatClient({
    url: "ws://x/ws", restUrl: "http://x", getToken: () => "t", WebSocket: Socket,
    fetch: async (url, init) => (asked.push(String(url)), (fetch ?? (async () => Response.json({ code: "unavailable", retryable: true }, { status: 503 })))(new URL(url), init)),
    timing: { ackTimeout: 300, backoffBase: 10, backoffMax: 40, gapPatience: 30, ...timing },
    ...options,
  });
  return { client, sockets, asked, error: (f, code, retryable, details) => ({ event: "error", id: f.id, error: { code, message: code, retryable, details } }) };
}
export async function joined(f, id = "c") {
  f.client.connect();
  const c = f.client.conversation(id);
  const close = c.open();
  await until(() => c.getSnapshot().state === "joined", 3000, "joined");
  return { c, close };
}
export class Memory {
  m = new Map();
  get length() { return this.m.size; }
  key(i) { return [...this.m.keys()][i] ?? null; }
  getItem(k) { return this.m.get(k) ?? null; }
  setItem(k, v) { this.m.set(k, String(v)); }
  removeItem(k) { this.m.delete(k); }
}
