import assert from "node:assert/strict";
import { test } from "node:test";
import { fake, joined, jwt, Memory, message, sleep, until } from "./support/fake.mjs";
import { watch } from "./support/watch.mjs";

const T = { timeout: 20_000 };
const kept = (id, text, at = 1) => [`aiwm-chat:user:me:${id}`, JSON.stringify({ conversationId: "c", clientMessageId: id, input: { content: text }, at })];

test("what one user said is not sent as another who signs in", T, async () => {
  let who = "alice";
  const f = fake({ getToken: () => who, me: (s) => ({ type: "user", userId: s.token }) });
  const { c } = await joined(f);
  f.client.close();
  c.send("alice's secret").done.catch(() => {});
  who = "bob";
  f.client.connect();
  await until(() => f.client.getSnapshot().me?.id === "bob");
  await sleep(200);
  f.client.close();
  assert.deepEqual(f.sockets.filter((s) => s.token === "bob").flatMap((s) => s.sent("send")).map((x) => x.content), []);
});

test("what is no message of ours in the storage does not hide the others", T, async () => {
  for (const garbage of ["garbage", "null", "{}"]) {
    const storage = new Memory();
    storage.setItem("aiwm-chat:user:me:a", garbage);
    storage.setItem(...kept("b", "said before the reload"));
    const f = fake({ storage });
    await joined(f);
    await sleep(200);
    const sent = f.sockets[0].sent("send").map((s) => s.content);
    f.client.close();
    assert.deepEqual(sent, ["said before the reload"], garbage);
  }
});

test("the user me does not send what the user me:b has left", T, async () => {
  const storage = new Memory();
  storage.setItem("aiwm-chat:user:me:b:id1", JSON.stringify({ conversationId: "c", clientMessageId: "id1", input: { content: "of me:b" }, at: 1 }));
  const f = fake({ storage });
  await joined(f);
  await sleep(200);
  const sent = f.sockets[0].sent("send").map((s) => s.content);
  f.client.close();
  assert.deepEqual(sent, []);
});

test("what was said before the first connection survives a reload", T, async () => {
  const storage = new Memory();
  const f = fake({ storage, opened: () => false }); // offline
  f.client.connect();
  f.client.conversation("c").send("in the tunnel").done.catch(() => {});
  await sleep(50);
  f.client.close();
  const g = fake({ storage }); // reloaded
  await joined(g);
  await sleep(200);
  const sent = g.sockets[0].sent("send").map((s) => s.content);
  g.client.close();
  assert.deepEqual(sent, ["in the tunnel"]);
});

test("what one page takes back another does not send again", T, async () => {
  const storage = new Memory();
  const a = fake({ storage });
  const { c } = await joined(a);
  a.client.close();
  const o = c.send("better not");
  o.done.catch(() => {});
  const b = fake({ storage, on: { send: () => false } }); // the second tab, where a reply does not come at once
  await joined(b);
  c.discard(o.clientMessageId);
  b.sockets[0].close();
  await until(() => b.sockets[1]?.sent("join").length);
  await sleep(300);
  const again = b.sockets[1].sent("send").map((s) => s.content);
  b.client.close();
  assert.deepEqual(again, []);
});

test("an input that is no JSON does not block what is said after it", T, async () => {
  const f = fake();
  const { c } = await joined(f);
  try { c.send({ content: "x", metadata: { n: 1n } }).done.catch(() => {}); } catch {}
  c.send("after it").done.catch(() => {});
  await sleep(600);
  const sent = f.sockets[0].sent("send").map((s) => s.content);
  f.client.close();
  assert.deepEqual(sent, ["after it"]);
});

test("what is taken back, but had arrived, ends as stored", T, async () => {
  let late;
  const f = fake({ timing: { ackTimeout: 100, backoffBase: 5000, backoffMax: 5000 }, on: { send: (s, k) => ((late = () => k.in({ event: "message:new", data: message(1, { participantId: "me", clientMessageId: s.clientMessageId, content: s.content }) })), false) } });
  const { c } = await joined(f);
  const o = c.send("x");
  const done = o.done.then(() => "stored", (e) => e.code);
  await until(() => c.getSnapshot().outgoing[0]?.status === "queued");
  c.discard(o.clientMessageId);
  late();
  await sleep(50);
  const shown = c.getSnapshot().messages.length;
  f.client.close();
  assert.deepEqual([await Promise.race([done, sleep(100).then(() => "pending")]), shown], ["stored", 1]);
});

