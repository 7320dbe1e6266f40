import assert from "node:assert/strict";
import { test } from "node:test";
import { fake, joined, message, sleep, until } from "./support/fake.mjs";

const T = { timeout: 20_000 };
const agent = { type: "agent", agentId: "ag" };

test("an end with more content than fits a frame loses nothing of it", T, async () => {
  const f = fake({ me: agent, fetch: async () => Response.json(message(1)) });
  const { c } = await joined(f);
  const w = await c.answer("q");
  const text = "a".repeat(30_000);
  await w.end({ content: text });
  const out = f.sockets[0].sent("stream");
  f.client.close();
  const end = out.find((s) => s.state === "end");
  const got = end.content ?? out.filter((s) => s.state === "append" && (s.part ?? "content") === "content").map((s) => s.text).join("");
  assert.equal(got.length, text.length);
});

test("the end settles although the server never takes the stream again", T, async () => {
  let n = 0;
  const f = fake({ me: agent, on: { stream: (s) => (s.state === "start" && ++n > 1 ? f.error(s, "unavailable", true) : s.state === "start" ? { event: "stream:started", id: s.id, data: { streamId: s.streamId, next: {}, leaseMs: 30000 } } : false) } });
  const { c } = await joined(f);
  const w = await c.answer("q");
  w.write("x");
  await sleep(50);
  f.sockets[0].close();
  await until(() => n > 2);
  const end = w.end().then(() => "committed", (e) => e.code);
  const got = await Promise.race([end, sleep(10_000).then(() => "pending")]);
  f.client.close();
  assert.notEqual(got, "pending");
});

test("nothing is lost or doubled of pairs written in halves, links that die, and refusals", T, async () => {
  const text = "a😀b👩‍👩‍👧c".repeat(40);
  for (let round = 0; round < 3; round++) {
    let hash = { next: 0, text: "" };
    const f = fake({ me: agent, fetch: async () => Response.json(message(1, { content: hash.text })), on: { stream: (s, k) => {
      if (s.state === "start") return { event: "stream:started", id: s.id, data: { streamId: s.streamId, next: hash.next ? { content: hash.next } : {}, leaseMs: 30000 } };
      if (s.state === "append" && s.text !== undefined) {
        if (Math.random() < 0.3) return f.error(s, "unavailable", true, { streamId: s.streamId, part: "content", index: s.index });
        if (s.whole) hash = { next: s.index + 1, text: s.text };
        else if (s.index === hash.next) hash = { next: s.index + 1, text: hash.text + s.text };
        else if (s.index > hash.next) return f.error(s, "conflict", false, { next: { content: hash.next } });
        return false;
      }
      if (s.state !== "end") return false;
      if (s.pieces && s.pieces.content !== hash.next) return f.error(s, "conflict", false, { next: { content: hash.next } });
      if (s.content !== undefined) hash.text = s.content;
      return { event: "message:sent", id: s.id, data: { messageId: "a", conversationId: "c", seq: 1, clientMessageId: s.streamId, createdAt: "" } };
    } } });
    const { c } = await joined(f);
    const w = await c.answer("q");
    for (const [i, ch] of [...text.split("")].entries()) {
      w.write(ch);
      if (i % 40 === 0) await sleep(20);
      if (i === 200) f.sockets.at(-1).close();
    }
    await w.end();
    f.client.close();
    assert.equal(hash.text, text);
  }
});
