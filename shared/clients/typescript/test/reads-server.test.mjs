// What is read, and what is not, on a real server: on two devices of one person, and for those who talk with them.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Proxy } from "./support/proxy.mjs";
import { Server, sleep, token, until, WebSocket } from "./support/server.mjs";
import { ChatClient } from "../dist/index.js";

let server;
before(async () => void (server = await Server.start({ env: Object.fromEntries(["USER_MESSAGES", "READS", "MARKS", "JOINS"].map((name) => [`LIMIT_${name}`, "0"])) })));
after(() => server.close());

/** Ann with two devices and Bob, in conversations that both take part in; who is in the room is said by open. */
async function talk(n = 1) {
  const people = { phone: server.client("ann"), desk: server.client("ann"), bob: server.client("bob") };
  const ids = [];
  for (let i = 0; i < n; i++) {
    const { id } = await people.bob.rest.createConversation({ title: `t${i}`, agentId: "nobody" });
    await people.bob.rest.addParticipant(id, { type: "user", id: "ann" });
    ids.push(id);
  }
  for (const client of Object.values(people)) client.connect();
  await until(() => Object.values(people).every((client) => client.getSnapshot().me));
  const close = () => Object.values(people).forEach((client) => client.close());
  return { ...people, ids, id: ids[0], close };
}
const open = async (client, id) => {
  const c = client.conversation(id);
  c.open();
  await until(() => c.getSnapshot().state === "joined");
  return c;
};
const said = async (c, ...texts) => {
  let last;
  for (const text of texts) last = await c.send(text).done;
  return last;
};
const count = (unread, id) => unread.getSnapshot()[id]?.count;
const ofServer = async (client, id) => (await client.rest.getConversation(id)).unread.count;

test("what one device reads is read on the other, and whoever wrote it learns of it", async () => {
  const { phone, desk, bob, id, close } = await talk();
  const [p, d, b] = [await open(phone, id), await open(desk, id), await open(bob, id)];
  const [here, there] = [await phone.unread(), await desk.unread()];
  await b.loadReads();
  await d.loadReads();
  await said(b, "one", "two", "three");
  await until(() => count(here, id) === 3 && count(there, id) === 3);
  await until(() => p.getSnapshot().messages.length === 3);
  p.read(2);
  await until(() => count(here, id) === 1 && count(there, id) === 1);
  await until(() => b.getSnapshot().reads.others["user:ann"] === 2);
  p.read();
  assert.equal(count(here, id), 0, "it is shown at once");
  await until(() => count(there, id) === 0 && d.getSnapshot().reads.upTo === 3);
  await until(() => b.getSnapshot().reads.others["user:ann"] === 3);
  d.unread(2);
  await until(() => count(here, id) === 2 && p.getSnapshot().reads.upTo === 1);
  assert.equal(b.getSnapshot().reads.others["user:ann"], 3, "they alone learn of it");
  close();
});

test("what is read privately the others do not learn of, until it is read for all", async () => {
  const { phone, desk, bob, id, close } = await talk();
  const [p, b] = [await open(phone, id), await open(bob, id)];
  const there = await desk.unread();
  await b.loadReads();
  await said(b, "one", "two");
  await until(() => p.getSnapshot().messages.length === 2);
  p.read(2, { private: true });
  await until(() => count(there, id) === 0);
  assert.equal(b.getSnapshot().reads.others["user:ann"] ?? 0, 0);
  p.read(2);
  await until(() => b.getSnapshot().reads.others["user:ann"] === 2);
  close();
});

test("to read beside what is being sent leaves exactly what came after the mark", async () => {
  const { phone, desk, bob, id, close } = await talk();
  const [p, b] = [await open(phone, id), await open(bob, id)];
  const unreads = [await phone.unread(), await desk.unread()];
  const sending = said(b, ...Array.from({ length: 40 }, (_, i) => `m${i}`));
  await until(() => p.getSnapshot().messages.length > 10);
  for (const end = Date.now() + 1500; Date.now() < end; await sleep(20)) p.read();
  await sending;
  await until(() => p.getSnapshot().messages.length === 40);
  p.read(37);
  for (const u of unreads) await until(() => count(u, id) <= 3);
  await sleep(1200); // whatever was on its way
  const mark = p.getSnapshot().reads.upTo;
  for (const u of unreads) assert.equal(count(u, id), 40 - mark);
  assert.equal(await ofServer(phone, id), 40 - mark);
  close();
});

