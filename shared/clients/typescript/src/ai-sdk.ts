import type { ChatTransport, UIMessage, UIMessageChunk } from "ai";
import { AnswerReader, type Piece, type Question } from "./adapters/answer.js";
import { answerFrom, decide, follow, found, joined, stopAnswer, unfinished } from "./adapters/follow.js";
import { AnswerChunks } from "./adapters/ui-chunks.js";
import { answerMetadata, type ChatUIMessage } from "./adapters/ui-messages.js";
import type { ChatClient } from "./client.js";
import type { Conversation } from "./conversation.js";
import { ChatError } from "./error.js";
import type { MessageInput } from "./protocol.gen.js";

export { toUIMessages, type ChatMetadata, type ChatUIMessage } from "./adapters/ui-messages.js";

/**
 * Lets `useChat` of the AI SDK talk here: the chat's id is the conversation's. An answer
 * comes with its reasoning, its tools and what they ask to be allowed; stopping it stops its
 * agent; and with `resume: true` a page that is opened in the middle of one shows it.
 *
 *     useChat({ id, transport, messages: toUIMessages(history), resume: true,
 *       sendAutomaticallyWhen: lastAssistantMessageIsCompleteWithApprovalResponses })
 *
 * A message is said under the id that `useChat` gave it, so that saying it again after a
 * failure says it once. The log is not changed: editing a message that was said is a
 * `conflict`.
 */
export class AiwmChatTransport implements ChatTransport<ChatUIMessage> {
  /** What is resumed comes from its beginning. */
  readonly resumeStreamIsReplay = true;
  readonly #client: ChatClient;
  readonly #open = new Map<string, () => void>();
  readonly #resumed = new Map<string, object>();
  readonly #stopped = new Set<string>();

  constructor(client: ChatClient) {
    this.#client = client;
  }

