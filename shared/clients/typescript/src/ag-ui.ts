import { AbstractAgent, EventType, type AgentConfig, type BaseEvent, type RunAgentInput, type UserMessage } from "@ag-ui/client";
import { Observable } from "rxjs";
import { AnswerEvents, event, toAgUiMessages } from "./adapters/ag-ui-events.js";
import { AnswerReader, type Piece, type Question } from "./adapters/answer.js";
import { answerFrom, decide, follow, found, joined, stopAnswer, unfinished } from "./adapters/follow.js";
import type { ChatClient } from "./client.js";
import type { Conversation } from "./conversation.js";
import { ChatError } from "./error.js";
import type { Message } from "./protocol.gen.js";

export { toAgUiMessages } from "./adapters/ag-ui-events.js";

/** What is followed, and how what came of it is written. */
interface Answer {
  question: Question;
  reader: AnswerReader;
}

/**
 * The agent of a conversation as one of AG-UI: the thread is the conversation.
 *
 *     const agent = new AiwmAgent(client, { threadId: conversation.id });
 *     agent.addMessage({ id: crypto.randomUUID(), role: "user", content: "Where is my order?" });
 *     await agent.runAgent();
 *
 * What asks to be allowed ends its run as an interrupt, which a further run resumes with
 * the payload `{approved, reason?, arguments?}`. `connectAgent` reads the conversation, and
 * what is being answered there. `abortRun` stops the agent; `detachActiveRun` only looks away.
 */
export class AiwmAgent extends AbstractAgent {
  private client: ChatClient;
  private running?: AbortController;

  constructor(client: ChatClient, config: AgentConfig & { threadId: string }) {
    super(config);
    this.client = client;
  }

  override clone(): AiwmAgent {
    const clone = super.clone() as AiwmAgent;
    clone.client = this.client;
    return clone;
  }

  // Before the run is there its subscribers are told, and may wait.
  override runAgent(...all: Parameters<AbstractAgent["runAgent"]>): ReturnType<AbstractAgent["runAgent"]> {
    this.running = new AbortController();
    return super.runAgent(...all);
  }

  override connectAgent(...all: Parameters<AbstractAgent["connectAgent"]>): ReturnType<AbstractAgent["connectAgent"]> {
    this.running = new AbortController();
    return super.connectAgent(...all);
  }

  override abortRun(): void {
    this.running?.abort(new ChatError("closed", "The run was aborted"));
  }

  override run(input: RunAgentInput): Observable<BaseEvent> {
    return this.stream(input, async (conversation) => {
      const question = input.resume?.length ? await this.resume(conversation, input.resume) : await this.ask(conversation, input);
      return { events: [], known: input.messages, answer: { question, reader: new AnswerReader(question) } };
    });
  }

  protected override connect(input: RunAgentInput): Observable<BaseEvent> {
    return this.stream(input, async (conversation, signal) => {
      await joined(this.client, conversation, signal);
      const open = await unfinished(this.client, conversation, signal);
      const known = toAgUiMessages(conversation.getSnapshot().messages.filter((m) => !open || m.seq <= open.question.after));
      return { events: [event(EventType.MESSAGES_SNAPSHOT, { messages: known })], known, answer: open ?? lastWaiting(conversation) };
    });
  }

