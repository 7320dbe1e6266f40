import assert from "node:assert/strict";
import { test } from "node:test";
import { Outbox } from "../dist/outbox.js";
import { defaults } from "../dist/timing.js";
import { sleep, until } from "./support/fake.mjs";

// A browser's localStorage, in memory.
class Store {
  #all = new Map();
  get length() {
    return this.#all.size;
  }
  key = (i) => [...this.#all.keys()].reverse()[i] ?? null; // in any order
  getItem = (k) => this.#all.get(k) ?? null;
  setItem = (k, v) => void this.#all.set(k, String(v));
  removeItem = (k) => void this.#all.delete(k);
}

// A host without a connection.
const host = (more = {}) => ({ timing: defaults, rest: undefined, link: undefined, me: undefined, storage: undefined, storageKey: "k", outgoing() {}, came() {}, ...more });

test("a hundred wait, the next one fails at once and says so", async () => {
  const box = new Outbox(host());
  for (let i = 0; i < 100; i++) assert.equal(box.add("c", { content: `${i}` }).status, "queued");
  const over = box.add("c", { content: "one too many" });
  assert.equal(over.status, "failed");
  await assert.rejects(over.done, { code: "queue_full", retryable: true });
  assert.deepEqual(box.of("c").slice(0, 100).map((o) => o.content), Array.from({ length: 100 }, (_, i) => `${i}`));
});

test("taken back", async () => {
  const box = new Outbox(host());
  const { clientMessageId, done } = box.add("c", { content: "x" });
  box.discard(clientMessageId);
  await assert.rejects(done, { code: "discarded" });
  assert.deepEqual(box.of("c"), []);
  box.discard("nothing");
});

test("a reload finds what was queued, in its order, and whose it was", async () => {
  const storage = new Store();
  const mine = { storage, me: { type: "user", id: "u1" } };
  const before = new Outbox(host(mine));
  const ids = ["one", "two", "three"].map((content) => before.add("c", { content, attachments: ["https://x"] }).clientMessageId);
  before.add("d", { content: "elsewhere" });
  before.discard(ids[1]);

  const after = new Outbox(host(mine));
  after.add("c", { content: "four" });
  after.flush();
  await until(() => after.of("c").length > 1);
  assert.deepEqual(after.of("c").map((o) => o.content), ["one", "three", "four"]);
  assert.equal(after.of("c")[0].clientMessageId, ids[0]);
  assert.deepEqual(after.of("c")[0].input, { content: "one", attachments: ["https://x"] });
  assert.equal(after.of("d").length, 1);

  const others = new Outbox(host({ storage, me: { type: "user", id: "u2" } }));
  others.flush();
  await sleep(50);
  assert.deepEqual(others.of("c"), []);
});

test("what was said before it is known who is connected is theirs from then on", () => {
  const storage = new Store();
  const h = host({ storage });
  const box = new Outbox(h);
  box.add("c", { content: "early" });
  assert.equal(storage.key(0).startsWith("k:?:"), true);
  h.me = { type: "user", id: "u1" };
  box.identified({}, h.me);
  assert.equal(storage.length, 1);
  assert.equal(storage.key(0).startsWith("k:user:u1:"), true);
});

test("a storage that is full or broken is as none", () => {
  const broken = { length: 1, key: () => "k:user:u1:x", getItem: () => "{", setItem: () => { throw new Error("full"); }, removeItem: () => { throw new Error("no"); } };
  const box = new Outbox(host({ storage: broken, me: { type: "user", id: "u1" } }));
  box.add("c", { content: "x" });
  box.flush();
  assert.equal(box.of("c").length, 1);
});

test("the server's word that it is stored, and the log, end it: in whatever order", async () => {
  const told = [];
  const box = new Outbox(host({ me: { type: "user", id: "u1" }, outgoing: (id, m) => m && told.push(m) }));
  const { clientMessageId, done } = box.add("c", { content: "x" });
  box.acknowledged({ messageId: "m", conversationId: "other", seq: 4, clientMessageId, createdAt: "t" });
  box.seen({ id: "m", conversationId: "c", seq: 4, participantId: "u2", participantType: "user", clientMessageId });
  box.seen({ id: "m", conversationId: "c", seq: 4, participantId: "u1", participantType: "agent", clientMessageId });
  assert.equal(told.length, 0, "of somebody else, or another conversation");
  box.acknowledged({ messageId: "m", conversationId: "c", seq: 4, clientMessageId, createdAt: "t" });
  box.seen({ id: "m", conversationId: "c", seq: 4, participantId: "u1", participantType: "user", clientMessageId });
  assert.deepEqual(await done, told[0]);
  assert.equal(told.length, 1);
  assert.equal(box.of("c").length, 1, "until the log shows it");
  box.settle("c", 3);
  assert.equal(box.of("c").length, 1);
  box.settle("c", 4);
  assert.equal(box.of("c").length, 0);
});
