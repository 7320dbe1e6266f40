// A page with useChat, without React.
import assert from "node:assert/strict";
import { AbstractChat, lastAssistantMessageIsCompleteWithApprovalResponses } from "ai";
import { AiwmChatTransport, toUIMessages } from "../../dist/ai-sdk.js";

/** What useChat is made of, without React. */
export class Chat extends AbstractChat {
  statuses = [];
  errors = [];
  texts = [];
  constructor({ messages = [], ...options }) {
    const chat = {};
    const state = {
      error: undefined,
      messages,
      get status() {
        return this.is ?? "ready";
      },
      set status(is) {
        this.is = is;
        chat.it?.statuses.push(is);
      },
      pushMessage: (m) => (state.messages = [...state.messages, m]),
      popMessage: () => (state.messages = state.messages.slice(0, -1)),
      replaceMessage: (i, m) => {
        state.messages = [...state.messages.slice(0, i), structuredClone(m), ...state.messages.slice(i + 1)];
        chat.it?.texts.push(textOf(m));
      },
      snapshot: (thing) => structuredClone(thing),
    };
    super({ ...options, state, sendAutomaticallyWhen: lastAssistantMessageIsCompleteWithApprovalResponses, onError: (e) => this.errors.push(e.message) });
    chat.it = this;
  }
}

export const textOf = (m) => m.parts.flatMap((p) => (p.type === "text" ? [p.text] : [])).join("\n");
export const answerOf = ({ lastMessage }) => (lastMessage?.role === "assistant" ? textOf(lastMessage) : "");
export const toolsOf = (m) => m.parts.filter((p) => p.type === "dynamic-tool");

/** A page: a client of its own, with a chat that shows the conversation. */
export async function openChat(client, id) {
  id ??= (await client.rest.createConversation({ title: "AI SDK", agentId: "assistant" })).id;
  const log = async () => (await client.rest.messages({ conversationId: id, limit: 100 })).data;
  const chat = new Chat({ id, messages: toUIMessages(await log()), transport: new AiwmChatTransport(client) });
  return { id, client, chat, log, history: async () => toUIMessages(await log()) };
}

/** Messages without what only those have that were seen to come: the ids of parts. */
export const shown = (messages) => JSON.parse(JSON.stringify(messages.map(({ id, role, parts }) => ({ id, role, parts: parts.map(({ id: _, state, ...part }) => (state ? { ...part, state } : part)) }))));

/** The chat shows what a page that is opened now would show. */
export async function assertAsHistory({ chat, history }) {
  const strip = (m) => (m.role === "user" ? { ...m, parts: m.parts.map(({ state: _, ...part }) => part) } : m);
  assert.deepEqual(shown(chat.messages).map(strip), shown(await history()).map(strip));
}
