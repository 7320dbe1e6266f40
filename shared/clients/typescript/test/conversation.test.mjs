import assert from "node:assert/strict";
import { test } from "node:test";
import { fake, joined, message, sleep, until } from "./support/fake.mjs";

const T = { timeout: 20_000 };

test("a conversation that is opened while its leave is not answered is joined", T, async () => {
  const f = fake({ timing: { ackTimeout: 300, pingEvery: 400 }, on: { leave: () => false } });
  const { c, close } = await joined(f);
  close();
  await until(() => f.sockets[0].sent("leave").length);
  c.open();
  await sleep(1500);
  const { state } = c.getSnapshot();
  f.client.close();
  assert.equal(state, "joined");
});

test("a conversation that is opened while its leave is refused is joined", T, async () => {
  const f = fake({ timing: { pingEvery: 300 }, on: { leave: (l, s) => (setTimeout(() => s.in(f.error(l, "rate_limited", true, { retryAfterMs: 50 })), 50), false) } });
  const { c, close } = await joined(f);
  close();
  await until(() => f.sockets[0].sent("leave").length);
  c.open();
  await sleep(1000);
  const { state } = c.getSnapshot();
  f.client.close();
  assert.equal(state, "joined");
});

test("nothing is read after close()", T, async () => {
  const f = fake();
  const { c } = await joined(f);
  f.sockets[0].in({ event: "message:new", data: message(5) });
  await until(() => f.asked.length > 0);
  f.client.close();
  await sleep(1000); // one retry of the call that goes on
  const before = f.asked.length;
  await sleep(2500);
  assert.equal(f.asked.length, before);
});

test("a join that is refused for an absurdly long time is not repeated at once", T, async () => {
  const f = fake({ on: { join: (s) => f.error(s, "rate_limited", true, { retryAfterMs: 1e11 }) } });
  f.client.connect();
  f.client.conversation("c").open();
  await sleep(1000);
  const n = f.sockets[0].sent("join").length;
  f.client.close();
  assert.ok(n <= 3, `sent ${n} times in a second`);
});

test("a frame without a seq does not end the search for what is missing", T, async () => {
  const f = fake({ fetch: async (u) => Response.json({ data: [1, 2, 3].map((n) => message(n)).filter((m) => m.seq > Number(u.searchParams.get("afterSeq"))), pagination: { hasMore: false } }) });
  const { c } = await joined(f);
  f.sockets[0].in({ event: "conversation:activity", data: { conversationId: "c" } });
  f.sockets[0].in({ event: "message:new", data: message(3) });
  await sleep(500);
  const seqs = c.getSnapshot().messages.map((m) => m.seq);
  f.client.close();
  assert.deepEqual(seqs, [1, 2, 3]);
});

test("lastSeq follows what is known of the log", T, async () => {
  const f = fake({ timing: { gapPatience: 5000 } });
  const { c } = await joined(f);
  c.getSnapshot();
  f.sockets[0].in({ event: "conversation:activity", data: { conversationId: "c", lastSeq: 9 } });
  const after = c.getSnapshot().lastSeq;
  f.client.close();
  assert.equal(after, 9);
});

test("a silent stream is forgotten, and listeners are told once", T, async () => {
  const f = fake({ timing: { streamSilence: 100, gapPatience: 20 } });
  const { c } = await joined(f);
  f.sockets[0].in({ event: "stream:start", data: { conversationId: "c", streamId: "s", epoch: 1, participantId: "ag", startedAt: "", leaseMs: 50 } });
  await sleep(300);
  assert.equal(c.getSnapshot().streams.length, 0);
  let told = 0;
  const changed = new Set([c.getSnapshot()]);
  c.subscribe(() => (told++, changed.add(c.getSnapshot())));
  await sleep(600);
  f.client.close();
  assert.deepEqual({ told, snapshots: changed.size }, { told: 0, snapshots: 1 });
});

test("a stream whose beginning was lost gets its owner, and the message of somebody else does not end it", T, async () => {
  const f = fake({ fetch: async (u) => (u.pathname.includes("/streams/") ? Response.json({ conversationId: "c", streamId: "s", epoch: 1, participantId: "ag", startedAt: "", leaseMs: 30000, parts: [{ part: "content", text: "abc", length: 3 }] }) : Response.json({ code: "x" }, { status: 400 })) });
  const { c } = await joined(f);
  f.sockets[0].in({ event: "stream:delta", data: { conversationId: "c", streamId: "s", epoch: 1, part: "content", offset: 0, length: 3, text: "abc" } });
  await sleep(300);
  const before = c.getSnapshot().streams[0]?.participantId;
  f.sockets[0].in({ event: "message:new", data: message(1, { participantId: "mallory", streamId: "s" }) });
  const streams = c.getSnapshot().streams.map((s) => s.content);
  f.client.close();
  assert.deepEqual({ before, streams }, { before: "ag", streams: ["abc"] });
});

