// What is read, as it goes over the wire: the newest alone, once a second, and what was said offline.
import assert from "node:assert/strict";
import { test } from "node:test";
import { fake, joined, sleep, until } from "./support/fake.mjs";

const T = { timeout: 20_000 };
const me = { type: "user", id: "me" };
const update = (id, more) => ({ event: "read:update", id, data: { conversationId: "c", ...me, ...more } });

/** Somebody in a room, whose mark is moved as the server does it. */
async function reader({ answer = (f, d) => update(f.id, d), ...options } = {}) {
  const mark = { seq: 0, version: 0 };
  const move = (seq) => Object.assign(mark, { seq, version: mark.version + 1 });
  const f = fake({ on: { read: (r) => answer(r, move(Math.max(mark.seq, r.seq))), unread: (r) => answer(r, move(Math.min(mark.seq, r.fromSeq - 1))) }, ...options });
  const { c } = await joined(f);
  const sent = () => f.sockets.flatMap((s) => s.out).filter((o) => /read$/.test(o.action)).map((o) => [o.action, o.seq ?? o.fromSeq, ...(o.private ? ["private"] : [])].join(" "));
  return { f, c, sent, mark, upTo: () => c.getSnapshot().reads?.upTo };
}

test("of what is read in one second the first and the newest are sent, and nothing twice", T, async () => {
  const { f, c, sent, upTo } = await reader();
  for (let seq = 1; seq <= 50; seq++) c.read(seq);
  await until(upTo);
  assert.equal(upTo(), 50, "it is shown at once");
  c.read(51);
  c.read(7);
  await until(() => sent().length === 2);
  await until(() => upTo() === 51);
  c.read(51);
  c.read(3);
  await sleep(1200);
  assert.deepEqual([sent().at(-1), sent().length], ["read 51", 2]);
  f.client.close();
});

test("what is read offline is sent with the next connection, the newest alone", T, async () => {
  const { f, c, sent, upTo } = await reader({ opened: (_, n) => n !== 2 });
  f.sockets[0].close();
  await until(() => f.sockets.length === 2);
  for (const seq of [1, 2, 3]) c.read(seq);
  await until(() => upTo() === 3);
  assert.deepEqual(sent(), []);
  f.sockets[1].accept();
  await until(() => sent().length);
  assert.deepEqual(sent(), ["read 3"]);
  f.client.close();
});

test("to go back, and then forward, are both sent, and in that order", T, async () => {
  const { f, c, sent, upTo } = await reader();
  c.read(10);
  await until(() => sent().length === 1);
  c.read(12);
  c.unread(5);
  assert.equal(upTo(), 4);
  c.read(7);
  assert.equal(upTo(), 7);
  await until(() => sent().length === 3);
  assert.deepEqual(sent(), ["read 10", "unread 5", "read 7"]);
  f.client.close();
});

test("what is private is told to nobody, and what is not is told though it was read privately before", T, async () => {
  const { f, c, sent } = await reader();
  c.read(5, { private: true });
  await until(() => sent().length === 1);
  c.read(4, { private: true });
  c.read(3);
  await until(() => sent().length === 2);
  await sleep(30);
  assert.deepEqual(sent(), ["read 5 private", "read 3"]);
  f.client.close();
});

test("where others were not told it is said again, unless another device has gone back meanwhile", T, async () => {
  let soon = true;
  const { f, c, sent, mark, upTo } = await reader({ answer: (r, d) => update(r.id, { ...d, ...(soon && { retryAfterMs: 1100 }) }) });
  c.read(5);
  await until(() => sent().length === 1);
  soon = false;
  await until(() => sent().length === 2);
  assert.deepEqual(sent(), ["read 5", "read 5"]);
  soon = true;
  c.read(6);
  await until(() => sent().length === 3);
  await sleep(20);
  f.sockets[0].in(update(undefined, { seq: 2, version: mark.version + 1 }));
  assert.equal(upTo(), 2);
  await sleep(1300);
  assert.deepEqual(sent().slice(2), ["read 6"]);
  f.client.close();
});

test("what fails for now is tried again, what is refused is not", T, async () => {
  const codes = ["unavailable", "not_found"];
  const { f, c, sent } = await reader({ answer: (r, d) => (codes.length ? { event: "error", id: r.id, error: { code: codes[0], message: "no", retryable: codes.shift() === "unavailable" } } : update(r.id, d)) });
  c.read(5);
  await until(() => sent().length === 2);
  await sleep(100);
  assert.deepEqual(sent(), ["read 5", "read 5"]);
  c.read(5);
  await until(() => sent().length === 3);
  f.client.close();
});

test("one's own mark is the newest version, others' is the largest, and each join asks again", T, async () => {
  let seq = 4;
  const fetch = async (u) => Response.json(u.pathname.endsWith("/reads") ? { data: [{ ...me, seq: 1 }, { type: "user", id: "bob", seq }] } : { id: "c", lastReadSeq: 3, readVersion: 7 });
  const { f, c, upTo } = await reader({ fetch });
  await c.loadReads();
  assert.deepEqual(c.getSnapshot().reads, { upTo: 3, others: { "user:bob": 4 } });
  assert.equal(c.getSnapshot().reads, c.getSnapshot().reads);
  f.sockets[0].in(update(undefined, { seq: 9, version: 6 }));
  f.sockets[0].in({ event: "read:update", data: { conversationId: "c", type: "user", id: "bob", seq: 2 } });
  assert.deepEqual(c.getSnapshot().reads, { upTo: 3, others: { "user:bob": 4 } });
  f.sockets[0].in(update(undefined, { seq: 1, version: 8 }));
  assert.equal(upTo(), 1);
  seq = 8;
  f.sockets[0].close();
  await until(() => c.getSnapshot().reads.others["user:bob"] === 8);
  f.client.close();
});

test("nothing of it is somebody else's, who connects later", T, async () => {
  let who = "me";
  const { f, c, sent } = await reader({ me: () => ({ type: "user", userId: who }), opened: (_, n) => n !== 2 });
  f.sockets[0].close();
  await until(() => f.sockets.length === 2);
  c.read(9);
  who = "another";
  f.sockets[1].accept();
  await until(() => f.client.getSnapshot().me?.id === "another" && c.getSnapshot().state === "joined");
  await sleep(50);
  assert.deepEqual([sent().filter((s) => s !== "read 9"), c.getSnapshot().reads], [[], undefined]);
  assert.deepEqual(sent(), [], "another's mark is not moved");
  f.client.close();
});