test("a refusal for an absurdly long time is no loop", T, async () => {
  const f = fake({ on: { send: (s) => f.error(s, "rate_limited", true, { retryAfterMs: 1e11 }) } });
  const { c } = await joined(f);
  c.send("x").done.catch(() => {});
  await sleep(1000);
  const n = f.sockets[0].sent("send").length;
  f.client.close();
  assert.ok(n <= 3, `sent ${n} times in a second`);
});

test("a refusal for no time at all is no loop", T, async () => {
  const f = fake({ timing: { backoffBase: 300, backoffMax: 20000 }, on: { send: (s) => f.error(s, "unavailable", true, { retryAfterMs: 0 }) } });
  const { c } = await joined(f);
  c.send("x").done.catch(() => {});
  await sleep(1000);
  const n = f.sockets[0].sent("send").length;
  f.client.close();
  assert.ok(n <= 15, `sent ${n} times in a second`);
});

test("what was said before the first connection is not sent as somebody else, where the token says who it was", T, async () => {
  const storage = new Memory();
  const offline = fake({ storage, getToken: () => jwt({ sub: "alice", exp: 9e9 }), opened: () => false });
  offline.client.connect();
  await until(() => offline.sockets[0]);
  offline.client.conversation("c").send("alice's").done.catch(() => {});
  offline.client.close();
  const sentAs = async (who, more = {}) => {
    const f = fake({ storage, getToken: () => jwt({ sub: who, iat: Math.random(), exp: 9e9, ...more }), me: { type: "user", userId: who } });
    await joined(f);
    await sleep(100);
    f.client.close();
    return f.sockets[0].sent("send").map((s) => s.content);
  };
  assert.deepEqual(await sentAs("bob"), []);
  assert.deepEqual(await sentAs("alice", { orgId: "another" }), []);
  assert.deepEqual(await sentAs("alice"), ["alice's"]);
  assert.equal(storage.length, 0);
});

test("who signs in after somebody else sees nothing of what was said to them, or by them", T, async () => {
  let who = "alice";
  const f = fake({ getToken: () => who, me: (s) => ({ type: "user", userId: s.token }), on: { send: () => false }, fetch: async () => Response.json({ data: [message(1, { content: "for both" })], pagination: { hasMore: false } }) });
  const { c } = await joined(f);
  f.sockets[0].in({ event: "message:new", data: message(1, { content: "for alice" }) });
  c.send("by alice").done.catch(() => {});
  await until(() => f.sockets[0].sent("send").length);
  assert.equal(c.getSnapshot().messages[0].content, "for alice");
  f.client.close();
  who = "bob";
  f.client.connect();
  await until(() => f.client.getSnapshot().me?.id === "bob" && c.getSnapshot().state === "joined");
  assert.deepEqual([c.getSnapshot().messages, c.getSnapshot().outgoing], [[], []]);
  f.sockets[1].in({ event: "conversation:activity", data: { conversationId: "c", lastSeq: 1 } });
  await until(() => c.getSnapshot().messages[0]?.content === "for both");
  f.client.close();
  assert.deepEqual(f.sockets[1].sent("send"), []);
});

test("a connection that does not say who is connected is given up, and what waits is sent on the next", T, async () => {
  const silent = (s) => Object.assign(s, { in: (frame) => frame.event === "connected" || Object.getPrototypeOf(s).in.call(s, frame) });
  const f = fake({ timing: { ackTimeout: 100 }, opened: (s, n) => void (n === 1 && silent(s)) });
  f.client.connect();
  await f.client.conversation("c").send("x").done;
  f.client.close();
  assert.deepEqual(f.sockets.map((s) => s.sent("send").length), [0, 1]);
});

test("under a caller's own id a message is said once, and what is no id is refused by its name", T, async () => {
  const f = fake({ on: { send: () => false } });
  const { c } = await joined(f);
  const one = c.send({ content: "x", clientMessageId: "mine-1" });
  assert.equal(one.clientMessageId, "mine-1");
  assert.equal(one.input.clientMessageId, undefined);
  await until(() => f.sockets[0].sent("send").length);
  const again = c.send({ content: "x", clientMessageId: "mine-1" });
  assert.equal(again.done, one.done);
  assert.deepEqual(c.getSnapshot().outgoing.map((o) => o.clientMessageId), ["mine-1"]);
  assert.throws(() => f.client.conversation("d").send({ content: "x", clientMessageId: "mine-1" }), { code: "conflict" });
  for (const bad of ["", "a b", "ü", "a/b", "x".repeat(129), "a\n", 7, null]) {
    assert.throws(() => c.send({ content: "x", clientMessageId: bad }), (e) => e.code === "validation_failed" && /must match .*1,128/.test(e.details.clientMessageId), String(bad));
  }
  c.send({ content: "x", clientMessageId: "aZ0._@:|+=~-".padEnd(128, "x") });
  f.client.close();
});

