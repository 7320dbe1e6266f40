import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { JSDOM } from "jsdom";

// React looks for a document when it is loaded.
const dom = new JSDOM("<!doctype html><div id=root></div>", { pretendToBeVisual: true });
const { window } = dom;
for (const name of ["window", "document", "navigator"]) Object.defineProperty(globalThis, name, { value: window[name], configurable: true });
globalThis.IS_REACT_ACT_ENVIRONMENT = true;

let React, act, createRoot, hydrateRoot, renderToString, chat;
before(async () => {
  React = await import("react");
  act = React.act;
  ({ createRoot, hydrateRoot } = await import("react-dom/client"));
  ({ renderToString } = await import("react-dom/server"));
  chat = await import("../../dist/react.js");
});
after(() => dom.window.close());

const empty = { state: "joined", messages: [], outgoing: [], streams: [], typing: [], members: [], presence: {}, hasOlder: false, lastSeq: 0 };

/** A store as the client's are: changes come from outside of React, at any time. */
class Store {
  listeners = new Set();
  constructor(snapshot) {
    this.snapshot = snapshot;
  }
  subscribe(listener) {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }
  getSnapshot() {
    return this.snapshot;
  }
  set(change) {
    this.snapshot = { ...this.snapshot, ...change };
    for (const listener of this.listeners) listener();
  }
}

class Talk extends Store {
  opened = 0;
  sent = [];
  open() {
    this.opened++;
    return () => this.opened--;
  }
  send(text) {
    this.sent.push(text);
  }
  retry() {}
  discard() {}
  stop() {}
  stopAnswer() {}
  approve() {}
  keystroke() {}
  blur() {}
  loadOlder() {}
  read() {}
  unread() {}
  loadReads() {}
}

class Client extends Store {
  talks = new Map();
  connects = 0;
  constructor() {
    super({ state: "connecting" });
  }
  connect() {
    this.connects++;
  }
  conversation(id) {
    if (!this.talks.has(id)) this.talks.set(id, new Talk(empty));
    return this.talks.get(id);
  }
}

const say = (seq, content) => ({ id: `m${seq}`, seq, content });

/** Draws a component below a provider in StrictMode, and takes it away when the test ends. */
async function draw(t, client, component, props = {}) {
  const place = document.createElement("div");
  const root = createRoot(place);
  const show = (next) =>
    act(() => root.render(React.createElement(React.StrictMode, null, React.createElement(chat.ChatProvider, { client }, React.createElement(component, next)))));
  await show(props);
  t.after(() => act(() => root.unmount()));
  return { place, show, root };
}

test("a conversation is drawn as it changes, joined while it is shown, and left", async (t) => {
  const client = new Client();
  let seen;
  const { place, show, root } = await draw(
    t,
    client,
    ({ id }) => {
      seen = chat.useConversation(id);
      return seen.messages.map((m) => m.content).join("|");
    },
    { id: "a" },
  );
  const a = client.conversation("a");
  assert.equal(client.connects > 0, true);
  assert.equal(a.opened, 1, "StrictMode mounts twice, and leaves once");
  await act(() => a.set({ messages: [say(1, "one")] }));
  assert.equal(place.textContent, "one");
  await act(() => a.set({ messages: [say(1, "one"), say(2, "two")] }));
  assert.equal(place.textContent, "one|two");

  const { send } = seen;
  send("hello");
  assert.deepEqual(a.sent, ["hello"]);
  await act(() => a.set({ typing: [{ type: "user", id: "u" }] }));
  assert.equal(seen.send, send, "what is done keeps its functions");

  await show({ id: "b" });
  assert.equal(place.textContent, "");
  assert.deepEqual([a.opened, a.listeners.size, client.conversation("b").opened], [0, 0, 1]);
  await act(() => root.render(null));
  assert.deepEqual([client.conversation("b").opened, client.conversation("b").listeners.size], [0, 0]);
});

test("a message that is edited, or deleted, is drawn as it is then", async (t) => {
  const client = new Client();
  const { place } = await draw(t, client, () => chat.useMessages("a").messages.map((m) => (m.isDeleted ? "gone" : m.content)).join("|"));
  const a = client.conversation("a");
  const all = [say(1, "one"), say(2, "two")];
  await act(() => a.set({ messages: all }));
  await act(() => a.set({ messages: [{ ...all[0], content: "one, edited", edits: 1 }, all[1]] }));
  assert.equal(place.textContent, "one, edited|two");
  await act(() => a.set({ messages: [{ ...all[0], content: "", isDeleted: true }, all[1]] }));
  assert.equal(place.textContent, "gone|two");
});

