import assert from "node:assert/strict";
import { test } from "node:test";
import { fake, joined, message, sleep, until } from "./support/fake.mjs";

const T = { timeout: 30_000 };
const presence = (type, id, status, at) => ({ event: "presence:update", data: { type, id, status, at } });

test("frames that are none of the protocol throw nothing, and what follows them is taken", T, async () => {
  const f = fake();
  const { c } = await joined(f);
  const [socket] = f.sockets;
  const events = ["connected", "messages:history", "message:new", "message:sent", "message:deleted", "conversation:activity", "conversation:added", "conversation:updated", "user:joined", "typing:start", "stream:start", "stream:snapshot", "stream:delta", "stream:stopping", "stream:dropped", "stream:stop", "presence:update", "error", "pong", "nonsense", 7, {}];
  for (const event of events) for (const data of [undefined, null, "x", 7, { id: null }]) socket.in({ event, data });
  for (const text of ["", "null", "7", '"x"', "[]", "{", '{"error":true}', '{"error":{}}', '{"id":{}}']) socket.in(text);
  socket.in({ event: "message:new", data: message(1) });
  await until(() => c.getSnapshot().messages.length === 1);
  f.client.close();
});

test("a reply counts although the frame that it is in cannot be taken otherwise", T, async () => {
  const f = fake({ on: { stop: (s) => ({ event: "stream:stopping", id: s.id, data: { conversationId: "c" } }) } });
  const { c } = await joined(f);
  await c.stop("s");
  f.client.close();
});

test("what is no question rejects nothing, and the next question is told", T, async () => {
  const seen = [];
  const on = (e) => seen.push(e.message);
  process.on("unhandledRejection", on);
  try {
    const f = fake({ me: { type: "agent", agentId: "ag" } });
    await joined(f);
    const told = [];
    f.client.on("question", (m) => told.push(m.id));
    f.sockets[0].in({ event: "message:from-user" });
    f.sockets[0].in({ event: "backlog" });
    f.sockets[0].in({ event: "message:from-user", data: message(1) });
    await until(() => told.length);
    await sleep(20);
    f.client.close();
    assert.deepEqual(told, ["m1"]);
  } finally {
    process.off("unhandledRejection", on);
  }
  assert.deepEqual(seen, []);
});

test("presence: the latest counts, and what does not say when is of now", T, async () => {
  const f = fake({ fetch: async () => Response.json({ conversationId: "c", data: [{ type: "user", id: "u", status: "online" }] }) });
  const { c } = await joined(f);
  const [socket] = f.sockets;
  const is = () => c.getSnapshot().presence["user:u"];
  socket.in(presence("user", "u", "offline", "2026-01-01T00:00:02.000Z"));
  socket.in(presence("user", "u", "online", "2026-01-01T00:00:01.000Z"));
  assert.equal(is(), "offline", "decided before");
  await c.loadPresence();
  assert.equal(is(), "online", "just read");
  socket.in(presence("user", "u", "offline", "2026-01-01T00:00:03.000Z"));
  assert.equal(is(), "offline", "by the server's clock, wherever that of the client is");
  socket.in({ event: "user:joined", data: { conversationId: "c", type: "user", id: "u" } });
  assert.equal(is(), "online", "is here");
  const before = [c.getSnapshot(), f.client.getSnapshot()];
  socket.in(presence("user", "u", "online", "2026-01-01T00:00:04.000Z"));
  socket.in({ event: "connected", data: { connectionId: "x", type: "user", userId: "me" } });
  assert.ok(before[0] === c.getSnapshot() && before[1] === f.client.getSnapshot(), "nothing changed");
  f.client.close();
});

test("whether its agent is online a conversation takes from its own agent alone", T, async () => {
  const f = fake();
  const { c } = await joined(f);
  const [socket] = f.sockets;
  const is = () => c.getSnapshot().agentOnline;
  assert.equal(is(), true);
  socket.in(presence("agent", "ag", "offline", "2026-01-01T00:00:01.000Z"));
  assert.equal(is(), true, "an agent of who knows which conversation");
  socket.in({ event: "message:new", data: message(1, { participantType: "agent", participantId: "ag" }) });
  socket.in(presence("agent", "ag", "offline", "2026-01-01T00:00:02.000Z"));
  assert.equal(is(), false, "it has spoken here");
  socket.in(presence("agent", "ag", "online", "2026-01-01T00:00:01.500Z"));
  assert.equal(is(), false, "decided before");
  socket.in({ event: "conversation:updated", data: { id: "c", agentId: "other" } });
  socket.in(presence("agent", "ag", "online", "2026-01-01T00:00:03.000Z"));
  assert.equal(is(), false, "another has it now");
  socket.in(presence("agent", "other", "online", "2026-01-01T00:00:03.000Z"));
  assert.equal(is(), true);
  f.client.close();
});

test("a listener that another removed is not called", T, async () => {
  const f = fake();
  const { c } = await joined(f);
  await sleep(20);
  const called = [];
  let off = () => {};
  c.subscribe(() => (called.push("first"), off()));
  off = c.subscribe(() => called.push("removed"));
  f.sockets[0].in({ event: "message:new", data: message(1) });
  await until(() => called.length);
  await sleep(20);
  f.client.close();
  assert.deepEqual([...new Set(called)], ["first"]);
});

test("of events neither", T, async () => {
  const f = fake();
  await joined(f);
  const called = [];
  let off = () => {};
  f.client.on("event", () => (called.push("first"), off()));
  off = f.client.on("event", () => called.push("removed"));
  f.sockets[0].in({ event: "message:new", data: message(1) });
  f.client.close();
  assert.deepEqual([...new Set(called)], ["first"]);
});