test("one that failed, or was taken back, may be said again under its id", T, async () => {
  let refuse = true;
  const f = fake({ timing: { ackTimeout: 50, backoffBase: 5000, backoffMax: 5000 }, on: { send: (s) => (refuse === "silent" ? false : refuse ? f.error(s, "validation_failed", false) : { event: "message:sent", id: s.id, data: { messageId: "m", conversationId: "c", seq: 1, clientMessageId: s.clientMessageId, createdAt: "" } }) } });
  const { c } = await joined(f);
  await assert.rejects(c.send({ content: "bad", clientMessageId: "i" }).done, { code: "validation_failed" });
  refuse = "silent";
  const lost = c.send({ content: "good", clientMessageId: "i" });
  assert.deepEqual(c.getSnapshot().outgoing.map((o) => o.content), ["good"]);
  await until(() => c.getSnapshot().outgoing[0].status === "queued" && c.getSnapshot().outgoing[0].error);
  c.discard("i");
  refuse = false;
  f.sockets[0].close();
  const last = c.send({ content: "good", clientMessageId: "i" });
  await assert.rejects(lost.done, { code: "discarded" });
  assert.equal((await last.done).content, "good");
  f.client.close();
});

test("what a former page has left is sent before what is said now", T, async () => {
  const storage = new Memory();
  storage.setItem(...kept("b", "second", 2));
  storage.setItem(...kept("a", "first", 1));
  const f = fake({ storage });
  f.client.conversation("c").send("third, before the connection");
  f.client.connect();
  f.client.on("event", ({ event }) => event === "connected" && f.client.conversation("c").send("fourth, in the moment of it"));
  await until(() => f.sockets[0]?.sent("send").length === 4);
  assert.deepEqual(f.sockets[0].sent("send").map((s) => s.content), ["first", "second", "third, before the connection", "fourth, in the moment of it"]);
  await until(() => storage.length === 0);
  f.client.close();
});

test("what is said while what was left is being read is kept at once", T, async () => {
  const storage = new Memory();
  storage.setItem(...kept("a", "left"));
  const f = fake({ storage, on: { send: () => false } });
  f.client.on("event", ({ event }) => event === "connected" && f.client.conversation("c").send("now").done.catch(() => {}));
  let at;
  f.client.subscribe(() => (at ??= f.client.getSnapshot().me && storage.length));
  f.client.connect();
  await until(() => at);
  assert.equal(at, 2);
  await until(() => f.client.conversation("c").getSnapshot().outgoing.length === 2);
  f.client.close();
});

test("what a former page has sent, and the log shows before the server says who is connected, is not shown twice", T, async () => {
  for (const order of [[1, 2], [2, 1]]) {
    const storage = new Memory();
    storage.setItem(...kept("x2", "said before the reload"));
    const opened = (s) => (setTimeout(() => ((s.readyState = 1), s.onopen({}))), false);
    const f = fake({ storage, opened, on: { send: () => false } });
    f.client.connect();
    const c = f.client.conversation("c");
    const faults = watch(c);
    c.open();
    await until(() => c.getSnapshot().state === "joined");
    const [s] = f.sockets;
    const log = { 1: message(1), 2: message(2, { participantId: "me", content: "said before the reload" }) };
    const come = (seq) => s.in({ event: "message:new", data: log[seq] });
    come(order[0]);
    if (order[0] === 1) come(2);
    s.in({ event: "connected", data: { connectionId: "x", type: "user", userId: "me" } });
    await sleep(20);
    if (order[0] === 2) come(1);
    await sleep(20);
    const { messages, outgoing } = c.getSnapshot();
    f.client.close();
    assert.deepEqual(faults, [], `${order}`);
    assert.deepEqual([messages.map((m) => m.seq), outgoing, s.sent("send"), storage.length], [[1, 2], [], [], 0], `${order}`);
  }
});
