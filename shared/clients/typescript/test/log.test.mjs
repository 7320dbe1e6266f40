import assert from "node:assert/strict";
import { test } from "node:test";
import { Log } from "../dist/log.js";
import { deleted, reactionsOf } from "../dist/merged.js";

const m = (seq, more = {}) => ({ id: `m${seq}`, seq, content: `c${seq}`, clientMessageId: `x${seq}`, ...more });
const gone = (seq, more = {}) => deleted({ seq, version: 1, ...more });
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
  assert.equal(log.add(gone(3)), true);
  assert.equal(log.add(gone(3)), false);
  log.add(gone(4));
  log.add(m(4));
  log.add(m(6));
  log.add(gone(6));
  log.add(m(5));
  log.add(gone(2));
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
    assert.equal(log.add(gone(seq)), false, `${seq}`);
  }
  assert.equal(log.head, 0);
  assert.equal(log.reaches(3), true);
  assert.equal(log.reaches(3), false);
});

const reacted = (seq, reactionVersion, ...keys) => reactionsOf({ seq, reactionVersion, reactions: keys.map((k) => (k.endsWith("!") ? { key: k.slice(0, -1), count: 1, mine: true } : { key: k, count: 1 })) });
const shownOf = (log) => log.messages.map(({ seq, content, isDeleted, reactions = [] }) => [seq, isDeleted ? "gone" : content, reactions.map((r) => r.key + (r.mine ? "!" : "")).join("")]);

test("edits and reactions: the larger version of each counts, also before the message comes", () => {
  const log = new Log();
  log.base(2);
  log.add(reacted(3, 2, "a", "b"));
  log.add(reacted(3, 1, "a"));
  log.add(m(4, { version: 2, edits: 2, content: "second" }));
  log.add(m(3));
  log.add(m(4, { version: 1, edits: 1, content: "first", reactions: [{ key: "x", count: 1 }], reactionVersion: 1 }));
  log.add(m(4));
  assert.deepEqual(shownOf(log), [[3, "c3", "ab"], [4, "second", "x"]]);
  assert.equal(log.messages[1].edits, 2);
  const shown = log.messages;
  assert.equal(log.add(m(4, { version: 1, content: "first" })), false);
  assert.equal(log.messages, shown, "what is old changes nothing");
  log.add(reacted(4, 2));
  assert.equal("reactions" in log.messages[1], false, "none are none, as over REST");
  log.add(m(2, { version: 1, content: "edited while the page was read" }));
  log.prepend([m(1), m(2)]);
  assert.equal(log.messages[1].content, "edited while the page was read");
});

test("which reactions are mine only answers to me say; what the room is told does not change it", () => {
  const log = new Log();
  log.base(0);
  log.add(m(1));
  log.add(reacted(1, 1, "a!"), true);
  log.add(reacted(1, 2, "a", "b"));
  assert.deepEqual(shownOf(log), [[1, "c1", "a!b"]]);
  log.add(reacted(1, 3, "a", "b!"), true);
  assert.deepEqual(shownOf(log), [[1, "c1", "ab!"]]);
  log.add(reacted(1, 2, "a!", "b"), true);
  assert.deepEqual(shownOf(log), [[1, "c1", "ab!"]], "an answer that is late");
  log.add(reacted(1, 3, "a", "b"));
  assert.deepEqual(shownOf(log), [[1, "c1", "ab!"]], "the room is told the same");
});

test("whatever order frames come in, and however often, the log is the same", () => {
  let seed = 7;
  const random = (n) => (seed = (seed * 1103515245 + 12345) % 2147483648) % n;
  for (let round = 0; round < 300; round++) {
    // What happens to some messages, and each frame and answer that tells of it, as it was then.
    const told = [];
    const read = random(2);
    const state = new Map();
    for (let seq = 1; seq <= 6; seq++) {
      const was = { ...m(seq), createdAt: "0", updatedAt: "0" };
      state.set(seq, was);
      told.push([was]);
    }
    for (let n = 0; n < 15; n++) {
      const seq = 1 + random(6);
      let now = { ...state.get(seq) };
      if (now.isDeleted) continue;
      const what = random(5);
      if (what === 0) {
        now = { id: now.id, seq, content: "", clientMessageId: now.clientMessageId, createdAt: "0", isDeleted: true, updatedAt: `${n + 1}`, version: (now.version ?? 0) + 1, ...(now.edits && { edits: now.edits }), ...(now.reactionVersion && { reactionVersion: now.reactionVersion }) };
        told.push([gone(seq, { version: now.version })]);
        if (read) told.push([now, true]);
      } else if (what === 1) {
        now.version = now.edits = (now.version ?? 0) + 1;
        now.content = `edit ${n}`;
        now.updatedAt = `${n + 1}`;
        told.push([{ ...now, ...(now.reactions && { reactions: now.reactions.map(({ key, count }) => ({ key, count })) }) }], [now, true]);
      } else {
        now.reactionVersion = (now.reactionVersion ?? 0) + 1;
        now.reactions = ["a", "b", "c"].filter(() => random(2)).map((key) => ({ key, count: 1 + random(3), ...(random(2) && { mine: true }) }));
        const { reactionVersion, reactions } = now;
        told.push([reactionsOf({ seq, reactionVersion, reactions: reactions.map(({ key, count }) => ({ key, count })) })], [reactionsOf({ seq, reactionVersion, reactions }), true]);
        if (reactions.length === 0) delete now.reactions;
      }
      state.set(seq, now);
    }
    const [one, another] = [0, 1].map(() => {
      const log = new Log();
      const frames = told.flatMap((t) => (random(3) ? [t] : [t, t])).map((t) => [random(1 << 20), t]).sort(([a], [b]) => a - b);
      const at = random(frames.length);
      frames.forEach(([, [frame, own]], i) => {
        if (i === at) log.base(random(4));
        log.add(frame, own);
      });
      if (log.first > 1) log.prepend(told.slice(0, log.first - 1).map(([m]) => m)); // a page that was asked of a database that is behind
      return log.messages;
    });
    assert.deepEqual(one, another, `round ${round}`);
    if (read) assert.deepEqual(one, [...state.values()], `round ${round}`);
  }
});
