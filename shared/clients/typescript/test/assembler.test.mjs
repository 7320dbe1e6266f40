import assert from "node:assert/strict";
import { test } from "node:test";
import { Assembler } from "../dist/assembler.js";

const at = { gapPatience: 1000, streamSilence: 45_000 };
const begun = (more = {}) => ({ conversationId: "c", streamId: "s", epoch: 1, participantId: "a", startedAt: "2026-01-01T00:00:00.000Z", leaseMs: 30_000, ...more });
const piece = (offset, text, more = {}) => ({ conversationId: "c", streamId: "s", epoch: 1, part: "content", offset, length: text.length, text, ...more });
const snapshot = (text, more = {}) => begun({ parts: [{ part: "content", length: text.length, text }], ...more });
const message = (content, more = {}) => ({ id: "m", seq: 1, streamId: "s", participantId: "a", content, ...more });

const cases = [
  { name: "in order", does: [["begun", begun()], ["delta", piece(0, "Hello ")], ["delta", piece(6, "world")]], shows: "Hello world" },
  { name: "doubled", does: [["delta", piece(0, "Hello ")], ["delta", piece(0, "Hello ")], ["delta", piece(6, "world")], ["delta", piece(6, "world")]], shows: "Hello world" },
  { name: "overtaken", does: [["delta", piece(11, "!")], ["delta", piece(6, "world")], ["delta", piece(0, "Hello ")], ["begun", begun()]], shows: "Hello world!" },
  { name: "overlapping, as a whole part is", does: [["delta", piece(0, "Hello")], ["delta", piece(0, "Hello world")]], shows: "Hello world" },
  { name: "lost, and the snapshot heals", does: [["delta", piece(0, "Hel")], ["delta", piece(6, "world")], ["begun", snapshot("Hello w")]], shows: "Hello world" },
  { name: "halves of a pair in two pieces", does: [["delta", piece(0, "a\ud83d")], ["delta", piece(2, "\ude00b")]], shows: "a😀b" },
  { name: "a new epoch begins anew", does: [["delta", piece(0, "old")], ["delta", piece(0, "new", { epoch: 2 })]], shows: "new" },
  { name: "an old epoch is dropped", does: [["delta", piece(0, "new", { epoch: 2 })], ["delta", piece(0, "older", { epoch: 1 })]], shows: "new" },
  { name: "dropped", does: [["delta", piece(0, "x")], ["dropped", "s"], ["delta", piece(1, "y")]], shows: undefined },
  { name: "its message is all that counts", does: [["begun", begun()], ["delta", piece(0, "so far")], ["message", message("the end")], ["delta", piece(6, "late")]], shows: undefined, final: "the end" },
  { name: "somebody else's message with its id is not its", does: [["begun", begun()], ["delta", piece(0, "x")], ["message", message("no", { participantId: "b" })]], shows: "x" },
  { name: "somebody else's message that came first", does: [["message", message("no", { participantId: "b" })], ["begun", begun()], ["delta", piece(0, "x")]], shows: "x" },
  { name: "a message that was cut gives way to the whole", does: [["message", message("th", { truncated: true })], ["message", message("the end")]], shows: undefined, final: "the end" },
  { name: "only a status", does: [["begun", begun()], ["delta", { streamId: "s", epoch: 1, status: "thinking" }]], shows: "", status: "thinking" },
];

for (const { name, does, shows, final, status } of cases) {
  test(name, () => {
    const a = new Assembler(at);
    for (const [what, ...args] of does) a[what](...args, 1);
    const [view] = a.shown(1, () => true);
    assert.equal(view?.content, shows);
    assert.equal(a.shown(1, () => false)[0]?.content, final ?? shows, "until its message is shown");
    if (status) assert.equal(view.status, status);
  });
}

test("any order of any pieces, doubled, makes the text", () => {
  let seed = 7;
  const random = (n) => (seed = (seed * 1103515245 + 12345) % 2147483648) % n;
  for (let round = 0; round < 300; round++) {
    const text = Array.from({ length: 1 + random(60) }, () => "ab😀é"[random(5)]).join("");
    const pieces = [];
    for (let from = 0; from < text.length; ) {
      const to = Math.min(text.length, from + 1 + random(7));
      pieces.push(piece(from, text.slice(from, to)), ...(random(3) ? [] : [piece(0, text.slice(0, to))]));
      from = to;
    }
    const shuffled = [...pieces, ...pieces.filter(() => random(2))].sort(() => random(3) - 1);
    const a = new Assembler(at);
    for (const p of shuffled) a.delta(p, 0);
    assert.equal(a.shown(0, () => true)[0].content, text, JSON.stringify(shuffled));
  }
});