  /** A run, from RUN_STARTED to its end. Who unsubscribes stops nothing. */
  private stream(
    input: RunAgentInput,
    begin: (conversation: Conversation, signal: AbortSignal) => Promise<{ events: BaseEvent[]; known: RunAgentInput["messages"]; answer?: Answer }>,
  ): Observable<BaseEvent> {
    return new Observable((to) => {
      const { threadId, runId } = input;
      const stopping = (this.running ??= new AbortController());
      const reading = new AbortController();
      const stopped = new AbortController();
      this.client.connect();
      const conversation = this.client.conversation(threadId);
      const leave = conversation.open();
      const emit = (events: BaseEvent[]) => events.forEach((e) => to.next(e));
      const follows = async () => {
        emit([event(EventType.RUN_STARTED, { threadId, runId })]);
        try {
          const { events, known, answer } = await begin(conversation, reading.signal);
          emit(events);
          if (!answer) return emit([event(EventType.RUN_FINISHED, { threadId, runId, outcome: { type: "success" } })]);
          const { question, reader } = answer;
          const stop = () => {
            stopAnswer(this.client, conversation, question).then(() => stopped.abort(), (e) => reading.abort(e));
          };
          stopping.signal.addEventListener("abort", stop, { once: true });
          if (stopping.signal.aborted) stop();
          const write = new AnswerEvents(known);
          const tell = (pieces: Piece[]) => pieces.forEach((piece) => emit(write.of(piece)));
          // A run that is stopped ends by its message, which says so; or without one, before its turn has come.
          const end = await follow(this.client, conversation, reader, reading.signal, tell, stopped.signal);
          emit(end ? write.finish(end, { threadId, runId }) : [event(EventType.RUN_FINISHED, { threadId, runId, outcome: { type: "cancelled" } })]);
        } catch (e) {
          const { code, message } = e instanceof ChatError ? e : { code: undefined, message: e instanceof Error ? e.message : String(e) };
          emit([event(EventType.RUN_ERROR, { message, ...(code && { code }) })]);
        }
      };
      void follows().then(() => to.complete());
      return () => {
        reading.abort();
        leave();
        if (this.running === stopping) this.running = undefined;
      };
    });
  }

  private async ask(conversation: Conversation, { messages }: RunAgentInput): Promise<Question> {
    const last = messages.at(-1);
    if (last?.role !== "user") throw new ChatError("bad_request", "The last message is not a user's: there is nothing to ask");
    const sent = await this.client.rest.postMessage({ conversationId: conversation.id, clientMessageId: last.id, ...inputOf(last.content) });
    return { id: sent.messageId, after: sent.seq };
  }

  private async resume(conversation: Conversation, entries: NonNullable<RunAgentInput["resume"]>): Promise<Question> {
    await joined(this.client, conversation);
    const asks = (m: Message) => m.toolCalls?.some((call) => call.id === entries[0]!.interruptId);
    const call = await found(conversation, () => conversation.getSnapshot().messages.find(asks));
    if (!call) throw new ChatError("not_found", `Nothing waits under the name ${entries[0]!.interruptId}`);
    for (const { interruptId, status, payload } of entries) {
      const { approved, reason, arguments: changed } = (payload ?? {}) as { approved?: unknown; reason?: string; arguments?: Record<string, unknown> };
      await decide(this.client, conversation, interruptId, {
        approved: status === "resolved" && approved === true,
        ...(reason && { reason }),
        ...(changed && { arguments: changed }),
      });
    }
    const [, run] = /^(.+):\d+:\d+$/.exec(call.clientMessageId) ?? [];
    const first = conversation.getSnapshot().messages.find((m) => run !== undefined && m.clientMessageId.startsWith(`${run}:`)) ?? call;
    return answerFrom(first);
  }
}

function inputOf(content: UserMessage["content"]): { content: string; attachments?: string[] } {
  if (typeof content === "string") return { content };
  const attachments = content.flatMap((part) => {
    if (part.type === "text") return [];
    const url = part.source.type === "url" ? part.source.value : undefined;
    if (!url) throw new ChatError("bad_request", `What a message has besides its text has to be a URL: the part of type ${part.type} is none`);
    return [url];
  });
  const text = content.flatMap((part) => (part.type === "text" ? [part.text] : [])).join("\n\n");
  return { content: text, ...(attachments.length > 0 && { attachments }) };
}

/** A call of the last answer that waits to be allowed is told again to who connects. */
function lastWaiting(conversation: Conversation): Answer | undefined {
  const { messages, streams } = conversation.getSnapshot();
  const last = [...messages].reverse().find((m) => m.approval?.status === "pending");
  if (!last) return undefined;
  const question = answerFrom(last);
  const reader = new AnswerReader(question);
  reader.read({ messages, streams });
  return reader.end?.how === "waiting" ? { question, reader: new AnswerReader(question) } : undefined;
}
