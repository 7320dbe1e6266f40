// Everything fails at once, and at the end each client's view is the log:
//
//   npm run faults -- --messages 2000 --conversations 50 --clients 4
//
// Frames are held back and doubled, posts refused, disconnects lost; the network is cut
// again and again, and the server killed and started once. No snapshot may ever show a
// message twice, out of order, or beside its own outgoing copy. Meanwhile everybody reacts
// to messages, edits what they said and deletes some of it. With --browser the clients
// are in pages of Chromium, which are reloaded now and then.
import assert from "node:assert/strict";
import { isDeepStrictEqual, parseArgs } from "node:util";
import { ChatClient } from "../../dist/index.js";
import { Proxy } from "../support/proxy.mjs";
import { Server, sleep, theLog, token, until, WebSocket } from "../support/server.mjs";
import { Person } from "./person.mjs";

const { values } = parseArgs({
  options: {
    messages: { type: "string", default: "2000" },
    conversations: { type: "string", default: "50" },
    clients: { type: "string", default: "4" },
    seed: { type: "string" },
    browser: { type: "boolean", default: false },
  },
});
const [messages, conversations, clients] = [values.messages, values.conversations, values.clients].map(Number);
const each = Math.ceil(messages / conversations);

const flags = ["-reorder", "0.1", "-duplicate", "0.1", "-drop-disconnect", "0.1", "-throttle", "0.05", "-post-error", "0.05"];
if (values.seed) flags.push("-seed", values.seed);
const env = Object.fromEntries(["USER_MESSAGES", "JOINS", "PINGS", "READS", "WRITES", "CREATIONS", "ADDITIONS", "REACTIONS", "EDITS", "USER_CONNECTIONS", "FANOUT"].map((name) => [`LIMIT_${name}`, "0"]));
env.LOG_LEVEL = "error";

const started = Date.now();
const say = (text) => console.log(`${((Date.now() - started) / 1000).toFixed(1).padStart(6)}s  ${text}`);

const server = await Server.start({ flags, env, data: true });
const proxy = await Proxy.start(server.port);
const timing = { ackTimeout: 2000, backoffBase: 100, backoffMax: 1000, pingEvery: 3000, gapPatience: 500, rolloverAfter: 7000, rolloverJitter: 2000 };
// Half of the clients go through the network that is cut.
const options = Array.from({ length: clients }, (_, i) => {
  const { url, restUrl } = i % 2 ? proxy : server;
  return { url, restUrl, token: token(`u${i}`), timing };
});
const pages = values.browser ? await (await import("./pages.mjs")).startPages(options) : undefined;
const all = pages?.persons ?? options.map((o) => new Person(ChatClient, { ...o, WebSocket }));
const { rest } = server.client("u0");
const ids = [];
for (let i = 0; i < conversations; i++) {
  const { id } = await rest.createConversation({ title: `c${i}`, agentId: "nobody" });
  for (let u = 1; u < clients; u++) await rest.addParticipant(id, { type: "user", id: `u${u}` });
  ids.push(id);
}
for (const person of all) await person.open(ids);
await until(async () => (await Promise.all(all.map((person) => person.isIn(ids)))).every(Boolean), { within: 60_000, what: "everybody has joined" });
say(`${clients} clients have joined ${conversations} conversations${pages ? `, in ${pages.version}` : ""}`);

// A hundred messages wait at most: what is refused for that is said again.
async function saying(person, id, text) {
  for (;;) {
    const one = await person.say(id, text);
    if (one) return one;
    await sleep(50);
  }
}

let said = 0;
let changes = 0;
let troubles = 0;
const talking = ids.map(async (id, n) => {
  for (let i = 0; i < each; i++) {
    const person = all[(n + i) % clients];
    const one = await saying(person, id, `${n}.${i}`);
    if (i % 3 === 0) await sleep(Math.random() * 200); // sometimes two at once
    else await person.done(id, one);
    said++;
  }
});
let over = false;
const changing = all.map(async (person) => {
  while (!over) {
    if (await person.change(ids[Math.floor(Math.random() * ids.length)], Math.random(), Math.random())) changes++;
    await sleep(Math.random() * 60);
  }
});
const reloading = (async () => {
  while (pages && !over) {
    await sleep(2000 + Math.random() * 2000);
    if (!over) await all[Math.floor(Math.random() * clients)].reload();
  }
})();
const trouble = (async () => {
  for (let round = 0; !over; round++) {
    await sleep(1500 + Math.random() * 1500);
    if (over) return;
    troubles++;
    if (round === 2) {
      await server.kill();
      say(`the server is killed, after ${said} messages`);
      await sleep(500);
      await server.run();
    } else if (round % 3 === 1) {
      proxy.hang = true;
      await sleep(1000);
      proxy.hang = false;
      proxy.cut();
    } else {
      proxy.refuse = true;
      proxy.cut();
      await sleep(500);
      proxy.refuse = false;
    }
  }
})();
await Promise.all(talking);
over = true;
await Promise.all([trouble, reloading, ...changing]);
say(`${said} messages said, ${changes} changes of them, ${troubles} troubles${pages ? `, ${all.reduce((n, { reloads }) => n + reloads, 0)} pages reloaded` : ""}`);

// What is seen of a message. Which reactions are one's own only a read tells where an answer was lost, and of a deletion a frame does not tell when it was.
const seen = ({ isDeleted = false, reactions = [], updatedAt, edits, version, ...m }) => ({ ...m, isDeleted, edits: isDeleted ? undefined : edits, reactions: reactions.map(({ key, count }) => `${key} ${count}`) });

for (const id of ids) {
  let log, views;
  await until(async () => {
    views = await Promise.all(all.map((person) => person.view(id)));
    if (!views.every(({ lastSeq, messages, waiting }) => waiting === 0 && lastSeq >= each && messages.length >= each)) return false;
    log = (await theLog(rest, id)).map(seen);
    for (const view of views) view.messages = view.messages.map(seen);
    return views.every(({ messages }) => isDeepStrictEqual(messages, log));
  }, { within: 60_000, what: `all is sent in ${id}, and everybody has it` }).catch((e) => {
    for (const [i, { messages }] of views.entries()) assert.deepEqual(messages, log, `what u${i} sees of ${id} is the log`);
    throw e;
  });
  assert.equal(log.length, each, "each message is stored once");
  const numbers = log.map((m) => (m.isDeleted ? undefined : Number(m.content.split("~")[0].split(".")[1])));
  const left = numbers.filter((n) => n !== undefined);
  assert.equal(new Set(left).size, left.length, "nothing is said twice");
  for (let i = 0; i < clients; i++) {
    const order = numbers.filter((n, at) => n !== undefined && log[at].participantId === `u${i}`);
    assert.deepEqual(order, order.toSorted((a, b) => a - b), `what u${i} says is stored in the order in which it was said`);
  }
}
const found = await Promise.all(all.map((person) => person.found()));
assert.deepEqual(found.flatMap(({ faults }) => faults), []);
if (pages) assert.deepEqual(await pages.kept(), [], "nothing is left to be sent");
say(`${clients} views of ${conversations} conversations are the log; ${found.reduce((n, { snapshots }) => n + snapshots, 0)} snapshots, none with a message lost, doubled or out of order`);
await Promise.all(all.map((person) => person.close()));
await pages?.close();
await server.close();
await proxy.close();