test("what is missing is asked for after a while, once in a while", () => {
  const a = new Assembler(at);
  a.delta(piece(5, "x"), 0);
  assert.deepEqual(a.missing(999), []);
  assert.deepEqual(a.missing(1000), ["s"]);
  assert.deepEqual(a.missing(1500), []);
  assert.deepEqual(a.missing(2000), ["s"]);
  a.begun(snapshot("01234"), 2100);
  assert.deepEqual(a.missing(5000), []);
  a.begun(snapshot("01234", { truncated: true }), 5100);
  assert.deepEqual(a.missing(6000), ["s"], "one that was cut");
});

test("silence: stalled, then not shown", () => {
  const a = new Assembler(at);
  a.begun(begun(), 0);
  a.delta(piece(0, "x"), 0);
  assert.equal(a.shown(29_999, () => true)[0].stalled, false);
  assert.equal(a.shown(30_000, () => true)[0].stalled, true);
  assert.deepEqual(a.shown(45_000, () => true), []);
});

test("a view is the same object while nothing changed", () => {
  const a = new Assembler(at);
  a.delta(piece(0, "x"), 0);
  const [one] = a.shown(1, () => true);
  assert.equal(a.shown(2, () => true)[0], one);
  a.delta(piece(1, "y"), 3);
  const [two] = a.shown(3, () => true);
  assert.notEqual(two, one);
  assert.equal(one.content, "x");
});

test("those that have ended are forgotten at last, open ones never", () => {
  const a = new Assembler(at);
  a.delta(piece(0, "x"), 0);
  for (let i = 0; i < 2000; i++) a.message(message("m", { streamId: `e${i}` }));
  assert.equal(a.shown(0, () => true).length, 1);
  assert.ok(a.shown(0, () => false).length <= 501);
});

test("a piece that is doubled changes nothing, nor does time, until it does", () => {
  const a = new Assembler(at);
  a.begun(begun(), 0);
  assert.equal(a.delta(piece(0, "x"), 0), true);
  a.shown(0, () => true);
  assert.equal(a.delta(piece(0, "x"), 1), false);
  assert.equal(a.delta(piece(2, "z"), 1), false, "which cannot be shown yet");
  assert.equal(a.pass(30_000), false);
  assert.equal(a.pass(30_001), true, "stalled");
  a.shown(30_001, () => true);
  assert.equal(a.pass(30_002), false);
  assert.equal(a.delta(piece(0, "x"), 30_003), true, "it lives");
  assert.equal(a.pass(80_000), true, "silent");
  assert.equal(a.busy, false);
  assert.equal(a.pass(80_001), false);
});

test("a stream whose beginning was lost is asked for, and no user's message ends it", () => {
  const a = new Assembler(at);
  a.delta(piece(0, "x"), 10);
  a.message(message("no", { participantId: "mallory", participantType: "user" }));
  assert.equal(a.shown(10, () => false)[0].content, "x");
  assert.deepEqual(a.missing(1009), []);
  assert.deepEqual(a.missing(1010), ["s"]);
  a.begun(snapshot("x"), 1020);
  assert.deepEqual(a.missing(5000), []);
});

test("a stream whose owner is not known yet is ended by its owner's message alone", () => {
  const [foreign, own] = [message("no", { id: "f", participantId: "b", participantType: "agent" }), message("th", { id: "o", participantType: "agent", truncated: true })];
  for (const late of [[], [piece(1, "y")]]) {
    const a = new Assembler(at);
    a.delta(piece(0, "x"), 0);
    for (const m of [foreign, own, foreign, { ...own, content: "the end", truncated: undefined }]) a.message(m);
    assert.equal(a.shown(0, () => false)[0].content, "x", "until it is known whose it is");
    assert.deepEqual(a.shown(0, () => true), [], "never beside what may be its message");
    for (const p of late) a.delta(p, 1);
    assert.deepEqual(a.missing(1000), ["s"]);
    a.begun(begun(), 1001);
    assert.equal(a.shown(1001, () => false)[0].content, "the end");
    assert.equal(a.busy, false);
  }
  const a = new Assembler(at);
  a.delta(piece(0, "x"), 0);
  a.message(foreign);
  a.begun(begun(), 1);
  a.delta(piece(1, "y"), 2);
  assert.equal(a.shown(2, () => true)[0].content, "xy", "somebody else's does not count");
  const gone = new Assembler(at);
  assert.equal(gone.over("s"), false);
  gone.delta(piece(0, "x"), 0);
  assert.equal(gone.over("s"), false, "its message comes");
  gone.message(own);
  assert.equal(gone.over("s"), true);
  assert.equal(gone.busy, false);
});
