import type { ChatClient } from "../client.js";
import type { Conversation } from "../conversation.js";
import { asChatError } from "../error.js";
import type { Run } from "../protocol.gen.js";
import type { Question } from "./answer.js";

/** From a question, and from its stop, to the first look, and the longest between two, in milliseconds. */
const first = 3_000;
const soon = 250;
const longest = 30_000;
/** What is stopped and has no run by then gets none: who would queue one sees the stop. */
const queued = 3_000;

/**
 * Looks now and then whether the turn of a question may still come, until the function that
 * it returns is called: a run that ends before it was begun leaves no message, and no frame
 * tells of it. It tells that a run is over, or that there is none for what was stopped.
 */
export function watchTurn(client: ChatClient, conversation: Conversation, question: Question, stopped: AbortSignal | undefined, over: (run?: Run) => Promise<void>): () => void {
  const ending = new AbortController();
  let timer: ReturnType<typeof setTimeout> | undefined;
  let wait = first;
  let stoppedAt: number | undefined;
  const later = () => {
    clearTimeout(timer);
    timer = setTimeout(() => void look(), wait);
    wait = Math.min(2 * wait, longest);
  };
  const look = async () => {
    try {
      const run = await runOf(client, conversation, question, ending.signal);
      // Where the backend does not run the agent, it may take its time.
      if (!run && stoppedAt === undefined) return;
      if (run ? run.endedAt : Date.now() - stoppedAt! >= queued) await over(run);
    } catch {
      // The next look may be answered.
    }
    if (!ending.signal.aborted) later();
  };
  const soonAgain = () => {
    stoppedAt = Date.now();
    wait = soon;
    later();
  };
  stopped?.addEventListener("abort", soonAgain, { once: true, signal: ending.signal });
  later();
  return () => {
    clearTimeout(timer);
    ending.abort();
  };
}

/** The last run for a question, where the backend runs its agent. */
async function runOf(client: ChatClient, conversation: Conversation, { id, run }: Question, signal: AbortSignal): Promise<Run | undefined> {
  if (run === undefined) return (await client.rest.runs(conversation.id, {}, signal)).data.find((r) => r.messageId === id);
  return client.rest.run(run, signal).catch((e) => (asChatError(e).code === "not_found" ? undefined : Promise.reject(e)));
}
