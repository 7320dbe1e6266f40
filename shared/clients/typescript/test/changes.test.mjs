import assert from "node:assert/strict";
import { test } from "node:test";
import { ChatClient } from "../dist/index.js";
import { fake, joined, message, sleep, until } from "./support/fake.mjs";

const T = { timeout: 20_000 };
const changing = (more = {}) => {
  let joins = 0;
  return fake({ lastSeq: 3, ...more, on: { join: (f) => ({ event: "joined", id: f.id, data: { conversationId: f.conversationId, lastSeq: 3, members: [], agentOnline: true, ...(f.changedAfter === undefined && { changedAfter: `first${++joins}` }) } }), ...more.on } });
};
const history = (s, ...messages) => s.in({ event: "messages:history", data: { conversationId: "c", messages, hasMore: false } });
const changed = (s, messages, more = {}) => s.in({ event: "messages:changed", data: { conversationId: "c", messages, hasMore: false, ...more } });
const contents = (c) => c.getSnapshot().messages.map((m) => m.content);

test("the cursor of what changed goes from join to join, and over a loss of the connection", T, async () => {
  const f = changing();
  const { c } = await joined(f);
  assert.equal("changedAfter" in f.sockets[0].sent("join")[0], false);
  history(f.sockets[0], message(1), message(2), message(3));
  f.sockets[0].close();
  const [, second] = await until(() => f.sockets[1]?.sent("join").length && f.sockets);
  assert.equal(second.sent("join")[0].changedAfter, "first1");
  assert.equal(second.sent("join")[0].afterSeq, 3);
  changed(second, [message(1, { content: "in two frames", version: 1 })]);
  changed(second, [message(2, { content: "", isDeleted: true, version: 1 })], { changedAfter: "next" });
  assert.deepEqual(contents(c), ["in two frames", "", "t3"]);
  second.close();
  const third = await until(() => f.sockets[2]?.sent("join")[0]);
  f.client.close();
  assert.equal(third.changedAfter, "next");
});

test("the cursor goes over with the change of connections", T, async () => {
  const f = changing({ timing: { rolloverAfter: 1100, rolloverJitter: 0 } });
  await joined(f);
  history(f.sockets[0], message(1), message(2), message(3));
  const join = await until(() => f.sockets[1]?.sent("join")[0]);
  f.client.close();
  assert.equal(join.changedAfter, "first1");
});

test("somebody else has no cursor", T, async () => {
  const f = changing({ me: (s) => ({ type: "user", userId: f?.sockets.indexOf(s) > 0 ? "another" : "me" }) });
  await joined(f);
  f.sockets[0].close();
  const joins = await until(() => f.sockets[1]?.sent("join").length && f.sockets[1].sent("join"));
  await sleep(50);
  f.client.close();
  assert.equal(f.sockets[1].sent("join").at(-1).changedAfter, undefined, JSON.stringify(joins));
});

test("more than a join brings is read to its end, also where REST fails at first", T, async () => {
  let failing = 3;
  const pages = { a: [[message(1, { content: "a1", version: 1 })], "b", true], b: [[message(2, { content: "b1", version: 1 })], "c", false] };
  const f = changing({
    fetch: async (url) => {
      const at = url.searchParams.get("changedAfter");
      if (!at || --failing >= 0) return Response.json({ code: "unavailable", retryable: true }, { status: 503 });
      const [data, changedAfter, hasMore] = pages[at];
      return Response.json({ data, pagination: { limit: 1, hasMore, changedAfter } });
    },
  });
  const { c } = await joined(f);
  history(f.sockets[0], message(1), message(2), message(3));
  changed(f.sockets[0], [], { hasMore: true, changedAfter: "a" });
  await until(() => contents(c).join() === "a1,b1,t3");
  f.sockets[0].close();
  const join = await until(() => f.sockets[1]?.sent("join")[0]);
  f.client.close();
  assert.equal(join.changedAfter, "c");
});

