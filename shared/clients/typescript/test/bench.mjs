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
    if (f.action === "send") send("message:sent", f.id, { messageId: `m${++seq}`, conversationId: "c", seq, clientMessageId: f.clientMessageId, createdAt: now });
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
async function timed(times, one) {
  for (let i = 0; i < 500; i++) await one();
  const started = performance.now();
  for (let i = 0; i < times; i++) await one();
  return (performance.now() - started) / times;
}
const bare = await timed(3000, () => {
  const reply = new Promise((resolve) => plain.once("message", (data) => resolve(JSON.parse(data))));
  plain.send(JSON.stringify({ action: "send", id: "r1", conversationId: "d", content: "hello", clientMessageId: "x" }));
  return reply;
});
// The plain socket's replies have used up places in the log: begin after them.
seq = conversation.getSnapshot().lastSeq;
const whole = await timed(3000, () => conversation.send("hello").done);
console.log(`send to ack: ${whole.toFixed(3)} ms, of which the client ${(whole - bare).toFixed(3)} ms`);

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
assert.ok(whole - bare < 2, `${whole - bare} ms`);
