import type { ChatClient } from "../client.js";
import type { Conversation } from "../conversation.js";
import { asChatError, ChatError } from "../error.js";
import type { Code, Message, Run } from "../protocol.gen.js";
import { backoff } from "../timing.js";
import type { ConversationSnapshot } from "../types.js";
import { pause, waitAfter } from "../waits.js";
import { AnswerReader, type End, type Piece, type Question } from "./answer.js";
import { watchTurn } from "./turn.js";

/** A stream that is neither there nor in the log any more was dropped; its message may be late. */
const patience = 3_000;
/** How long a decision of somebody else may be on its way. */
const decisionTakes = 5_000;

/**
 * Follows an answer until it ends, and tells what is new each time that something is: without
 * an end where it was stopped before it began. `stopped` says that its stop was heard. It is
 * rejected when the conversation or the connection is lost for good, or the answer was
 * dropped or refused; and with the signal's reason.
 */
export function follow(client: ChatClient, conversation: Conversation, reader: AnswerReader, signal: AbortSignal, tell: (pieces: Piece[]) => void, stopped?: AbortSignal): Promise<End | undefined> {
  return new Promise((resolve, reject) => {
    let lost: ReturnType<typeof setTimeout> | undefined;
    let forgetTurn: (() => void) | undefined;
    let isOver = false;
    const settle = (then: () => void) => {
      isOver = true;
      clearTimeout(lost);
      forgetTurn?.();
      signal.removeEventListener("abort", aborted);
      forget.forEach((f) => f());
      then();
    };
    const aborted = () => settle(() => reject(signal.reason));
    const look = () => {
      const snapshot = conversation.getSnapshot();
      const pieces = reader.read(snapshot);
      try {
        if (pieces.length > 0) tell(pieces);
      } catch (e) {
        return settle(() => reject(e));
      }
      const { end, began } = reader;
      if (began) forgetTurn?.();
      if (end) return settle(() => resolve(end));
      const failed = gone(client, conversation);
      if (failed) return settle(() => reject(failed));
      // While the connection is away nobody knows.
      if (reader.lost.length === 0 || snapshot.state !== "joined") {
        clearTimeout(lost);
        lost = undefined;
      } else {
        lost ??= setTimeout(() => void readLog(client, conversation).then(broken), patience);
      }
    };
    /** Its message may have been on its way to a connection that was lost, and is there now. */
    const broken = () => {
      if (isOver) return;
      look();
      if (lost) settle(() => reject(new ChatError("unavailable", "The answer broke off, and nothing of it was kept")));
    };
    /** The message of a run that has said something may not have come. */
    const noTurn = async (run?: Run) => {
      await readLog(client, conversation);
      if (isOver) return;
      look();
      if (isOver || reader.began || (run?.steps ?? 0) > 0) return;
      settle(() => (run?.error ? reject(refused(run.error)) : resolve(undefined)));
    };
    const forget = [conversation.subscribe(look), client.subscribe(look)];
    signal.addEventListener("abort", aborted);
    if (signal.aborted) return aborted();
    look();
    if (!isOver && !reader.began) forgetTurn = watchTurn(client, conversation, reader.question, stopped, noTurn);
  });
}

function refused(code: string): ChatError {
  return new ChatError(code as Code, code === "conflict" ? "The agent is busy, and takes no second question" : `The question is not answered: ${code}`);
}

/** Asks an agent to end, as soon as there is a connection on which to say so. */
export async function stopAnswer(client: ChatClient, conversation: Conversation, { id, streamId }: Question): Promise<void> {
  for (let attempt = 0; ; attempt++) {
    await shows(client, conversation, ({ state }) => state === "joined");
    try {
      return await (id !== undefined ? conversation.stopAnswer(id) : conversation.stop(streamId));
    } catch (cause) {
      const error = asChatError(cause);
      if (!error.retryable) throw error;
      await pause(waitAfter(error, backoff(attempt, client.timing)), () => gone(client, conversation) !== undefined);
    }
  }
}

/** Reads what was said since: of a frame that did not come only the next ping tells. */
async function readLog(client: ChatClient, conversation: Conversation): Promise<void> {
  const { messages } = conversation.getSnapshot();
  const { data } = await client.rest.messages({ conversationId: conversation.id, afterSeq: messages.at(-1)?.seq ?? 0, limit: 100 }).catch(() => ({ data: [] }));
  for (const m of data) conversation.add(m, true);
}

/** Why nothing more will come of a conversation. */
export function gone(client: ChatClient, conversation: Conversation): ChatError | undefined {
  const { state, error } = conversation.getSnapshot();
  if (state === "idle" && error && !error.retryable) return error;
  if (state === "gone") return error ?? new ChatError("not_found", "There is no such conversation any more");
  const connection = client.getSnapshot();
  if (connection.state === "failed") return connection.error ?? new ChatError("unavailable", "The chat cannot be reached");
  if (connection.state === "initialized") return new ChatError("closed", "The chat was closed");
  return undefined;
}

