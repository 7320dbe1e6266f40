// How fast the store takes messages, and what the client adds to a send. The figures are
// printed; the bounds are ten times worse than what a slow machine measured.
import assert from "node:assert/strict";
import WebSocket from "ws";
import { WebSocketServer } from "ws";
import { ChatClient } from "../dist/index.js";

// A server that answers at once, so that what is measured is the client.
const server = new WebSocketServer({ port: 0, host: "127.0.0.1", handleProtocols: () => "bearer" });
let seq = 0;
const now = "2026-01-01T00:00:00.000Z";
const message = (n) => ({ id: `m${n}`, conversationId: "c", seq: n, participantId: "b", participantType: "user", role: "user", type: "text", content: `message ${n}`, status: "sent", clientMessageId: `x${n}`, createdAt: now, updatedAt: now });
server.on("connection", (socket) => {
  const send = (event, id, data) => socket.send(JSON.stringify({ event, id, data, timestamp: now }));
  send("connected", undefined, { connectionId: "1", type: "user", userId: "a" });
  socket.on("message", (text) => {
    const f = JSON.parse(text);
    if (f.action === "join") send("conversation:joined", f.id, { conversationId: "c", lastSeq: seq, members: [], memberCount: 0, agentOnline: false });
    if (f.action === "send") {
      const n = f.conversationId === "c" ? ++seq : 1;
      send("message:sent", f.id, { messageId: `m${n}`, conversationId: f.conversationId, seq: n, clientMessageId: f.clientMessageId, createdAt: now });
    }
    if (f.action === "leave") for (let i = 0; i < 20_000; i++) send("message:new", undefined, message(++seq)); // the flood
  });
});
await new Promise((resolve) => server.once("listening", resolve));
const { port } = server.address();
const client = new ChatClient({ url: `ws://127.0.0.1:${port}`, restUrl: "http://127.0.0.1:1", getToken: () => "t", WebSocket });
const conversation = client.conversation("c");
conversation.open();
client.connect();
const until = async (condition) => {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 1));
};
await until(() => conversation.getSnapshot().state === "joined" && client.getSnapshot().me);

// What a socket alone takes for the same.
const plain = new WebSocket(`ws://127.0.0.1:${port}`, ["bearer"]);
await new Promise((resolve) => plain.once("message", resolve));
const bare = () => {
  const reply = new Promise((resolve) => plain.once("message", (data) => resolve(JSON.parse(data))));
  plain.send(JSON.stringify({ action: "send", id: "r1", conversationId: "d", content: "hello", clientMessageId: "x" }));
  return reply;
};
const whole = () => conversation.send("hello").done;
// In turns, so that whatever else the machine does meets both.
const times = { bare: [], whole: [] };
for (let i = 0; i < 4000; i++) {
  for (const [name, one] of [["bare", bare], ["whole", whole]]) {
    const started = performance.now();
    await one();
    if (i >= 1000) times[name].push(performance.now() - started);
  }
}
const median = (all) => all.sort((a, b) => a - b)[all.length >> 1];
const [alone, ours] = [median(times.bare), median(times.whole)];
console.log(`send to ack, medians: ${ours.toFixed(3)} ms, a socket alone ${alone.toFixed(3)} ms, so the client ${(ours - alone).toFixed(3)} ms`);

let snapshots = 0;
conversation.subscribe(() => {
  snapshots++;
  conversation.getSnapshot();
});
const begin = conversation.getSnapshot().messages.length;
const started = performance.now();
client.conversation("c");
[...server.clients][0].emit("message", JSON.stringify({ action: "leave" }));
await until(() => conversation.getSnapshot().messages.length === begin + 20_000);
const rate = 20_000 / ((performance.now() - started) / 1000);
console.log(`${Math.round(rate)} messages a second through the store, ${snapshots} snapshots, ${conversation.getSnapshot().messages.length} messages shown`);
client.close();
plain.terminate();
server.close();
assert.ok(rate > 500, `${rate} messages a second`);
assert.ok(ours - alone < 2, `${ours - alone} ms`);