  /** Leaves the conversations. The client is whoever's made it. */
  close(): void {
    for (const leave of this.#open.values()) leave();
    this.#open.clear();
  }

  async sendMessages(o: Parameters<ChatTransport<ChatUIMessage>["sendMessages"]>[0]): Promise<ReadableStream<UIMessageChunk>> {
    const conversation = this.#join(o.chatId);
    const last = o.messages.at(-1);
    if (!last) throw new ChatError("bad_request", "There is no message to send");
    if (last.role === "assistant") {
      return this.#goOn(conversation, o.messages.find((m) => m.id === o.messageId) ?? last, o.abortSignal);
    }
    if (last.role !== "user") throw new ChatError("bad_request", "Only what a user says can be sent: the last message is the system's");
    const question = o.trigger === "regenerate-message" ? await this.#regenerate(conversation, last, o.abortSignal) : await this.#say(conversation, last);
    return this.#answer(conversation, question, new AnswerReader(question), new AnswerChunks(), () => true, o.abortSignal);
  }

  async reconnectToStream(o: Parameters<ChatTransport<ChatUIMessage>["reconnectToStream"]>[0]): Promise<ReadableStream<UIMessageChunk> | null> {
    const mine = {};
    this.#resumed.set(o.chatId, mine);
    const conversation = this.#join(o.chatId);
    await joined(this.#client, conversation, o.abortSignal);
    const open = await unfinished(this.#client, conversation, o.abortSignal);
    o.abortSignal?.throwIfAborted();
    if (!open) return null;
    // Who resumes once more, as StrictMode does, aborts the time before: that stops no agent.
    const stops = () => this.#resumed.get(o.chatId) === mine;
    return this.#answer(conversation, open.question, open.reader, new AnswerChunks(), stops, o.abortSignal);
  }

  #join(id: string): Conversation {
    this.#client.connect();
    const conversation = this.#client.conversation(id);
    if (!this.#open.has(id)) this.#open.set(id, conversation.open());
    return conversation;
  }

  async #say(conversation: Conversation, message: ChatUIMessage) {
    const sent = await this.#client.rest.postMessage(inputOf(conversation.id, message));
    return { id: sent.messageId, after: sent.seq };
  }

  async #regenerate(conversation: Conversation, message: ChatUIMessage, signal?: AbortSignal): Promise<Question> {
    await joined(this.#client, conversation, signal);
    // One that did not arrive is said now; one of the page's own that did is not said twice.
    const known = message.metadata;
    const asked = known ? { id: known.messageId, after: known.seq } : await this.#say(conversation, message);
    for (let tries = 0; ; tries++) {
      try {
        const run = await this.#client.rest.regenerate(asked.id, signal);
        return { ...asked, run: run.id };
      } catch (e) {
        // What was just stopped, or just asked, is still being answered.
        const run = e instanceof ChatError && e.code === "conflict" ? e.details?.runId : undefined;
        if (typeof run !== "string") throw e;
        if (!this.#stopped.has(asked.id) && !isAnswered(conversation, asked)) return { ...asked, run };
        if (tries === stopTakes / stopPoll) throw e;
        await new Promise((resolve) => setTimeout(resolve, stopPoll));
      }
    }
  }

  /** Decides what the user decided, and reads on behind what the message shows already. */
  async #goOn(conversation: Conversation, message: ChatUIMessage, signal?: AbortSignal): Promise<ReadableStream<UIMessageChunk>> {
    await joined(this.#client, conversation, signal);
    const find = () => conversation.getSnapshot().messages.find((m) => m.clientMessageId === message.id && m.participantType === "agent");
    const first = await found(conversation, find);
    if (!first) throw new ChatError("not_found", "What is to go on is not in this conversation");
    const chunks = new AnswerChunks(message);
    for (const { callId, ...decision } of chunks.decisions()) await decide(this.#client, conversation, callId, decision);
    const question = answerFrom(first);
    return this.#answer(conversation, question, new AnswerReader(question), chunks, () => true, signal);
  }

  #answer(conversation: Conversation, question: Question, reader: AnswerReader, chunks: AnswerChunks, stops: () => boolean, signal?: AbortSignal): ReadableStream<UIMessageChunk> {
    const reading = new AbortController();
    const stop = () => {
      reading.abort(signal?.reason);
      setTimeout(() => {
        if (!stops()) return;
        if (question.id) this.#stopped.add(question.id);
        stopAnswer(this.#client, conversation, question).catch(() => {}); // there is nobody to tell
      });
    };
    if (signal?.aborted) stop();
    else signal?.addEventListener("abort", stop, { once: true });
    return new ReadableStream({
      start: async (to) => {
        const tell = (pieces: Piece[]) => {
          for (const piece of pieces) for (const chunk of chunks.of(piece)) to.enqueue(chunk);
        };
        try {
          const end = await follow(this.#client, conversation, reader, reading.signal, tell);
          const last: UIMessageChunk[] = end ? chunks.finish(end, answerMetadata(end.message)) : [{ type: "abort" }];
          for (const chunk of last) to.enqueue(chunk);
          to.close();
        } catch (e) {
          if (!reading.signal.aborted) to.enqueue({ type: "error", errorText: e instanceof Error ? e.message : String(e) });
          else if (signal?.aborted) to.enqueue({ type: "abort" });
          else return; // nobody listens
          to.close();
        } finally {
          signal?.removeEventListener("abort", stop);
        }
      },
      cancel: () => reading.abort(),
    });
  }
}

/** How long a run takes to end that was stopped, and how often to look, in milliseconds. */
const stopTakes = 3000;
const stopPoll = 300;

function isAnswered(conversation: Conversation, asked: { id: string; after: number }): boolean {
  return conversation.getSnapshot().messages.some((m) => m.parentId === asked.id && m.participantType === "agent");
}

function inputOf(conversationId: string, message: UIMessage): MessageInput {
  const content = message.parts.flatMap((p) => (p.type === "text" ? [p.text] : [])).join("\n\n");
  const attachments = message.parts.flatMap((p) => (p.type === "file" ? [p.url] : []));
  return { conversationId, content, clientMessageId: message.id, ...(attachments.length > 0 && { attachments }) };
}