/** Waits until the conversation is joined, and what was said last is there. */
export async function joined(client: ChatClient, conversation: Conversation, signal?: AbortSignal): Promise<void> {
  await shows(client, conversation, ({ state, messages, lastSeq }) => state === "joined" && (messages.at(-1)?.seq ?? 0) >= lastSeq, signal);
}

function shows(client: ChatClient, conversation: Conversation, is: (s: ConversationSnapshot) => boolean, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const settle = (then: () => void) => {
      forget.forEach((f) => f());
      signal?.removeEventListener("abort", look);
      then();
    };
    const look = () => {
      const failed = signal?.aborted ? signal.reason : gone(client, conversation);
      if (failed) settle(() => reject(failed));
      else if (is(conversation.getSnapshot())) settle(resolve);
    };
    const forget = [conversation.subscribe(look), client.subscribe(look)];
    signal?.addEventListener("abort", look);
    look();
  });
}

/** Decides a call, and waits until the log shows it. Where somebody was faster, what they decided counts. */
export async function decide(client: ChatClient, conversation: Conversation, callId: string, decision: Parameters<Conversation["approve"]>[1]): Promise<void> {
  const isDecided = (s: ConversationSnapshot) => s.messages.some((m) => m.approval?.toolCallId === callId);
  try {
    await conversation.approve(callId, decision);
  } catch (e) {
    if (!(e instanceof ChatError) || e.code !== "conflict") throw e;
    return shows(client, conversation, isDecided, AbortSignal.timeout(decisionTakes)).catch(() => Promise.reject(e));
  }
  // A message before it may not have come: until then the call seems to wait.
  await shows(client, conversation, isDecided);
}

/**
 * The answer that is being written, or waited for, in a conversation that is joined: to
 * the question of an open stream, or of a run between two steps, or to the last one.
 */
export async function unfinished(client: ChatClient, conversation: Conversation, signal?: AbortSignal): Promise<{ question: Question; reader: AnswerReader } | undefined> {
  // Those that are open come after the log, one by one: only the server knows when that is all.
  const { data: streams } = await client.rest.streams(conversation.id, signal);
  const stream = streams.at(-1);
  if (stream && !stream.parentId) {
    const question = { after: conversation.getSnapshot().lastSeq, streamId: stream.streamId };
    return { question, reader: new AnswerReader(question) };
  }
  const find = () => conversation.getSnapshot().messages.filter((m) => (stream?.parentId ? m.id === stream.parentId : m.role === "user" && !m.isDeleted)).at(-1);
  const asked = await found(conversation, find);
  if (!asked) return undefined;
  const { question, reader } = lastAnswer(conversation, asked);
  if (reader.end) return undefined;
  if (reader.began || stream) return { question, reader: new AnswerReader(question) };
  const { data } = await client.rest.runs(conversation.id, {}, signal);
  // Somebody else may have asked meanwhile, whose turn comes later.
  const run = data.find((r) => r.status === "active") ?? data.find((r) => r.status === "queued" && r.messageId === asked.id);
  if (!run || run.messageId === asked.id) return run && { question, reader: new AnswerReader(question) };
  const earlier = await found(conversation, () => conversation.getSnapshot().messages.find((m) => m.id === run.messageId));
  if (!earlier) return undefined;
  const answer = lastAnswer(conversation, earlier);
  return answer.reader.end ? undefined : { question: answer.question, reader: new AnswerReader(answer.question) };
}

/** Looks for something in the log, back to its beginning. */
export async function found<T>(conversation: Conversation, find: () => T | undefined): Promise<T | undefined> {
  let it = find();
  for (let more = true; it === undefined && more; it = find()) more = await conversation.loadOlder();
  return it;
}

/** A question may have been answered several times: this is the last answer, or the one to come. */
export function lastAnswer(conversation: Conversation, asked: Message): { question: Question; reader: AnswerReader } {
  const snapshot = conversation.getSnapshot();
  let question: Question = { id: asked.id, after: asked.seq };
  for (;;) {
    const reader = new AnswerReader(question);
    reader.read(snapshot);
    if (!reader.end || reader.end.how === "waiting") return { question, reader };
    question = { id: asked.id, after: reader.end.message.seq };
  }
}

/** The answer that an agent gives by what was said first of it, from its beginning. */
export function answerFrom(first: Message): Question {
  const streamId = first.streamId ?? first.clientMessageId;
  return { id: first.parentId, after: first.seq - 1, streamId, run: /^(.+):\d+:\d+$/.exec(streamId)?.[1] };
}
