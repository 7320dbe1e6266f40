// What is kept of conversations that nobody looks at any more.
import assert from "node:assert/strict";
import { test } from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { fake, joined, sleep, until } from "./support/fake.mjs";

setFlagsFromString("--expose-gc");
const gc = runInNewContext("gc");
const T = { timeout: 30_000 };
const collected = async (ref) => {
  for (let i = 0; i < 20 && ref.deref(); i++) {
    await sleep(20);
    gc();
  }
  return ref.deref() === undefined;
};

test("a conversation that is neither open nor subscribed to is forgotten, and begins anew", T, async () => {
  const f = fake();
  await joined(f, "other");
  const ref = await (async () => {
    const { c, close } = await joined(f);
    await c.send("said").done;
    assert.equal(c.getSnapshot().messages.length, 1);
    close();
    await until(() => f.sockets[0].sent("leave").length);
    return new WeakRef(c);
  })();
  await sleep(20);
  assert.ok(await collected(ref));
  const again = f.client.conversation("c");
  assert.deepEqual([again.id, again.getSnapshot().state, again.getSnapshot().messages], ["c", "idle", []]);
  f.client.close();
});

test("whoever has one, has it open, or has subscribed to it has the same one for ever", T, async () => {
  const f = fake();
  const { c } = await joined(f);
  const told = [];
  const refs = await (async () => {
    const open = f.client.conversation("open");
    open.open();
    const subscribed = f.client.conversation("subscribed");
    subscribed.subscribe(() => told.push("subscribed"));
    await until(() => open.getSnapshot().state === "joined");
    return [open, subscribed].map((one) => new WeakRef(one));
  })();
  assert.deepEqual(await Promise.all(refs.map(collected)), [false, false]);
  assert.equal(f.client.conversation("c"), c);
  assert.deepEqual(refs.map((ref) => f.client.conversation(ref.deref().id) === ref.deref()), [true, true]);
  told.length = 0;
  f.sockets[0].in({ event: "conversation:activity", data: { conversationId: "subscribed", lastSeq: 9 } });
  await until(() => told.length);
  f.client.close();
});

test("what was said in one that is forgotten is sent all the same", T, async () => {
  const f = fake({ opened: (s, n) => n > 1 });
  const ref = await (async () => {
    const c = f.client.conversation("c");
    c.send("offline").done.catch(() => {});
    return new WeakRef(c);
  })();
  assert.ok(await collected(ref));
  assert.deepEqual(f.client.conversation("c").getSnapshot().outgoing.map((o) => o.content), ["offline"]);
  f.client.connect();
  await until(() => f.sockets[0]);
  f.sockets[0].close();
  await until(() => f.sockets[1]?.sent("send").length);
  await until(() => f.client.conversation("c").getSnapshot().outgoing.length === 0);
  f.client.close();
});