test("what is unread is known outside the room, after a reload, and changes with what is deleted", async () => {
  const { phone, bob, ids, close } = await talk(3);
  const unread = await phone.unread();
  const b = await Promise.all(ids.map((id) => open(bob, id)));
  const gone = await said(b[0], "one", "two");
  await said(b[1], "three");
  await until(() => count(unread, ids[0]) === 2 && count(unread, ids[1]) === 1 && count(unread, ids[2]) === 0);
  phone.conversation(ids[0]).read(1); // also where one is not in the room
  await until(() => count(unread, ids[0]) === 1);
  const reloaded = server.client("ann");
  reloaded.connect();
  const again = await reloaded.unread();
  await until(() => again.getSnapshot()[ids[2]]);
  assert.deepEqual(ids.map((id) => count(again, id)), [1, 1, 0]);
  const c = await open(reloaded, ids[0]);
  await c.loadReads();
  assert.equal(c.getSnapshot().reads.upTo, 1);
  await b[0].deleteMessage(gone.id);
  await until(() => count(again, ids[0]) === 0);
  const { id } = await bob.rest.createConversation({ title: "new", agentId: "nobody" });
  await bob.rest.addParticipant(id, { type: "user", id: "ann" });
  await said(await open(bob, id), "hello");
  await until(() => count(unread, id) === 1 && count(again, id) === 1);
  await bob.rest.deleteConversation(id);
  await until(() => !(id in unread.getSnapshot()));
  close();
});

test("what is read and written while one device is cut off is right on both when it is back", async () => {
  const proxy = await Proxy.start(server.port);
  const { desk, bob, id, close } = await talk();
  const phone = new ChatClient({ url: proxy.url, restUrl: proxy.restUrl, getToken: () => token("ann"), WebSocket, timing: { backoffBase: 50, backoffMax: 200, ackTimeout: 1000 } });
  phone.connect();
  const [p, b] = [await open(phone, id), await open(bob, id)];
  const [here, there] = [await phone.unread(), await desk.unread()];
  await said(b, "one", "two", "three");
  await until(() => p.getSnapshot().messages.length === 3 && count(here, id) === 3);
  proxy.refuse = true;
  proxy.cut();
  await until(() => phone.getSnapshot().state !== "connected");
  p.read(1);
  p.read(2);
  await until(() => p.getSnapshot().reads?.upTo === 2);
  await said(b, "four");
  await until(() => count(there, id) === 4);
  proxy.refuse = false;
  await until(() => count(here, id) === 2 && count(there, id) === 2);
  assert.equal(await ofServer(desk, id), 2);
  phone.close();
  await proxy.close();
  close();
});

test("whatever two devices read and mark as unread while others write, both count what the server does", async () => {
  const { phone, desk, bob, ids, close } = await talk(4);
  const devices = [phone, desk];
  const counts = await Promise.all(devices.map((client) => client.unread()));
  const rooms = await Promise.all(ids.map((id) => open(bob, id)));
  await Promise.all(devices.map((client) => open(client, ids[0]))); // of the others they hear from outside
  let seed = 7;
  const any = (n) => (seed = (seed * 48271) % 2147483647) % n;
  for (let i = 0; i < 150; i++) {
    const k = any(4);
    const c = devices[any(2)].conversation(ids[k]);
    const head = rooms[k].getSnapshot().lastSeq;
    if (any(2)) await said(rooms[k], `m${i}`);
    else if (any(3)) c.read(any(head + 1) + 1);
    else c.unread(any(head + 1) + 1);
    if (any(12) === 0) {
      const last = rooms[k].getSnapshot().messages.findLast((m) => !m.isDeleted);
      if (last) await rooms[k].deleteMessage(last.id);
    }
    await sleep(any(40));
  }
  await sleep(3000); // marks go once a second
  for (const id of ids) {
    const { unread } = await phone.rest.getConversation(id);
    for (const u of counts) await until(() => count(u, id) === unread.count, { within: 10_000, what: `${count(u, id)} are shown, ${unread.count} are unread` });
  }
  close();
});
