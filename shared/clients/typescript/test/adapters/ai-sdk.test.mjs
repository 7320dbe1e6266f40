import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { AiwmChatTransport, toUIMessages } from "../../dist/ai-sdk.js";
import { answerOf, assertAsHistory, Chat, openChat, shown, textOf, toolsOf } from "./ai-sdk.page.mjs";
import { startServer, until } from "./server.mjs";

let server;
before(async () => {
  server = await startServer();
});
after(() => server?.stop());

const page = (id, client = server.client()) => openChat(client, id);

test("an answer comes piece by piece, with its reasoning, and is what the log says", async () => {
  const p = await page();
  await p.chat.sendMessage({ text: "Hello #tokens 60 #think 10" });
  assert.deepEqual(p.chat.errors, []);
  assert.deepEqual([...new Set(p.chat.statuses)], ["submitted", "streaming", "ready"]);
  const [question, answer] = p.chat.messages;
  assert.equal(question.role, "user");
  assert.deepEqual(answer.parts.map((part) => part.type), ["step-start", "reasoning", "text"]);
  const log = await p.log();
  assert.equal(log[0].clientMessageId, question.id);
  assert.equal(textOf(answer), log[1].content);
  assert.equal(answer.metadata.messageId, log[1].id);
  assert.equal(answer.metadata.usage.totalTokens, log[1].usage.totalTokens);
  const lengths = new Set(p.chat.texts.map((text) => text.length));
  assert.ok(lengths.size > 3, `it came in ${lengths.size} pieces`);
  await assertAsHistory(p);
});

test("tools are called, and one that asks first waits until it is allowed", async () => {
  const p = await page();
  await p.chat.sendMessage({ text: '#tool shop__get_order {"order":"1042"} #tool shop__refund_order {"order":"2001"}' });
  assert.equal(p.chat.status, "ready");
  let [read, pay] = toolsOf(p.chat.lastMessage);
  assert.deepEqual([read.toolName, read.input, read.state], ["shop__get_order", { order: "1042" }, "output-available"]);
  assert.match(read.output, /^Order 1042/);
  assert.equal(pay.state, "approval-requested");
  await assertAsHistory(p);

  await p.chat.addToolApprovalResponse({ id: pay.approval.id, approved: true, reason: "it was late" });
  await until("the answer", () => p.chat.status === "ready" && textOf(p.chat.lastMessage));
  [read, pay] = toolsOf(p.chat.lastMessage);
  assert.deepEqual([pay.state, pay.output], ["output-available", "Order 2001 is refunded (refund 1 of this order)."]);
  assert.equal(p.chat.messages.length, 2, "all of it is one answer");
  assert.equal((await p.log()).find((m) => m.approval?.toolCallId).approval.reason, "it was late");
  await assertAsHistory(p);

  await p.chat.sendMessage({ text: "thank you" });
  assert.equal(p.chat.messages.length, 4);
  await assertAsHistory(p);
});

test("of two that ask one may be allowed and the other not; what fails says so", async () => {
  const p = await page();
  await p.chat.sendMessage({ text: '#tool shop__get_order {"order":"1"} #then #tool shop__refund_order {"order":"2002"} #tool shop__refund_order {"order":"2003"}' });
  const ask = toolsOf(p.chat.lastMessage);
  assert.deepEqual(ask.map((part) => part.state), ["output-error", "approval-requested", "approval-requested"]);
  assert.match(ask[0].errorText, /four digits/);
  await p.chat.addToolApprovalResponse({ id: ask[1].approval.id, approved: false });
  await p.chat.addToolApprovalResponse({ id: ask[2].approval.id, approved: true });
  await until("the answer", () => p.chat.status === "ready" && textOf(p.chat.lastMessage));
  assert.deepEqual(toolsOf(p.chat.lastMessage).map((part) => part.state), ["output-error", "output-denied", "output-available"]);
  assert.deepEqual(p.chat.errors, []);
  await assertAsHistory(p);
});

test("what another page allows first counts", async () => {
  const p = await page();
  await p.chat.sendMessage({ text: '#tool shop__refund_order {"order":"2004"}' });
  const [ask] = toolsOf(p.chat.lastMessage);
  await server.client().rest.decide(p.id, ask.toolCallId, { approved: false, reason: "not by you" });
  await p.chat.addToolApprovalResponse({ id: ask.approval.id, approved: true });
  await until("the answer", () => p.chat.status === "ready" && textOf(p.chat.lastMessage));
  assert.equal(toolsOf(p.chat.lastMessage)[0].state, "output-denied");
  await assertAsHistory(p);
});

test("stop stops the agent, and the question can be asked again", async () => {
  const p = await page();
  const asked = p.chat.sendMessage({ text: "#tokens 400 #slow 50" });
  await until("some text", () => answerOf(p.chat));
  await p.chat.stop();
  await asked;
  assert.equal(p.chat.status, "ready");
  const [, stopped] = await until("the end", async () => ((await p.log()).length === 2 ? p.log() : undefined));
  assert.equal(stopped.status, "cancelled");

  const again = p.chat.regenerate();
  await until("text of the second", () => p.chat.lastMessage.id !== stopped.clientMessageId && answerOf(p.chat));
  await p.chat.stop();
  await again;
  assert.equal(p.chat.messages.length, 2);
  await until("the end", async () => (await p.log()).at(-1).status === "cancelled" && (await p.log()).length === 3);
});

