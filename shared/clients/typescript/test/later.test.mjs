// What is loaded on demand: nothing is lost, or out of order, while it is on its way, and what could not be loaded is tried again.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Answers } from "../dist/answers.js";
import { Later } from "../dist/later.js";
import { fake, joined, message, sleep, until } from "./support/fake.mjs";

const T = { timeout: 20_000 };

/** A Later of which each load is ended by the test. */
function held(make) {
  const loads = [];
  const later = new Later(() => new Promise((resolve, reject) => loads.push({ come: () => resolve(make()), fail: () => reject(new Error("no network")) })));
  return { later, loads };
}

test("what is asked for while it is loaded is done in its order, also what is asked for by that", T, async () => {
  const done = [];
  const { later, loads } = held(() => ({}));
  later.do(() => done.push("remembered"), false);
  assert.equal(loads.length, 0, "what needs nothing loads nothing");
  later.also(() => done.push("never"));
  later.do(() => {
    done.push(1);
    later.do(() => done.push(4));
  });
  later.do(() => {
    throw new Error("of another version");
  });
  later.also(() => done.push(2));
  later.do(() => done.push(3), false);
  later.look();
  assert.equal(loads.length, 1, "it is loaded once");
  loads[0].come();
  await until(() => later.it);
  later.do(() => done.push(5));
  assert.deepEqual(done, ["remembered", 1, 2, 3, 4, 5]);
});

test("what could not be loaded is tried again with the next call, and nothing of it is lost", T, async () => {
  const done = [];
  const { later, loads } = held(() => ({ look: () => done.push("looked") }));
  later.do(() => done.push(1));
  loads[0].fail();
  await sleep(1);
  assert.equal(loads.length, 1, "not by itself");
  later.look();
  loads[1].fail();
  await sleep(1);
  later.do(() => done.push(2), false);
  loads[2].come();
  await until(() => later.it);
  later.look();
  assert.deepEqual(done, [1, 2, "looked", "looked"]);
});

test("of what can never be loaded only so much waits", T, async () => {
  const { later, loads } = held(() => ({}));
  const done = [];
  for (let i = 0; i < 5000; i++) later.do(() => done.push(i));
  loads[0].come();
  await until(() => later.it);
  assert.deepEqual([done.length, done[0], done.at(-1)], [2000, 3000, 4999]);
});

const start = (more) => ({ event: "stream:start", data: { conversationId: "c", streamId: "s", epoch: 1, participantId: "ag", startedAt: "", leaseMs: 30_000, ...more } });
const piece = (offset, text, more) => ({ event: "stream:delta", data: { conversationId: "c", streamId: "s", epoch: 1, part: "content", offset, length: text.length, text, ...more } });
const end = (seq, content) => ({ event: "message:new", data: message(seq, { participantType: "agent", participantId: "ag", streamId: "s", content }) });

/** A conversation whose answers are loaded when the test says so; with all that was ever shown of them. */
async function waiting(options) {
  const f = fake(options);
  const { c } = await joined(f);
  const { later, loads } = held(() => new Answers(c));
  c.answers = later;
  const shown = [];
  c.subscribe(() => {
    const { messages, streams } = c.getSnapshot();
    for (const s of streams) {
      assert.ok(!messages.some((m) => m.streamId === s.streamId), "an answer is shown beside its message");
      if (shown.at(-1) !== s.content) shown.push(s.content);
    }
  });
  return { f, c, later, loads, shown, texts: () => c.getSnapshot().streams.map((s) => s.content) };
}

test("the pieces of an answer that come while it is loaded are all there, in any order", T, async () => {
  const { f, later, loads, shown, texts } = await waiting();
  for (const frame of [piece(3, "def"), start(), piece(6, "ghi"), piece(0, "abc")]) f.sockets[0].in(frame);
  assert.deepEqual(texts(), []);
  loads[0].come();
  await until(() => later.it);
  assert.deepEqual(texts(), ["abcdefghi"]);
  f.sockets[0].in(piece(9, "j"));
  await until(() => shown.at(-1) === "abcdefghij");
  f.client.close();
});

