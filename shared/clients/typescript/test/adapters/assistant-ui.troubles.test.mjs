// What people do to a page with assistant-ui that nobody planned.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { toThreadMessages } from "../../dist/adapters/thread-messages.js";
import { drawOnServer, openThread, window } from "./assistant-ui.page.mjs";
import { startServer, until } from "./server.mjs";

let server;
before(async () => {
  server = await startServer();
});
after(async () => {
  await server?.stop();
  window.close();
});
const open = (t, id, client = server.client()) => openThread(t, client, id);
const message = (seq, more) => ({ id: `m${seq}`, seq, participantId: "bot", participantType: "agent", role: "agent", type: "text", content: "", parentId: "q", status: "sent", clientMessageId: `c${seq}`, createdAt: "2026-01-01T00:00:00Z", ...more });
const thread = (messages, streams = []) => toThreadMessages({ messages, streams, outgoing: [] }, "c");

test("on a server nothing is connected, and nothing is shown yet", () => {
  const client = server.client();
  assert.equal(drawOnServer(client, "c"), "");
  assert.equal(client.getSnapshot().state, "initialized");
});

test("an answer whose end was deleted is over, and what comes then is another", () => {
  const left = [
    message(1, { type: "tool_call", toolCalls: [{ id: "a", name: "t", arguments: {} }] }),
    message(2, { type: "tool_result", role: "tool", toolResults: [{ toolCallId: "a" }], content: "x" }),
    message(3, { isDeleted: true, parentId: undefined }),
  ];
  assert.deepEqual(thread(left.slice(0, 2)).map((m) => m.status.type), ["running"]);
  assert.deepEqual(thread(left).map((m) => m.status.type), ["complete"]);
  assert.deepEqual(thread([...left, message(4, { content: "again" })]).map((m) => m.content.length), [1, 1]);
});

test("what two people said under one id is shown, both", () => {
  const user = (seq, id, content) => message(seq, { participantType: "user", role: "user", participantId: id, clientMessageId: "same", content });
  const both = thread([user(1, "a", "mine"), user(2, "b", "mine too")]);
  assert.deepEqual(both.map((m) => [m.id, m.content[0].text]), [["same", "mine"], ["m2", "mine too"]]);
});

test("a piece that overtakes the beginning of its stream is not shown as a stranger's", () => {
  const stream = { streamId: "s", participantId: "", parts: [], content: "x", thinking: "", stopping: false, stalled: false };
  assert.deepEqual(thread([], [stream]), []);
  assert.equal(thread([], [{ ...stream, participantId: "bot" }]).length, 1);
});

test("between two steps the thread runs, and can be cancelled", async (t) => {
  const page = await open(t);
  page.thread.append('#tool shop__get_order {"order":"1042"} #tokens 60 #slow 30');
  const states = [];
  t.after(page.thread.subscribe(() => states.push(page.thread.getState().isRunning)));
  await until("the call", () => page.last()?.content.some((p) => p.type === "tool-call"));
  assert.equal(page.thread.getState().isRunning, true);
  await until("text", () => page.text());
  assert.equal(states.slice(states.indexOf(true)).includes(false), false, "it runs without a break");
  page.thread.cancelRun();
  await page.rests();
  assert.deepEqual(page.last().status, { type: "incomplete", reason: "cancelled" });
});

test("what is cancelled before anything was heard is stopped", async (t) => {
  const page = await open(t);
  page.thread.append("#tokens 400 #slow 50");
  await until("the question", async () => (await page.log()).length === 1);
  page.thread.cancelRun();
  await until("the end", async () => (await page.log())[1]?.status === "cancelled");
  await page.rests();
});

test("others are seen in between, and a message that is deleted goes", async (t) => {
  const page = await open(t);
  const bob = await server.other("bob", page);
  page.thread.append("#tokens 60 #slow 20");
  await until("some text", () => page.text());
  const { messageId } = await bob.rest.postMessage({ conversationId: page.id, content: "me too #tokens 3" });
  await until("both answers", () => page.messages().length === 4 && page.last().status?.type === "complete");
  await bob.rest.deleteMessage(messageId);
  await until("it is gone", () => page.messages().length === 3);
});

test("a conversation of somebody else is disabled", async (t) => {
  const page = await open(t);
  const stranger = await openThread(t, server.client(server.token("mallory")), page.id, "gone");
  await until("it is disabled", () => stranger.thread.getState().isDisabled);
});

test("only what a user says is sent", async (t) => {
  const page = await open(t);
  page.thread.append({ role: "assistant", content: [{ type: "text", text: "as if I were it" }] });
  page.thread.append("hello #tokens 3");
  await until("the answer", () => page.text() && page.last().status.type === "complete");
  assert.deepEqual((await page.log()).map((m) => m.participantType), ["user", "agent"]);
});
