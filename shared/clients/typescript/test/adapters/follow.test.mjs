import assert from "node:assert/strict";
import { test } from "node:test";
import { AnswerReader } from "../../dist/adapters/answer.js";
import { follow, joined } from "../../dist/adapters/follow.js";
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
