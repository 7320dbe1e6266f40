import assert from "node:assert/strict";
import { test } from "node:test";
import { Log } from "../dist/log.js";

const m = (seq, more = {}) => ({ id: `m${seq}`, seq, content: `c${seq}`, clientMessageId: `x${seq}`, ...more });
const seqs = (log) => log.messages.map((m) => m.seq);

const cases = [
  { name: "in order", base: 0, add: [1, 2, 3], shows: [1, 2, 3] },
  { name: "overtaken", base: 0, add: [3, 1, 2], shows: [1, 2, 3] },
  { name: "doubled", base: 0, add: [1, 1, 2, 2, 1], shows: [1, 2] },
  { name: "a gap is waited for", base: 0, add: [1, 3, 4], shows: [1], head: 4 },
  { name: "older than where it begins", base: 5, add: [3, 6, 5], shows: [6] },
  { name: "before it is known where to begin", add: [7, 6], shows: [], head: 7 },
];
for (const { name, base, add, shows, head = shows.at(-1) } of cases) {
  test(name, () => {
    const log = new Log();
    if (base !== undefined) log.base(base);
    for (const seq of add) log.add(m(seq));
    assert.deepEqual(seqs(log), shows);
    assert.equal(log.head, head);
  });
}

test("what came before the base is shown with it", () => {
  const log = new Log();
  for (const seq of [4, 6, 7]) log.add(m(seq));
  log.base(5);
  assert.deepEqual(seqs(log), [6, 7]);
  log.base(0);
  assert.equal(log.first, 6, "only the first base counts");
});

test("the same array while nothing changed, and never a changed one", () => {
  const log = new Log();
  log.base(0);
  log.add(m(1));
  const one = log.messages;
  log.add(m(1));
  assert.equal(log.messages, one);
  log.add(m(2));
  assert.equal(one.length, 1);
  assert.throws(() => one.push(m(9)));
});

test("older pages only where they end where the log begins", () => {
  const log = new Log();
  log.base(5);
  log.add(m(6));
  assert.equal(log.prepend([m(2), m(3)]), false);
  assert.equal(log.prepend([m(3), m(5)]), false);
  assert.equal(log.prepend([]), false);
  assert.equal(log.prepend([m(3), m(4), m(5), m(6)]), true);
  assert.deepEqual(seqs(log), [3, 4, 5, 6]);
});

test("deleted: in place, before it comes, aside, and in an older page", () => {
  const log = new Log();
  log.base(2);
  log.add(m(3, { content: "secret", attachments: ["https://x"] }));
  assert.equal(log.delete(3), true);
  assert.equal(log.delete(3), false);
  log.delete(4);
  log.add(m(4));
  log.add(m(6));
  log.delete(6);
  log.add(m(5));
  log.delete(2);
  log.prepend([m(1), m(2)]);
  assert.deepEqual(log.messages.map((m) => [m.seq, m.content, m.isDeleted ?? false]), [[1, "c1", false], [2, "", true], [3, "", true], [4, "", true], [5, "c5", false], [6, "", true]]);
  assert.equal(log.messages[2].attachments, undefined);
  log.add(m(3, { content: "secret" }));
  assert.equal(log.messages[2].content, "", "it never comes back");
});

test("one that was cut is replaced by the whole, and not the other way round", () => {
  const log = new Log();
  log.base(0);
  log.add(m(1, { truncated: true, content: "c" }));
  assert.equal(log.add(m(1)), true);
  assert.equal(log.add(m(1, { truncated: true, content: "c" })), false);
  assert.equal(log.messages[0].content, "c1");
});

test("what is kept aside has an end, and the next one is always taken", () => {
  const log = new Log();
  log.base(0);
  for (let seq = 5000; seq > 0; seq--) log.add(m(seq));
  assert.equal(log.last >= 1, true);
  assert.equal(log.head, 5000);
});

test("what is no place in a log is none", () => {
  const log = new Log();
  log.base(0);
  for (const seq of [undefined, null, NaN, Infinity, -1, 1.5, "2", 2 ** 53]) {
    assert.equal(log.add(m(seq)), false, `${seq}`);
    assert.equal(log.reaches(seq), false, `${seq}`);
    assert.equal(log.delete(seq), false, `${seq}`);
  }
  assert.equal(log.head, 0);
  assert.equal(log.reaches(3), true);
  assert.equal(log.reaches(3), false);
});