test("what is edited is what the log has, and the next page shows", async () => {
  const p = await page();
  await p.chat.sendMessage({ text: "hello #tokens 3" });
  const [question] = await p.log();
  await p.client.rest.editMessage(question.id, { content: "hello, edited", edits: 0 });
  const [asked, answer] = toUIMessages(await p.log());
  assert.deepEqual([asked.id, textOf(asked), textOf(answer)], [question.clientMessageId, "hello, edited", textOf(p.chat.lastMessage)]);
});

test("an answer that fails is an error, and its text stays", async () => {
  const p = await page();
  await p.chat.sendMessage({ text: "#tokens 30 #break 10" });
  assert.equal(p.chat.status, "error");
  assert.deepEqual(p.chat.errors, ["The model broke off its answer."]);
  assert.equal(textOf(p.chat.lastMessage), (await p.log())[1].content);
  assert.equal(p.chat.lastMessage.metadata.status, "failed");
  await p.chat.regenerate();
  assert.equal(p.chat.errors.length, 2);
  assert.equal((await p.log()).length, 3);
});

test("a page that is opened in the middle of an answer shows all of it, and stops nothing", async () => {
  const first = await page();
  const asked = first.chat.sendMessage({ text: '#tool shop__get_order {"order":"1042"} #tokens 60 #slow 50' });
  await until("some text", () => answerOf(first.chat));

  const second = await page(first.id);
  // As StrictMode does: the second one aborts the first.
  void second.chat.resumeStream();
  await until("the first resume", () => second.chat.status === "streaming");
  await second.chat.resumeStream();
  await asked;
  assert.deepEqual(second.chat.errors, []);
  assert.equal((await second.log()).at(-1).status, "sent");
  assert.deepEqual(shown(second.chat.messages).at(-1), shown(first.chat.messages).at(-1));
  await assertAsHistory(second);

  const transport = new AiwmChatTransport(server.client());
  assert.equal(await transport.reconnectToStream({ chatId: first.id }), null, "there is nothing to resume any more");
});

test("who resumes can stop", async () => {
  const first = await page();
  const asked = first.chat.sendMessage({ text: "#tokens 400 #slow 50" });
  await until("some text", () => answerOf(first.chat));
  const second = await page(first.id);
  void second.chat.resumeStream();
  await until("text", () => answerOf(second.chat));
  await second.chat.stop();
  await asked;
  assert.equal((await first.log()).at(-1).status, "cancelled");
  assert.equal(first.chat.status, "ready", "stopped by somebody else is no error");
});

test("a page that is opened while something waits to be allowed allows it", async () => {
  const first = await page();
  await first.chat.sendMessage({ text: '#tool shop__refund_order {"order":"2005"}' });
  const second = await page(first.id);
  await second.chat.resumeStream();
  assert.equal(second.chat.status, "ready");
  const [ask] = toolsOf(second.chat.lastMessage);
  await second.chat.addToolApprovalResponse({ id: ask.approval.id, approved: true });
  await until("the answer", () => second.chat.status === "ready" && textOf(second.chat.lastMessage));
  await assertAsHistory(second);
});

test("closing the client in the middle of an answer is an error, and stops nothing", async () => {
  const p = await page();
  const asked = p.chat.sendMessage({ text: "#tokens 30 #slow 20" });
  await until("some text", () => answerOf(p.chat));
  p.client.close();
  await asked;
  assert.deepEqual(p.chat.errors, ["The chat was closed"]);
  await until("the end", async () => (await p.log()).length === 2);
  assert.equal((await p.log())[1].status, "sent");
});

test("a message that is said again is said once, and one that is changed is refused", async () => {
  const p = await page();
  const transport = new AiwmChatTransport(p.client);
  const say = async (text) => {
    const messages = [{ id: "m1", role: "user", parts: [{ type: "text", text }] }];
    const stream = await transport.sendMessages({ chatId: p.id, trigger: "submit-message", messages });
    const types = [];
    for await (const chunk of stream) types.push(chunk.type);
    return types.at(-1);
  };
  assert.equal(await say("hello"), "finish");
  assert.equal(await say("hello"), "finish");
  assert.equal((await p.log()).length, 2);
  await assert.rejects(say("something else"), { code: "conflict" });
});

test("a refused token and an unknown conversation are errors that people can read", async () => {
  const p = await page();
  const stranger = new Chat({ id: p.id, transport: new AiwmChatTransport(server.client("no.token.here")) });
  await stranger.sendMessage({ text: "hello" });
  assert.equal(stranger.status, "error");
  const nowhere = new Chat({ id: "000000000000000000000000", transport: new AiwmChatTransport(server.client()) });
  await nowhere.sendMessage({ text: "hello" });
  assert.equal(nowhere.status, "error");
  assert.equal(nowhere.error.code, "not_found");
  await nowhere.resumeStream();
  assert.equal(nowhere.error.code, "not_found");
});
