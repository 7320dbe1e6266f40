import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { openAgent, plain } from "./ag-ui.page.mjs";
import { startServer, until } from "./server.mjs";

let server;
before(async () => {
  server = await startServer();
});
after(() => server?.stop());

const page = (threadId, client = server.client()) => openAgent(client, threadId);

test("a run is its answer, piece by piece, with its reasoning", async () => {
  const p = await page();
  const { newMessages } = await p.ask("Hello #tokens 60 #think 10");
  assert.deepEqual(p.types(), [
    "RUN_STARTED",
    "REASONING_START",
    "REASONING_MESSAGE_START",
    "REASONING_MESSAGE_CONTENT",
    "REASONING_MESSAGE_END",
    "REASONING_END",
    "TEXT_MESSAGE_START",
    "TEXT_MESSAGE_CONTENT",
    "TEXT_MESSAGE_END",
    "RUN_FINISHED",
  ]);
  const pieces = p.events.filter((e) => e.type === "TEXT_MESSAGE_CONTENT");
  assert.ok(pieces.length > 3, `it came in ${pieces.length} pieces`);
  const [question, answer] = await p.log();
  assert.equal(pieces.map((e) => e.delta).join(""), answer.content);
  assert.equal(question.clientMessageId, p.agent.messages[0].id);
  assert.deepEqual(newMessages.map((m) => m.role), ["reasoning", "assistant"]);
  assert.deepEqual(plain(p.agent.messages), plain(await p.history()));
  assert.deepEqual([p.last().outcome, p.last().usage[0].totalTokens], [{ type: "success" }, answer.usage.totalTokens]);
});

test("what asks to be allowed interrupts the run, and it is resumed", async () => {
  const p = await page();
  await p.ask('#tool shop__get_order {"order":"1042"} #tool shop__refund_order {"order":"4001"} #tool shop__refund_order {"order":"4002"}');
  const interrupts = p.agent.pendingInterrupts;
  assert.deepEqual(interrupts.map((i) => i.reason), ["tool_approval", "tool_approval"]);
  assert.ok(Date.parse(interrupts[0].expiresAt) > Date.now());
  assert.deepEqual(plain(p.agent.messages), plain(await p.history()));

  const resume = interrupts.map((i, n) => ({ interruptId: i.id, status: n === 0 ? "resolved" : "cancelled", payload: n === 0 ? { approved: true, arguments: { order: "4003" } } : undefined }));
  await p.agent.runAgent({ resume });
  assert.deepEqual(p.agent.pendingInterrupts, []);
  const results = p.agent.messages.filter((m) => m.role === "tool").map((m) => m.content);
  assert.match(results[0], /^Order 1042/);
  assert.deepEqual(results.slice(1), ["Order 4003 is refunded (refund 1 of this order).", "The user did not allow this call. It was not made."]);
  assert.deepEqual(plain(p.agent.messages), plain(await p.history()));

  await p.ask("thank you");
  assert.deepEqual(plain(p.agent.messages), plain(await p.history()));
});

test("abortRun stops the agent", async () => {
  const p = await page();
  const asked = p.ask("#tokens 400 #slow 50");
  await until("some text", () => p.events.some((e) => e.type === "TEXT_MESSAGE_CONTENT"));
  p.agent.abortRun();
  await asked;
  assert.deepEqual(p.last().outcome, { type: "cancelled" });
  assert.equal((await p.log()).at(-1).status, "cancelled");
  assert.deepEqual(plain(p.agent.messages), plain(await p.history()));
});

test("who connects in the middle of an answer sees what was said, and the rest; who looks away stops nothing", async () => {
  const first = await page();
  await first.ask("Hello #tokens 5");
  const asked = first.ask('#tool shop__get_order {"order":"1042"} #tokens 60 #slow 50');
  await until("some text", () => first.events.filter((e) => e.type === "TEXT_MESSAGE_START").length === 2);
  const away = await page(first.threadId);
  const looking = away.agent.connectAgent();
  await until("the history", () => away.types().includes("MESSAGES_SNAPSHOT"));
  await away.agent.detachActiveRun();
  await looking;
  const second = await page(first.threadId);
  await second.agent.connectAgent();
  await asked;
  assert.equal((await first.log()).at(-1).status, "sent");
  assert.deepEqual(second.last().outcome, { type: "success" });
  assert.deepEqual(plain(second.agent.messages), plain(await first.history()));
  assert.deepEqual(plain(first.agent.messages), plain(await first.history()));
});

test("who connects while something waits can allow it", async () => {
  const first = await page();
  await first.ask('#tool shop__refund_order {"order":"4004"}');
  const second = await page(first.threadId);
  await second.agent.connectAgent();
  const [{ id: interruptId }] = second.agent.pendingInterrupts;
  await second.agent.runAgent({ resume: [{ interruptId, status: "resolved", payload: { approved: true } }] });
  assert.deepEqual(plain(second.agent.messages), plain(await second.history()));
  assert.match(second.agent.messages.at(-1).content, /4004 is refunded/);
});

test("who connects sees what was edited as it is then", async () => {
  const p = await page();
  await p.ask("hello #tokens 3");
  const [question] = await p.log();
  await p.client.rest.editMessage(question.id, { content: "hello, edited", edits: 0 });
  const again = await page(p.threadId);
  await again.agent.connectAgent();
  assert.deepEqual(again.agent.messages.map((m) => m.content), ["hello, edited", p.agent.messages.at(-1).content]);
});

test("what fails is RUN_ERROR, with a sentence", async () => {
  const p = await page();
  await p.ask("#tokens 30 #break 10");
  assert.deepEqual([p.last().type, p.last().message], ["RUN_ERROR", "The model broke off its answer."]);
  assert.equal(p.agent.messages.at(-1).content, (await p.log()).at(-1).content);

  const nowhere = await page("000000000000000000000000");
  await nowhere.ask("hello");
  assert.deepEqual([nowhere.last().type, nowhere.last().code], ["RUN_ERROR", "not_found"]);
});

test("a clone asks on its own", async () => {
  const p = await page();
  const clone = p.agent.clone();
  clone.addMessage({ id: `c${Date.now()}`, role: "user", content: "hello #tokens 3" });
  const { newMessages } = await clone.runAgent();
  assert.equal(newMessages.at(-1).role, "assistant");
});

test("the example asks, and lets the user allow", async () => {
  const script = fileURLToPath(new URL("../../examples/ag-ui/ask.mjs", import.meta.url));
  const env = { ...process.env, AIWM_URL: server.url, AIWM_REST_URL: server.restUrl, AIWM_TOKEN: server.userToken };
  const child = spawn(process.execPath, [script, '#tool shop__refund_order {"order":"4005"}'], { env, stdio: ["pipe", "pipe", "inherit"] });
  let out = "";
  child.stdout.on("data", (data) => (out += data));
  const ended = new Promise((resolve) => child.on("exit", resolve));
  await until("the question", () => out.includes("y/n?"));
  child.stdin.write("y\n");
  assert.equal(await ended, 0);
  assert.match(out, /\[shop__refund_order \{"order":"4005"\}\]/);
  assert.match(out, /said: Order 4005 is refunded \(refund 1 of this order\)\./);
});
