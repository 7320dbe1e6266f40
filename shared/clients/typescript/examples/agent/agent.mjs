// An agent that answers by a language model: any service with OpenAI's chat completions.
//
//   AIWM_TOKEN=<agent token> OPENAI_BASE_URL=http://127.0.0.1:33515/v1 node examples/agent/agent.mjs
import { ChatClient } from "@aiwm/chat";
import OpenAI from "openai";
import WebSocket from "ws"; // Node has one of its own from 22 on

const { AIWM_URL = "ws://127.0.0.1:3003/ws", AIWM_REST_URL = "http://127.0.0.1:3003", AIWM_TOKEN, MODEL = "scripted" } = process.env;
if (!AIWM_TOKEN) {
  console.error("set AIWM_TOKEN");
  process.exit(2);
}
const openai = new OpenAI({ apiKey: process.env.OPENAI_API_KEY || "none" });
const client = new ChatClient({ url: AIWM_URL, restUrl: AIWM_REST_URL, getToken: () => AIWM_TOKEN, WebSocket });

client.on("question", async (question) => {
  // Also what was asked while the agent was away comes here, and each question once.
  const answer = await client.conversation(question.conversationId).answer(question);
  try {
    const stream = await openai.chat.completions.create({ model: MODEL, messages: await history(question), stream: true }, { signal: answer.signal });
    for await (const { choices } of stream) {
      const delta = choices[0]?.delta;
      if (delta?.reasoning_content) answer.write(delta.reasoning_content, "thinking");
      if (delta?.content) answer.write(delta.content);
    }
    answer.signal.throwIfAborted(); // what was stopped ends like what is whole
    await answer.end();
  } catch (error) {
    // Stopped by a user, or the model failed: what was written so far is kept, and says so.
    await answer.abort(error.message).catch(() => {});
  }
});

/** What was said up to the question, as the model reads it. */
async function history({ conversationId, seq }) {
  const { data } = await client.rest.messages({ conversationId, beforeSeq: seq + 1, limit: 30 });
  const said = data.filter((m) => m.type === "text" && m.content);
  return said.map((m) => ({ role: m.participantType === "agent" ? "assistant" : "user", content: m.content }));
}

client.subscribe(() => {
  const { state, me, error } = client.getSnapshot();
  console.log(state, me?.id ?? "", error?.message ?? "");
});
client.connect();
