// A program that talks with an agent of AG-UI.
import { AiwmAgent, toAgUiMessages } from "../../dist/ag-ui.js";

/** An agent of AG-UI on a connection of its own; the real library checks the order of its events. */
export async function openAgent(client, threadId) {
  threadId ??= (await client.rest.createConversation({ title: "AG-UI", agentId: "assistant" })).id;
  const agent = new AiwmAgent(client, { threadId });
  const events = [];
  agent.subscribe({ onEvent: ({ event }) => void events.push(event) });
  const log = async () => (await client.rest.messages({ conversationId: threadId, limit: 100 })).data;
  let n = 0;
  const ask = (content) => {
    agent.addMessage({ id: `m${Date.now()}-${n++}`, role: "user", content });
    return agent.runAgent();
  };
  const types = () => [...new Set(events.map((e) => e.type))];
  return { threadId, client, agent, events, types, log, ask, last: () => events.at(-1), history: async () => toAgUiMessages(await log()) };
}

export const plain = (messages) => JSON.parse(JSON.stringify(messages));
