// The core alone: what is loaded on demand cannot be had here until a test allows it.
import assert from "node:assert/strict";
import { register } from "node:module";
import { test } from "node:test";
import { onDemand } from "../scripts/demand.mjs";

const allowed = new Int32Array(new SharedArrayBuffer(4));
register(
  `data:text/javascript,${encodeURIComponent(`
    let allowed, refused;
    export const initialize = (data) => ({ allowed, refused } = data);
    export async function resolve(name, context, next) {
      if (refused.test(name) && !allowed[0]) throw new Error("no network");
      return next(name, context);
    }
  `)}`,
  { data: { allowed, refused: onDemand } },
);
const { fake, joined, message, sleep, until } = await import("./support/fake.mjs");
const T = { timeout: 20_000 };

test("a conversation is joined, sent to, heard and resumed, and shows nothing twice, with the core alone", T, async () => {
  const f = fake({ on: { join: (j) => ({ event: "conversation:joined", id: j.id, data: { conversationId: "c", lastSeq: j.afterSeq ?? 0, members: [], agentOnline: false } }) } });
  const { c } = await joined(f);
  const sent = await c.send("said").done;
  f.sockets[0].in({ event: "message:new", data: message(1, { participantId: "me", content: "said", clientMessageId: sent.clientMessageId }) });
  f.sockets[0].in({ event: "message:new", data: message(3) });
  f.sockets[0].in({ event: "message:new", data: message(2) });
  assert.deepEqual(c.getSnapshot().messages.map((m) => m.seq), [1, 2, 3]);
  f.sockets[0].close();
  const again = c.send("said offline");
  await until(() => f.sockets.length === 2 && c.getSnapshot().state === "joined");
  assert.equal(f.sockets[1].sent("join")[0].afterSeq, 3);
  await again.done;
  f.sockets[1].in({ event: "messages:history", data: { conversationId: "c", messages: [message(3), message(4)], hasMore: false } });
  f.sockets[1].in({ event: "message:deleted", data: { conversationId: "c", messageId: "m2", seq: 2, version: 2 } });
  assert.deepEqual([c.getSnapshot().messages.map((m) => m.seq), c.getSnapshot().outgoing], [[1, 2, 3, 4], []]);
  f.client.close();
});

test("where the rest cannot be loaded calls fail as those without a network do, and listeners hear of nothing", T, async () => {
  const f = fake();
  const { c } = await joined(f);
  const refused = { name: "ChatError", code: "unavailable", retryable: true };
  for (const call of [() => f.client.rest.listConversations(), () => c.react("m1", "👍"), () => c.edit("m1", "x"), () => c.deleteMessage("m1"), () => c.answer("m1"), () => c.loadReads(), () => f.client.unread(), () => c.stop()]) await assert.rejects(call, refused);
  c.keystroke();
  c.read(1);
  f.sockets[0].in({ event: "typing:start", data: { conversationId: "c", type: "user", id: "other" } });
  assert.deepEqual(c.getSnapshot().typing, []);
  f.client.close();
});

test("what is missing is read once that can be loaded, and so is what did not fit its frame", T, async () => {
  const all = [message(1), message(2), message(3, { content: "the whole" })];
  const f = fake({ fetch: async (u) => Response.json(u.pathname === "/messages" ? { data: all.filter((m) => m.seq > Number(u.searchParams.get("afterSeq"))), pagination: { hasMore: false } } : all[2]) });
  const { c } = await joined(f);
  f.sockets[0].in({ event: "message:new", data: message(3, { content: "the", truncated: true }) });
  await sleep(200);
  assert.deepEqual([c.getSnapshot().messages, f.asked], [[], []]);
  allowed[0] = 1;
  await until(() => c.getSnapshot().messages.at(-1)?.content === "the whole");
  assert.deepEqual(c.getSnapshot().messages.map((m) => m.seq), [1, 2, 3]);
  f.client.close();
});