test("an answer that ends while it is loaded is shown as its message alone, and what comes late of it is dropped", T, async () => {
  const { f, c, later, loads, shown, texts } = await waiting();
  for (const frame of [start(), piece(0, "abc"), end(1, "abcdef")]) f.sockets[0].in(frame);
  assert.deepEqual(c.getSnapshot().messages.map((m) => m.content), ["abcdef"]);
  loads[0].come();
  await until(() => later.it);
  f.sockets[0].in(piece(3, "def"));
  await sleep(5);
  assert.deepEqual([texts(), shown], [[], []]);
  f.client.close();
});

test("pieces that come after the message, when nothing was loaded yet, are dropped", T, async () => {
  const { f, later, loads, shown, texts } = await waiting();
  f.sockets[0].in(end(1, "abcdef"));
  assert.equal(loads.length, 0, "a message alone loads nothing");
  for (const frame of [start(), piece(0, "abc")]) f.sockets[0].in(frame);
  loads[0].come();
  await until(() => later.it);
  await sleep(5);
  assert.deepEqual([texts(), shown], [[], []]);
  f.client.close();
});

test("what cannot be loaded breaks nothing: messages come, the next piece loads it, and the text is whole", T, async () => {
  const { f, c, later, loads, texts } = await waiting();
  for (const frame of [start(), piece(0, "abc")]) f.sockets[0].in(frame);
  loads[0].fail();
  await sleep(1);
  f.sockets[0].in({ event: "message:new", data: message(1) });
  assert.equal(c.getSnapshot().messages.length, 1);
  await c.send("said").done;
  assert.ok(loads.length > 1, "it is tried again");
  loads.at(-1).fail();
  await sleep(1);
  f.sockets[0].in(piece(3, "def"));
  loads.at(-1).come();
  await until(() => later.it);
  assert.deepEqual(texts(), ["abcdef"]);
  f.client.close();
});

test("a connection that is lost, and another one, while it is loaded: the answer goes on, once", T, async () => {
  const { f, c, later, loads, shown, texts } = await waiting();
  for (const frame of [start(), piece(0, "abc")]) f.sockets[0].in(frame);
  f.sockets[0].close();
  await until(() => f.sockets.length === 2 && c.getSnapshot().state === "joined");
  f.sockets[1].in({ event: "stream:snapshot", data: { ...start().data, parts: [{ part: "content", text: "abcdef", length: 6 }] } });
  f.sockets[1].in(piece(3, "def"));
  f.sockets[1].in(piece(6, "ghi"));
  loads[0].come();
  await until(() => later.it);
  assert.deepEqual(texts(), ["abcdefghi"]);
  f.sockets[1].in(end(1, "abcdefghi"));
  assert.deepEqual(texts(), []);
  await sleep(5);
  assert.deepEqual(shown.filter((text) => !"abcdefghi".startsWith(text)), []);
  f.client.close();
});

test("a client that is closed while it is loaded, and connects again, shows the answer as it is then", T, async () => {
  const { f, c, later, loads, texts } = await waiting();
  for (const frame of [start(), piece(0, "abc")]) f.sockets[0].in(frame);
  f.client.close();
  loads[0].come();
  await until(() => later.it);
  f.client.connect();
  await until(() => f.sockets.length === 2 && c.getSnapshot().state === "joined");
  f.sockets[1].in({ event: "stream:snapshot", data: { ...start({ epoch: 2 }).data, parts: [{ part: "content", text: "xyz", length: 3 }] } });
  assert.deepEqual(texts(), ["xyz"]);
  f.client.close();
});

test("nothing of it is shown to somebody else who connects while it is loaded", T, async () => {
  let who = "me";
  const { f, c, later, loads, shown } = await waiting({ me: () => ({ type: "user", userId: who }) });
  for (const frame of [start(), piece(0, "secret")]) f.sockets[0].in(frame);
  who = "another";
  f.sockets[0].close();
  await until(() => f.client.getSnapshot().me?.id === "another" && c.getSnapshot().state === "joined");
  loads[0].come();
  await until(() => later.it);
  await sleep(50);
  assert.deepEqual([c.getSnapshot().streams, shown], [[], []]);
  f.client.close();
});
