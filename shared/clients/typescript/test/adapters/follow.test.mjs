import assert from "node:assert/strict";
import { test } from "node:test";
import { AnswerReader } from "../../dist/adapters/answer.js";
import { decide, follow, joined } from "../../dist/adapters/follow.js";
import { fake, message, until } from "../support/fake.mjs";

const T = { timeout: 30_000 };
const answer = message(2, { participantId: "bot", participantType: "agent", role: "agent", content: "Hello", parentId: "m1", streamId: "s" });
const begun = { conversationId: "c", streamId: "s", epoch: 1, participantId: "bot", parentId: "m1", startedAt: "", leaseMs: 100 };
const page = (data) => Response.json({ data, pagination: { hasMore: false } });

/** A client that has joined a conversation of one question, and the answer to it, whose stream falls silent. */
async function silent(t, log) {
  const f = fake({
    lastSeq: 1,
    timing: { streamSilence: 200 },
    fetch: async (url) => page(log.filter((m) => m.seq > Number(url.searchParams.get("afterSeq")))),
  });
  t.after(() => f.client.close());
  f.client.connect();
  const c = f.client.conversation("c");
  c.open();
  await joined(f.client, c);
  const pieces = [];
  const end = follow(f.client, c, new AnswerReader({ id: "m1", after: 1 }), new AbortController().signal, (some) => pieces.push(...some));
  f.sockets[0].in({ event: "stream:start", data: begun });
  f.sockets[0].in({ event: "stream:delta", data: { conversationId: "c", streamId: "s", epoch: 1, part: "content", offset: 0, length: 3, text: "Hel" } });
  await until(() => pieces.some((p) => p.type === "text"), 3000, "a piece");
  return { end, pieces, log };
}

test("an answer whose message never came is read", T, async (t) => {
  const { end, pieces, log } = await silent(t, [message(1)]);
  log.push(answer);
  assert.equal((await end).how, "answered");
  assert.equal(pieces.filter((p) => p.type === "text").map((p) => p.delta).join(""), "Hello");
});

test("an answer of which nothing was kept is an error", T, async (t) => {
  const { end } = await silent(t, [message(1)]);
  await assert.rejects(end, { code: "unavailable", message: /broke off/ });
});

const question = { id: "m1", after: 1 };
const cancelled = { id: "r1", messageId: "m1", status: "cancelled", steps: 0, endedAt: "2026-01-01T00:00:00Z" };

/** A client that follows the answer to a question, of which nothing comes. */
async function unanswered(t, runs, { asked = question, log = [message(1)] } = {}) {
  const f = fake({
    lastSeq: 1,
    fetch: async ({ pathname, searchParams }) =>
      pathname.endsWith("/runs") ? page(runs) : pathname.startsWith("/runs/") ? Response.json(runs[0]) : page(log.filter((m) => m.seq > Number(searchParams.get("afterSeq")))),
  });
  t.after(() => f.client.close());
  f.client.connect();
  const c = f.client.conversation("c");
  c.open();
  await joined(f.client, c);
  const stopped = new AbortController();
  const end = follow(f.client, c, new AnswerReader(asked), new AbortController().signal, () => {}, stopped.signal);
  return { end, stop: () => stopped.abort(), f };
}

test("what was stopped before its run was begun has no end in the log", T, async (t) => {
  const { end, stop } = await unanswered(t, [cancelled]);
  stop();
  assert.equal(await end, undefined);
});

test("so has what somebody else stopped, and a regeneration", T, async (t) => {
  const [other, again] = await Promise.all([unanswered(t, [cancelled]), unanswered(t, [cancelled], { asked: { ...question, run: "r1" } })]);
  assert.deepEqual(await Promise.all([other.end, again.end]), [undefined, undefined]);
});

test("so has what was stopped, and of which no run was made", T, async (t) => {
  const { end, stop } = await unanswered(t, []);
  stop();
  assert.equal(await end, undefined);
});

test("a run that is over and has said something is read", T, async (t) => {
  const log = [message(1)];
  const { end, stop } = await unanswered(t, [{ ...cancelled, steps: 1 }], { log });
  log.push({ ...answer, status: "cancelled" });
  stop();
  assert.equal((await end).how, "cancelled");
});

test("what its agent is too busy for is a conflict", T, async (t) => {
  const { end } = await unanswered(t, [{ ...cancelled, error: "conflict" }]);
  await assert.rejects(end, { code: "conflict", message: /busy/ });
});

test("who was never stopped waits, where the backend does not run the agent", T, async (t) => {
  const { end, f } = await unanswered(t, []);
  await until(() => f.asked.some((url) => url.endsWith("/runs")), 10_000, "it is looked once");
  f.sockets[0].in({ event: "message:new", data: answer });
  assert.equal((await end).how, "answered");
});

test("a call is decided when the log shows it, also what came before", T, async (t) => {
  const decision = message(3, { participantType: "system", role: "system", approval: { toolCallId: "call", status: "approved" } });
  const f = fake({ lastSeq: 1, timing: { gapPatience: 60_000 }, fetch: async () => Response.json(decision) });
  t.after(() => f.client.close());
  f.client.connect();
  const c = f.client.conversation("c");
  c.open();
  await until(() => c.getSnapshot().state === "joined");
  f.sockets[0].in({ event: "message:new", data: message(1) });
  await joined(f.client, c);
  let isDecided = false;
  const deciding = decide(f.client, c, "call", { approved: true }).then(() => (isDecided = true));
  await until(() => c.getSnapshot().lastSeq === 3, 3000, "the decision");
  await new Promise((resolve) => setTimeout(resolve, 20));
  assert.equal(isDecided, false);
  f.sockets[0].in({ event: "message:new", data: message(2) });
  await deciding;
});
