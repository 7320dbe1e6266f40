// Everything fails at once, and at the end each client's view is the log:
//
//   npm run faults -- --messages 2000 --conversations 50 --clients 4
//
// Frames are held back and doubled, posts refused, disconnects lost; the network is cut
// again and again, and the server killed and started once. No snapshot may ever show a
// message twice, out of order, or beside its own outgoing copy. With --browser the clients
// are in pages of Chromium, which are reloaded now and then.
import assert from "node:assert/strict";
import { parseArgs } from "node:util";
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
const env = Object.fromEntries(["USER_MESSAGES", "JOINS", "PINGS", "READS", "WRITES", "CREATIONS", "ADDITIONS", "USER_CONNECTIONS", "FANOUT"].map((name) => [`LIMIT_${name}`, "0"]));
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
await Promise.all([trouble, reloading]);
say(`${said} messages said, ${troubles} troubles${pages ? `, ${all.reduce((n, { reloads }) => n + reloads, 0)} pages reloaded` : ""}`);

for (const id of ids) {
  const views = await until(async () => {
    const views = await Promise.all(all.map((person) => person.view(id)));
    return views.every(({ lastSeq, messages, waiting }) => waiting === 0 && lastSeq >= each && messages.length >= each) && views;
  }, { within: 60_000, what: `all is sent in ${id}, and everybody has it` });
  const log = await theLog(rest, id);
  assert.equal(log.length, each, "each message is stored once");
  assert.deepEqual(log.map((m) => m.content).sort(), Array.from({ length: each }, (_, i) => `${ids.indexOf(id)}.${i}`).sort());
  for (const [i, { messages }] of views.entries()) {
    const order = log.filter((m) => m.participantId === `u${i}`).map((m) => Number(m.content.split(".")[1]));
    assert.deepEqual(order, order.toSorted((a, b) => a - b), `what u${i} says is stored in the order in which it was said`);
    assert.deepEqual(messages, log, `what u${i} sees of ${id} is the log`);
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
