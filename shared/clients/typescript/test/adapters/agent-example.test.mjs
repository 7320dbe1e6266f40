import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { startServer, until } from "./server.mjs";

let server;
before(async () => {
  server = await startServer();
});
after(() => server?.stop());

/** Starts the agent, until it is connected. */
async function startAgent(t) {
  const agent = spawn(process.execPath, [fileURLToPath(new URL("../../examples/agent/agent.mjs", import.meta.url))], {
    env: { ...process.env, AIWM_URL: server.url, AIWM_REST_URL: server.restUrl, AIWM_TOKEN: server.agentToken, OPENAI_BASE_URL: server.model, OPENAI_API_KEY: "" },
    stdio: ["ignore", "pipe", "inherit"],
  });
  t.after(() => agent.kill());
  let out = "";
  agent.stdout.on("data", (data) => (out += data));
  await until("the agent is connected", () => out.includes("connected demo-agent"));
  return agent;
}

async function talk(t) {
  const client = server.client();
  const { id } = await client.rest.createConversation({ title: "Agent", agentId: "demo-agent" });
  client.connect();
  const conversation = client.conversation(id);
  t.after(conversation.open());
  const see = (what, is) => until(what, () => is(conversation.getSnapshot()));
  await see("joined", (s) => s.state === "joined");
  return { conversation, see, rest: client.rest };
}

test("it answers as the model does, piece by piece, with what was said before", async (t) => {
  await startAgent(t);
  const { conversation, see } = await talk(t);
  const lengths = new Set();
  conversation.subscribe(() => conversation.getSnapshot().streams.forEach((s) => lengths.add(s.content.length)));
  const question = await conversation.send("Hello #tokens 60 #think 5 #slow 20").done;
  const { messages } = await see("the answer", (s) => s.messages.length === 2 && s);
  assert.match(messages[1].content, /^You said: “Hello”\./);
  assert.ok(messages[1].thinking.content);
  assert.equal(messages[1].parentId, question.id);
  assert.equal(messages[1].participantId, "demo-agent");
  assert.ok(lengths.size > 3, `it came in ${lengths.size} pieces`);
});

test("stop stops it, and a model that breaks off is a failed answer", async (t) => {
  await startAgent(t);
  const { conversation, see } = await talk(t);
  await conversation.send("#tokens 400 #slow 50").done;
  await see("some text", (s) => s.streams[0]?.content);
  await conversation.stop();
  const stopped = await see("the end", (s) => s.messages[1]);
  assert.equal(stopped.status, "cancelled");
  assert.ok(stopped.content);
  await conversation.send("#tokens 30 #break 10").done;
  const failed = await see("the end", (s) => s.messages[3]);
  assert.equal(failed.status, "failed");
});

test("what was asked while it was away is answered when it comes", async (t) => {
  const { conversation, see } = await talk(t);
  await conversation.send("Anybody there? #tokens 5").done;
  await startAgent(t);
  const answer = await see("the answer", (s) => s.messages[1]);
  assert.match(answer.content, /Anybody there/);
});