test("reading old answers does not make late pieces of a new one a stream", T, async () => {
  const f = fake({ lastSeq: 700, fetch: async (u) => {
    const before = Number(u.searchParams.get("beforeSeq") ?? 0), after = u.searchParams.get("afterSeq");
    const limit = Number(u.searchParams.get("limit"));
    const from = after === null ? Math.max(1, before - limit) : Number(after) + 1;
    const to = after === null ? before - 1 : Math.min(700, Number(after) + limit);
    return Response.json({ data: Array.from({ length: to - from + 1 }, (_, i) => message(from + i, { participantId: "ag", participantType: "agent", streamId: `st${from + i}` })), pagination: { hasMore: from > 1 } });
  } });
  const { c } = await joined(f);
  await until(() => c.getSnapshot().messages.length === 50);
  while (await c.loadOlder(100));
  assert.equal(c.getSnapshot().messages.length, 700);
  f.sockets[0].in({ event: "stream:delta", data: { conversationId: "c", streamId: "st700", epoch: 1, part: "content", offset: 0, length: 1, text: "x" } });
  const ghosts = c.getSnapshot().streams.map((s) => s.streamId);
  f.client.close();
  assert.deepEqual(ghosts, []);
});

test("a deleted conversation that is opened again is gone", T, async () => {
  const f = fake({ on: { join: (j, s) => (s.gone ? f.error(j, "not_found", false) : { event: "joined", id: j.id, data: { conversationId: "c", lastSeq: 0, members: [] } }) } });
  const { c } = await joined(f);
  f.sockets[0].gone = true;
  f.sockets[0].in({ event: "conversation:deleted", data: { conversationId: "c" } });
  assert.equal(c.getSnapshot().state, "gone");
  c.open();
  await sleep(300);
  const { state } = c.getSnapshot();
  f.client.close();
  assert.equal(state, "gone");
});

test("gone says why", T, async () => {
  const f = fake();
  const { c } = await joined(f);
  f.sockets[0].in({ event: "conversation:deleted", data: { conversationId: "c" } });
  const { error } = c.getSnapshot();
  f.client.close();
  assert.ok(error, "error says why");
});

test("what is sent in a conversation that is closed settles", T, async () => {
  const f = fake({ lastSeq: 0, on: { send: (s) => ({ event: "message:sent", id: s.id, data: { messageId: "z", conversationId: "c", seq: 7, clientMessageId: s.clientMessageId, createdAt: "" } }) } });
  const { c, close } = await joined(f);
  close();
  await until(() => f.sockets[0].sent("leave").length);
  await sleep(50); // six others write now
  await c.send("hello").done;
  await sleep(500);
  const out = c.getSnapshot().outgoing.map((o) => o.status);
  f.client.close();
  assert.deepEqual(out, []);
});

test("a message that was cut is whole in the end, however long REST is away", T, async () => {
  let away = true;
  const f = fake({ timing: { backoffBase: 1, backoffMax: 2 }, fetch: async () => (away ? Response.json({ code: "unavailable", detail: "x", retryable: true, details: { retryAfterMs: 1 } }, { status: 503 }) : Response.json(message(1, { content: "whole" }))) });
  const { c } = await joined(f);
  f.sockets[0].in({ event: "message:new", data: message(1, { content: "wh", truncated: true }) });
  await sleep(600);
  away = false;
  f.sockets[0].close(); // and it reconnects, too
  await until(() => f.sockets[1]?.sent("join").length);
  await sleep(600);
  const [m] = c.getSnapshot().messages;
  f.client.close();
  assert.equal(m.content, "whole");
});

test("a question that was cut is told, although REST failed", T, async () => {
  let n = 0;
  const f = fake({ me: { type: "agent", agentId: "ag" }, fetch: async () => (++n <= 2 ? Response.json({ code: "unavailable", detail: "x", retryable: true, details: { retryAfterMs: 1 } }, { status: 503 }) : Response.json(message(1, { content: "whole" }))) });
  await joined(f);
  const told = [];
  f.client.on("question", (m) => told.push(m.content));
  f.sockets[0].in({ event: "message:from-user", data: message(1, { conversationId: "other", content: "wh", truncated: true }) });
  await sleep(2500);
  f.client.close();
  assert.deepEqual(told, ["whole"]);
});

