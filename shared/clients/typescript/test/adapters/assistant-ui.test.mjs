import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { openThread, window } from "./assistant-ui.page.mjs";
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

test("what is edited is shown as it is then, on the page and after a reload", async (t) => {
  const page = await open(t);
  page.thread.append("hello #tokens 3");
  await until("the answer", () => page.text() && page.last().status.type === "complete");
  const [question] = await page.log();
  await page.client.rest.editMessage(question.id, { content: "hello, edited", edits: 0 });
  const first = (p) => p.messages()[0]?.content[0]?.text;
  await until("the new text", () => first(page) === "hello, edited");
  const again = await open(t, page.id, server.client());
  await until("the new text after a reload", () => first(again) === "hello, edited");
  assert.equal(page.messages().length, 2);
});

test("what fails says so", async (t) => {
  const page = await open(t);
  page.thread.append("#tokens 30 #break 10");
  await page.rests();
  assert.deepEqual(page.last().status, { type: "incomplete", reason: "error", error: "The model broke off its answer." });
});