test("each hook draws for what it is about, and for nothing else", async (t) => {
  const client = new Client();
  const draws = {};
  const hook = (name, use) => {
    const Hook = () => {
      const value = use();
      draws[name] = (draws[name] ?? 0) + 1;
      return React.createElement("i", { className: name }, JSON.stringify(value));
    };
    return React.createElement(Hook, { key: name });
  };
  const { place } = await draw(t, client, () => [
    hook("messages", () => chat.useMessages("a").messages.length),
    hook("stream", () => chat.useStream("a")?.content ?? null),
    hook("second", () => chat.useStream("a", "s2")?.content ?? null),
    hook("typing", () => chat.useTyping("a")),
    hook("presence", () => chat.usePresence("a").agentOnline ?? null),
    hook("connection", () => chat.useConnection().state),
  ]);
  const text = (name) => JSON.parse(place.querySelector(`.${name}`).textContent);
  const talk = client.conversation("a");
  const changes = async (change, ...expected) => {
    const before = { ...draws };
    await act(change);
    assert.deepEqual(Object.keys(draws).filter((name) => draws[name] !== before[name]), expected);
  };
  const stream = (streamId, content) => ({ streamId, content });
  const s1 = stream("s1", "H");
  await changes(() => talk.set({ streams: [s1] }), "stream");
  await changes(() => talk.set({ streams: [s1, stream("s2", "He")] }), "stream", "second");
  await changes(() => talk.set({ streams: [] }), "stream", "second");
  await changes(() => talk.set({ messages: [say(1, "x")] }), "messages");
  await changes(() => talk.set({ typing: [{ type: "user", id: "u" }] }), "typing");
  await changes(() => talk.set({ agentOnline: true }), "presence");
  await changes(() => client.set({ state: "connected" }), "connection");
  await changes(() => talk.set({ lastSeq: 9 }));
  assert.deepEqual([text("messages"), text("typing"), text("connection"), text("presence")], [1, [{ type: "user", id: "u" }], "connected", true]);
});

test("what is unread is drawn from when it is loaded on, which is tried again with the next connection", async (t) => {
  const client = new Client();
  const counts = new Store({});
  let tries = 0;
  client.unread = async () => {
    if (++tries < 3) throw new Error("no network"); // StrictMode mounts twice
    return counts;
  };
  const { place, show, root } = await draw(t, client, () => JSON.stringify(chat.useUnread()));
  assert.equal(place.textContent, "{}");
  await act(() => client.set({ state: "connected" }));
  await act(() => (counts.snapshot = { a: { count: 2, more: false } }) && counts.set({}));
  assert.equal(place.textContent, '{"a":{"count":2,"more":false}}');
  await show({});
  assert.equal(counts.listeners.size, 1);
  await act(() => root.render(null));
  assert.equal(counts.listeners.size, 0);
});

test("a change between two parts of one drawing tears nothing", async (t) => {
  const client = new Client();
  const talk = client.conversation("a");
  let torn = false;
  const Slow = ({ changing }) => {
    const n = chat.useConversation("a").lastSeq;
    if (changing && talk.snapshot.lastSeq === 1) talk.snapshot = { ...talk.snapshot, lastSeq: 2 }; // its listeners hear it later
    return React.createElement("b", null, n);
  };
  const Both = ({ on }) => {
    const parts = [React.createElement(Slow, { key: 1, changing: on }), React.createElement(Slow, { key: 2 })];
    React.useLayoutEffect(() => {
      const [a, b] = [...place.querySelectorAll("b")].map((e) => e.textContent);
      torn ||= a !== b;
    });
    return parts;
  };
  const place = document.createElement("div");
  const root = createRoot(place);
  t.after(() => act(() => root.unmount()));
  const tree = (on) => React.createElement(chat.ChatProvider, { client }, React.createElement(Both, { on }));
  await act(() => root.render(tree(false)));
  await act(() => talk.set({ lastSeq: 1 }));
  await act(() => React.startTransition(() => root.render(tree(true))));
  assert.deepEqual([...place.querySelectorAll("b")].map((e) => e.textContent), ["2", "2"]);
  assert.equal(torn, false);
});

test("on a server nothing is connected, and the page takes over what was drawn there", async (t) => {
  const client = new Client();
  const Page = () => {
    const { messages, state } = chat.useConversation("a");
    const { messages: again } = chat.useMessages("a");
    return `${chat.useConnection().state} ${state} ${messages.length} ${again.length} ${chat.useStream("a")?.content} ${chat.useTyping("a").length}`;
  };
  client.conversation("a").set({ messages: [say(1, "x")] });
  const page = React.createElement(chat.ChatProvider, { client }, React.createElement(Page));
  const html = renderToString(page);
  assert.equal(html, "initialized idle 0 0 undefined 0");
  assert.deepEqual([client.connects, client.conversation("a").opened], [0, 0]);

  const place = document.createElement("div");
  place.innerHTML = html;
  const wrong = [];
  let root;
  await act(() => (root = hydrateRoot(place, page, { onRecoverableError: (e) => wrong.push(e) })));
  t.after(() => act(() => root.unmount()));
  assert.deepEqual(wrong, []);
  assert.equal(place.textContent, "connecting joined 1 1 undefined 0");
});

test("without a provider it says what is missing", () => {
  assert.throws(() => renderToString(React.createElement(() => chat.useTyping("a").length)), /ChatProvider/);
});