test("a conversation that is opened in the very microtask in which its leave, or its join, ends is joined", T, async () => {
  for (const wait of [0, 1, 2, 3, 4, 5, 6]) {
    const f = fake({ timing: { pingEvery: 1e6 }, on: { leave: () => false } });
    const { c, close } = await joined(f);
    close();
    const leave = await until(() => f.sockets[0].sent("leave")[0]);
    f.sockets[0].in({ event: "conversation:left", id: leave.id, data: { conversationId: "c" } });
    for (let i = 0; i < wait; i++) await undefined;
    c.open();
    await until(() => c.getSnapshot().state === "joined", 300, `joined after ${wait} microtasks`);
    f.client.close();
  }
  let after = 0; // of those that came after the refusal, and not before it
  for (const wait of [1, 2, 3, 4, 5, 6, 7]) {
    const f = fake({ timing: { pingEvery: 1e6 }, on: { join: (j) => f.error(j, "not_found", false) } });
    f.client.connect();
    const c = f.client.conversation("c");
    c.open();
    await until(() => c.getSnapshot().state === "gone");
    const opened = new Promise((resolve) => {
      f.client.on("event", async ({ event }) => {
        if (event !== "error") return;
        for (let i = 0; i < wait; i++) await undefined;
        resolve(c.getSnapshot().state);
        c.open();
      });
    });
    c.open();
    if ((await opened) === "gone" && ++after) await until(() => f.sockets[0].sent("join").length > 2, 300, `asked again after ${wait} microtasks`);
    f.client.close();
  }
  assert.ok(after > 2);
});

const agents = (seq, participantId, more = {}) => message(seq, { participantType: "agent", participantId, streamId: "s", ...more });
const piece = { event: "stream:delta", data: { conversationId: "c", streamId: "s", epoch: 1, part: "content", offset: 0, length: 3, text: "abc" } };

test("another agent's message does not end a stream whose beginning was lost: its own does, when that is known", T, async () => {
  let ended = false;
  const snapshot = { conversationId: "c", streamId: "s", epoch: 1, participantId: "ag", startedAt: "", leaseMs: 30000, parts: [{ part: "content", text: "abc", length: 3 }] };
  const f = fake({ fetch: async () => (ended ? Response.json({ code: "not_found", detail: "x", retryable: false }, { status: 404 }) : Response.json(snapshot)) });
  const { c } = await joined(f);
  f.sockets[0].in(piece);
  f.sockets[0].in({ event: "message:new", data: agents(1, "mallory") });
  await until(() => c.getSnapshot().streams[0]?.participantId === "ag");
  f.sockets[0].in({ event: "stream:delta", data: { ...piece.data, offset: 3, text: "def" } });
  assert.equal(c.getSnapshot().streams[0].content, "abcdef");
  f.sockets[0].in({ event: "message:new", data: agents(2, "ag", { content: "abcdef" }) });
  assert.deepEqual(c.getSnapshot().streams, []);
  f.client.close();
});

test("a stream whose beginning was lost is never shown beside its message, and is over when the server has none", T, async () => {
  const f = fake({ fetch: async () => Response.json({ code: "not_found", detail: "x", retryable: false }, { status: 404 }) });
  const { c } = await joined(f);
  f.sockets[0].in(piece);
  await until(() => c.getSnapshot().streams[0]?.content === "abc");
  f.sockets[0].in({ event: "message:new", data: agents(1, "ag", { content: "abcdef" }) });
  assert.deepEqual(c.getSnapshot().streams, []);
  await until(() => f.asked.some((url) => url.includes("/streams/")));
  await sleep(100);
  const { length } = f.asked;
  f.sockets[0].in({ event: "stream:delta", data: { ...piece.data, offset: 3, text: "def" } });
  assert.deepEqual(c.getSnapshot().streams, []);
  await sleep(200);
  assert.equal(f.asked.length, length, "it is not asked for any more");
  f.client.close();
});

test("who comes in the same moment as the answer to a join is in the room", T, async () => {
  const f = fake({ on: { join: (j, s) => {
    setTimeout(() => {
      s.in({ event: "joined", id: j.id, data: { conversationId: "c", lastSeq: 0, members: [{ type: "user", id: "me" }] } });
      s.in({ event: "user:joined", data: { conversationId: "c", type: "user", id: "b" } });
      s.in({ event: "typing:start", data: { conversationId: "c", type: "user", id: "b" } });
    });
    return false;
  } } });
  const { c } = await joined(f);
  await until(() => c.getSnapshot().typing.length);
  const { members, typing } = c.getSnapshot();
  f.client.close();
  assert.deepEqual({ members: members.map((m) => m.id), typing: typing.map((t) => t.id) }, { members: ["me", "b"], typing: ["b"] });
});
