// Everything fails at once, and at the end each client's view is the log:
//
//   npm run faults -- --messages 2000 --conversations 50 --clients 4
//
// Frames are held back and doubled, posts refused, disconnects lost; the network is cut
// again and again, and the server killed and started once. No snapshot may ever show a
// message twice, out of order, or beside its own outgoing copy.
import assert from "node:assert/strict";
import { parseArgs } from "node:util";
import { Proxy } from "../support/proxy.mjs";
import { Server, sleep, theLog, until, watch } from "../support/server.mjs";

const { values } = parseArgs({
  options: {
    messages: { type: "string", default: "2000" },
    conversations: { type: "string", default: "50" },
    clients: { type: "string", default: "4" },
    seed: { type: "string" },
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
const all = Array.from({ length: clients }, (_, i) => server.client(`u${i}`, { timing, ...(i % 2 ? { url: proxy.url, restUrl: proxy.restUrl } : {}) }));
const ids = [];
for (let i = 0; i < conversations; i++) {
  const { id } = await all[0].rest.createConversation({ title: `c${i}`, agentId: "nobody" });
  for (let u = 1; u < clients; u++) await all[0].rest.addParticipant(id, { type: "user", id: `u${u}` });
  ids.push(id);
}
const faults = [];
let snapshots = 0;
for (const client of all) {
  for (const id of ids) {
    const c = client.conversation(id);
    faults.push(watch(c));
    c.subscribe(() => snapshots++);
    c.open();
  }
  client.connect();
}
await until(() => all.every((client) => ids.every((id) => client.conversation(id).getSnapshot().state === "joined")), { within: 60_000, what: "everybody has joined" });
say(`${clients} clients have joined ${conversations} conversations`);

// A hundred messages wait at most: what is refused for that is said again.
async function saying(conversation, text) {
  for (;;) {
    const one = conversation.send(text);
    if (one.error?.code !== "queue_full") return one;
    conversation.discard(one.clientMessageId);
    await sleep(50);
  }
}

let said = 0;
let troubles = 0;
const talking = ids.map(async (id, n) => {
  for (let i = 0; i < each; i++) {
    const one = await saying(all[(n + i) % clients].conversation(id), `${n}.${i}`);
    if (i % 3 === 0) await sleep(Math.random() * 200); // sometimes two at once
    else await one.done;
    said++;
  }
});
let over = false;
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
await trouble;
say(`${said} messages said, ${troubles} troubles`);

const reader = server.client("u0").rest;
for (const id of ids) {
  await until(() => all.every((client) => client.conversation(id).getSnapshot().outgoing.length === 0), { within: 60_000, what: `all is sent in ${id}` });
  const log = await theLog(reader, id);
  assert.equal(log.length, each, "each message is stored once");
  assert.deepEqual(log.map((m) => m.content).sort(), Array.from({ length: each }, (_, i) => `${ids.indexOf(id)}.${i}`).sort());
  for (const [i, client] of all.entries()) {
    const order = log.filter((m) => m.participantId === `u${i}`).map((m) => Number(m.content.split(".")[1]));
    assert.deepEqual(order, order.toSorted((a, b) => a - b), `what u${i} says is stored in the order in which it was said`);
    const c = client.conversation(id);
    await until(() => c.getSnapshot().lastSeq >= each && c.getSnapshot().messages.length >= each, { within: 60_000, what: `u${i} has all of ${id}` });
    assert.deepEqual(c.getSnapshot().messages, log, `what u${i} sees of ${id} is the log`);
  }
}
assert.deepEqual(faults.flat(), []);
say(`${clients} views of ${conversations} conversations are the log; ${snapshots} snapshots, none with a message lost, doubled or out of order`);
await server.close();
await proxy.close();
