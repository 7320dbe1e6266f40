// What programs do with an agent of AG-UI that nobody planned.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { openAgent, plain } from "./ag-ui.page.mjs";
import { startServer, until } from "./server.mjs";

let server;
before(async () => {
  server = await startServer();
});
after(() => server?.stop());
const page = (threadId, client = server.client()) => openAgent(client, threadId);
const same = async (p) => assert.deepEqual(plain(p.agent.messages), plain(await p.history()));

test("what is aborted at once is aborted", async () => {
  const p = await page();
  const asked = p.ask("#tokens 400 #slow 50");
  p.agent.abortRun();
  await asked;
  assert.deepEqual(p.last().outcome, { type: "cancelled" }, JSON.stringify(p.last()));
  await p.ask("again #tokens 3");
  assert.deepEqual(p.last().outcome, { type: "success" });
  await same(p);
});

test("what is aborted while the client connects is aborted", async () => {
  const p = await page();
  const asked = p.ask("#tokens 400 #slow 50");
  await until("the run", () => p.types().includes("RUN_STARTED"));
  p.agent.abortRun();
  await asked;
  assert.deepEqual(p.last().outcome, { type: "cancelled" }, JSON.stringify(p.last()));
});

test("what is aborted before its turn comes is aborted, and leaves no answer", { timeout: 60_000 }, async () => {
  const p = await page();
  const asked = p.ask("#tokens 400 #slow 50");
  await until("some text", () => p.last()?.type === "TEXT_MESSAGE_CONTENT");
  const second = await page(p.threadId);
  const waiting = second.ask("and then?");
  await until("its run", async () => (await p.client.rest.runs(p.threadId)).data.length === 2);
  second.agent.abortRun();
  await waiting;
  assert.deepEqual(second.last().outcome, { type: "cancelled" });
  p.agent.abortRun();
  await asked;
  const [question] = await p.log();
  assert.deepEqual((await p.log()).filter((m) => m.participantType === "agent").map((m) => m.parentId), [question.id]);
});

test("links are attachments, and what is no link is refused by name", async () => {
  const p = await page();
  const send = (part) => {
    p.agent.addMessage({ id: `a${Date.now()}`, role: "user", content: [{ type: "text", text: "look #tokens 3" }, part] });
    return p.agent.runAgent();
  };
  await send({ type: "image", source: { type: "url", value: "https://example.com/a.png", mimeType: "image/png" } });
  assert.deepEqual((await p.log())[0].attachments, ["https://example.com/a.png"]);
  assert.deepEqual(p.last().outcome, { type: "success" });
  await send({ type: "image", source: { type: "data", value: "AAAA", mimeType: "image/png" } });
  assert.deepEqual([p.last().type, p.last().code], ["RUN_ERROR", "bad_request"]);
  assert.match(p.last().message, /image/);
});

test("somebody else decides first, and speaks in between", async () => {
  const p = await page();
  const bob = await server.other("bob", p);
  await p.ask('#tool shop__refund_order {"order":"4101"}');
  const [{ id: interruptId }] = p.agent.pendingInterrupts;
  await bob.rest.decide(p.threadId, interruptId, { approved: false, reason: "no" });
  await p.agent.runAgent({ resume: [{ interruptId, status: "resolved", payload: { approved: true } }] });
  assert.deepEqual(p.last().outcome, { type: "success" });
  await same(p);
  const asked = p.ask("#tokens 60 #slow 20");
  await until("some text", () => p.last()?.type === "TEXT_MESSAGE_CONTENT");
  await bob.rest.postMessage({ conversationId: p.threadId, content: "me too #tokens 3" });
  await asked;
  assert.deepEqual(p.last().outcome, { type: "success" });
  assert.equal((await p.log()).find((m) => m.content === p.agent.messages.at(-1).content)?.participantType, "agent");
});

test("somebody else's conversation, and one that is deleted, are errors with a code", async () => {
  const p = await page();
  const stranger = await page(p.threadId, server.client(server.token("mallory")));
  await stranger.ask("hello");
  assert.match(stranger.last().code, /not_found|forbidden/);
  await stranger.agent.connectAgent();
  assert.match(stranger.last().code, /not_found|forbidden/);
  const asked = p.ask("#tokens 400 #slow 50");
  await until("some text", () => p.last()?.type === "TEXT_MESSAGE_CONTENT");
  await p.client.rest.deleteConversation(p.threadId);
  await asked;
  assert.deepEqual([p.last().type, p.last().code], ["RUN_ERROR", "not_found"]);
});

test("closing the client ends the run with an error", async () => {
  const p = await page();
  const asked = p.ask("#tokens 60 #slow 50");
  await until("some text", () => p.last()?.type === "TEXT_MESSAGE_CONTENT");
  p.client.close();
  await asked;
  assert.deepEqual([p.last().type, p.last().code], ["RUN_ERROR", "closed"]);
});
