// Asks the agent of a new conversation, as a program of AG-UI does:
//
//   AIWM_TOKEN=<user token> node examples/ag-ui/ask.mjs "Where is my order 1042?"
import { createInterface } from "node:readline/promises";
import { ChatClient } from "@aiwm/chat";
import { AiwmAgent } from "@aiwm/chat/ag-ui";
import WebSocket from "ws"; // Node has one of its own from 22 on

const { AIWM_URL = "ws://127.0.0.1:3003/ws", AIWM_REST_URL = "http://127.0.0.1:3003", AIWM_TOKEN } = process.env;
if (!AIWM_TOKEN) {
  console.error("set AIWM_TOKEN");
  process.exit(2);
}
const client = new ChatClient({ url: AIWM_URL, restUrl: AIWM_REST_URL, getToken: () => AIWM_TOKEN, WebSocket });
const { id } = await client.rest.createConversation({ title: "AG-UI", agentId: "assistant" });

const agent = new AiwmAgent(client, { threadId: id });
agent.subscribe({
  onReasoningMessageContentEvent: ({ event }) => process.stderr.write(event.delta),
  onTextMessageContentEvent: ({ event }) => process.stdout.write(event.delta),
  onToolCallEndEvent: ({ toolCallName, toolCallArgs }) => console.log(`[${toolCallName} ${JSON.stringify(toolCallArgs)}]`),
  onRunErrorEvent: ({ event }) => console.error(event.message),
});

agent.addMessage({ id: crypto.randomUUID(), role: "user", content: process.argv[2] });
await agent.runAgent();

const terminal = createInterface({ input: process.stdin, output: process.stdout });
while (agent.pendingInterrupts.length > 0) {
  const resume = [];
  for (const { id: interruptId, message } of agent.pendingInterrupts) {
    const approved = (await terminal.question(`${message}: y/n? `)).startsWith("y");
    resume.push({ interruptId, status: "resolved", payload: { approved } });
  }
  await agent.runAgent({ resume });
}
terminal.close();
client.close();
