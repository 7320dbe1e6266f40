// What an adapter asks goes the way of all that is said.
import assert from "node:assert/strict";
import { test } from "node:test";
import { ask } from "../../dist/adapters/follow.js";
import { fake, joined, until } from "../support/fake.mjs";

const T = { timeout: 30_000 };
const outgoing = (c) => c.getSnapshot().outgoing.map((o) => o.clientMessageId);
const input = { content: "x", clientMessageId: "mine" };

test("it waits for a connection, and says where the question is in the log", T, async () => {
  const f = fake();
  f.client.connect();
  const c = f.client.conversation("c");
  assert.deepEqual(await ask(f.client, c, input), { id: "s1", after: 1 });
  assert.deepEqual(f.sockets[0].sent("send").map((s) => s.clientMessageId), ["mine"]);
  f.client.close();
});

test("what is refused is thrown, and nothing of it is left", T, async () => {
  const f = fake({ on: { send: (s) => f.error(s, "validation_failed", false) } });
  const { c } = await joined(f);
  await assert.rejects(ask(f.client, c, input), { code: "validation_failed" });
  assert.deepEqual(outgoing(c), []);
  f.client.close();
});

test("where there will be no connection it does not wait", T, async () => {
  const f = fake({ opened: () => false });
  f.client.connect();
  const c = f.client.conversation("c");
  const asked = ask(f.client, c, input);
  f.client.close();
  await assert.rejects(asked, { code: "closed" });
  assert.deepEqual(outgoing(c), []);
});

test("a signal takes back what waits, and nothing that is on its way", T, async () => {
  const f = fake({ opened: () => false });
  f.client.connect();
  const c = f.client.conversation("c");
  const stop = new AbortController();
  const asked = ask(f.client, c, input, stop.signal);
  stop.abort(new Error("stopped"));
  await assert.rejects(asked, { message: "stopped" });
  assert.deepEqual(outgoing(c), []);
  await assert.rejects(ask(f.client, c, input, stop.signal), { message: "stopped" });
  f.client.close();

  let reply;
  const g = fake({ on: { send: (s, k) => ((reply = () => k.in({ event: "message:sent", id: s.id, data: { messageId: "m", conversationId: "c", seq: 1, clientMessageId: s.clientMessageId, createdAt: "" } })), false) } });
  const { c: d } = await joined(g);
  const again = new AbortController();
  const going = ask(g.client, d, input, again.signal);
  await until(() => reply);
  again.abort(new Error("stopped"));
  reply();
  assert.deepEqual(await going, { id: "m", after: 1 });
  g.client.close();
});

test("a signal that comes while it is tried again takes it back when that attempt has failed", T, async () => {
  let fail;
  const f = fake({ timing: { backoffBase: 5000, backoffMax: 5000 }, on: { send: (s, k) => ((fail = () => k.in(f.error(s, "unavailable", true))), false) } });
  const { c } = await joined(f);
  const stop = new AbortController();
  const asked = ask(f.client, c, input, stop.signal);
  await until(() => fail);
  stop.abort(new Error("stopped"));
  fail();
  await assert.rejects(asked, { message: "stopped" });
  assert.deepEqual(outgoing(c), []);
  f.client.close();
});
