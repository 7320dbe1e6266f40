import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { JSDOM } from "jsdom";
import { startServer, until } from "./server.mjs";

// React looks for a document when it is loaded.
const { window } = new JSDOM("<!doctype html>", { pretendToBeVisual: true, url: "http://localhost/" });
for (const name of ["window", "document", "navigator", "AbortController", "AbortSignal"]) Object.defineProperty(globalThis, name, { value: window[name], configurable: true });

let server, React, createRoot, aui, useAiwmRuntime, ChatProvider;
before(async () => {
  React = await import("react");
  ({ createRoot } = await import("react-dom/client"));
  aui = await import("@assistant-ui/react");
  ({ useAiwmRuntime } = await import("../../dist/assistant-ui.js"));
  ({ ChatProvider } = await import("../../dist/react.js"));
  server = await startServer();
});
after(async () => {
  await server?.stop();
  window.close();
});

/** A page with assistant-ui's runtime of a conversation. */
async function open(t, id) {
  const client = server.client();
  id ??= (await client.rest.createConversation({ title: "assistant-ui", agentId: "assistant" })).id;
  const page = { id, client, states: [] };
  const App = () => {
    const runtime = useAiwmRuntime(id);
    page.thread = runtime.thread;
    return React.createElement(aui.AssistantRuntimeProvider, { runtime }, React.createElement(aui.ThreadPrimitive.Messages, { components: { Message: () => React.createElement("p") } }));
  };
  const root = createRoot(document.createElement("div"));
  root.render(React.createElement(React.StrictMode, null, React.createElement(ChatProvider, { client }, React.createElement(App))));
  t.after(() => root.unmount());
  await until("the page", () => page.thread && client.conversation(id).getSnapshot().state === "joined");
  page.messages = () => page.thread.getState().messages;
  page.last = () => page.messages().at(-1);
  page.text = () => (page.last()?.role === "assistant" ? page.last().content.flatMap((p) => (p.type === "text" ? [p.text] : [])).join("") : "");
  page.rests = () => until("the end of the answer", () => page.last()?.role === "assistant" && !["running", "requires-action"].includes(page.last().status.type) && !page.thread.getState().isRunning);
  page.log = async () => (await client.rest.messages({ conversationId: id, limit: 100 })).data;
  return page;
}

test("what is said appears at once, and the answer as it is written", async (t) => {
  const page = await open(t);
  page.thread.append("Hello #tokens 60 #think 5");
  const lengths = new Set();
  t.after(page.thread.subscribe(() => lengths.add(page.text().length)));
  await until("the question", () => page.messages()[0]?.content[0].text === "Hello #tokens 60 #think 5");
  await until("the running answer", () => page.thread.getState().isRunning);
  await page.rests();
  const [question, answer] = await page.log();
  assert.deepEqual(page.messages().map((m) => [m.id, m.role]), [[question.clientMessageId, "user"], [answer.streamId, "assistant"]]);
  assert.deepEqual(page.last().content.map((p) => p.type), ["reasoning", "text"]);
  assert.equal(page.text(), answer.content);
  assert.deepEqual(page.last().status, { type: "complete", reason: "stop" });
  assert.ok(lengths.size > 3, `it came in ${lengths.size} pieces`);
});

test("a tool waits until it is allowed, on another page too", async (t) => {
  const page = await open(t);
  page.thread.append('#tool shop__get_order {"order":"1042"} #tool shop__refund_order {"order":"6001"}');
  await until("the request", () => page.last()?.status?.type === "requires-action" && page.last().content[0].result);
  const other = await open(t, page.id);
  const [read, pay] = await until("the request", () => other.last()?.content);
  assert.match(read.result, /^Order 1042/);
  assert.deepEqual([pay.args, pay.approval.approved], [{ order: "6001" }, undefined]);
  other.thread.getMessageById(other.last().id).getMessagePartByToolCallId(pay.toolCallId).respondToToolApproval({ approved: true });
  await page.rests();
  assert.equal(page.messages().length, 2);
  assert.match(page.text(), /6001 is refunded \(refund 1 of this order\)/);
  await other.rests();
  assert.deepEqual(other.last().content, page.last().content);
});

test("cancelling stops the agent, and reloading asks it again", async (t) => {
  const page = await open(t);
  page.thread.append("#tokens 400 #slow 50");
  await until("some text", () => page.text());
  page.thread.cancelRun();
  await page.rests();
  assert.deepEqual(page.last().status, { type: "incomplete", reason: "cancelled" });
  assert.equal((await page.log()).at(-1).status, "cancelled");
  const [question] = page.messages();
  page.thread.startRun({ parentId: question.id });
  await until("text of the second", () => page.messages().length === 3 && page.text());
  page.thread.cancelRun();
  await page.rests();
  assert.equal((await page.log()).length, 3);
});

test("what fails says so", async (t) => {
  const page = await open(t);
  page.thread.append("#tokens 30 #break 10");
  await page.rests();
  assert.deepEqual(page.last().status, { type: "incomplete", reason: "error", error: "The model broke off its answer." });
});