test("an answer to one's own action marks what is mine; what the room is told does not unmark it", T, async () => {
  const reactions = (data, mine) => ({ conversationId: "c", messageId: "m1", seq: 1, reactionVersion: data.length, reactions: data.map((key) => ({ key, count: 1, ...(mine && { mine }) })) });
  const asked = [];
  const f = changing({ fetch: async (url, init) => (asked.push(`${init.method} ${decodeURIComponent(url.pathname)}`), Response.json(reactions(init.method === "PUT" ? ["👍"] : [], true))) });
  const { c } = await joined(f);
  history(f.sockets[0], message(1), message(2), message(3));
  await c.react("m1", "👍");
  assert.deepEqual(c.getSnapshot().messages[0].reactions, [{ key: "👍", count: 1, mine: true }]);
  f.sockets[0].in({ event: "message:reactions", data: { ...reactions(["👍"]), reactionVersion: 2, reactions: [{ key: "👍", count: 2 }, { key: ":x:", count: 1 }] } });
  assert.deepEqual(c.getSnapshot().messages[0].reactions, [{ key: "👍", count: 2, mine: true }, { key: ":x:", count: 1 }]);
  await c.react("m1", "👍", false);
  f.client.close();
  assert.deepEqual(asked, ["PUT /messages/m1/reactions/👍", "DELETE /messages/m1/reactions/👍"]);
});

test("an edit says how often it was edited as far as is known; a conflict tells what it is now", T, async () => {
  const bodies = [];
  let conflict = false;
  const f = changing({
    fetch: async (url, init) => {
      if (init.method === "GET") return Response.json(message(2, { content: "of now", edits: 5, version: 5 }));
      bodies.push(JSON.parse(init.body));
      if (conflict) return Response.json({ code: "conflict", detail: "It was edited meanwhile", retryable: false, details: { edits: 5, content: "of now" } }, { status: 409 });
      return Response.json(message(2, { ...bodies.at(-1), edits: 3, version: 3 }));
    },
  });
  const { c } = await joined(f);
  history(f.sockets[0], message(1), message(2, { edits: 2, version: 2 }), message(3));
  const m = await c.edit("m2", { content: "better", attachments: [] });
  assert.equal(m.edits, 3);
  assert.equal(contents(c)[1], "better");
  conflict = true;
  await assert.rejects(c.edit("m2", "once more"), (e) => e.code === "conflict" && e.details.edits === 5 && e.details.content === "of now");
  assert.equal(contents(c)[1], "of now", "what it is now is read");
  f.client.close();
  assert.deepEqual(bodies, [{ content: "better", attachments: [], edits: 2 }, { content: "once more", edits: 3 }]);
});

test("what one deletes is gone at once", T, async () => {
  const f = changing({ fetch: async () => new Response(null, { status: 204 }) });
  const { c } = await joined(f);
  history(f.sockets[0], message(1), message(2, { reactions: [{ key: "x", count: 1 }], reactionVersion: 1 }), message(3));
  await c.deleteMessage("m2");
  f.client.close();
  const [, { content, isDeleted, reactions, participantId }] = c.getSnapshot().messages;
  assert.deepEqual([content, isDeleted, reactions, participantId], ["", true, undefined, "other"]);
});

test("what waits is rejected when the client has failed, and what is said after that at once", T, async () => {
  const was = globalThis.WebSocket;
  delete globalThis.WebSocket; // as in Node 20
  try {
    const client = new ChatClient({ url: "ws://x", restUrl: "http://x", getToken: () => "t" });
    const c = client.conversation("c");
    const first = c.send("before");
    client.connect();
    await assert.rejects(first.done, { code: "wrong_url", message: "Pass a WebSocket" });
    await assert.rejects(c.send("after").done, { code: "wrong_url" });
    assert.deepEqual(c.getSnapshot().outgoing.map((o) => o.status), ["failed", "failed"]);
    await assert.rejects(c.answer("question"), { code: "wrong_url" });
  } finally {
    globalThis.WebSocket = was;
  }
});

test("an option that is missing is named", () => {
  const all = { url: "ws://x", restUrl: "http://x", getToken: () => "t" };
  for (const name of Object.keys(all)) assert.throws(() => new ChatClient({ ...all, [name]: undefined }), { name: "ChatError", code: "validation_failed", message: `${name} is missing` });
  assert.throws(() => new ChatClient(), /url is missing/);
});
