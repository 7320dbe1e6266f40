// What users of the library count on, checked by the compiler: npx tsc.
import { ChatClient, ChatError, type Conversation, type Message, type Outgoing, type Rest, type ServerFrame, type StreamWriter } from "../../src/index.js";

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
const is = <A, B>(_: Same<A, B>): void => {};

declare const client: ChatClient;
declare const conversation: Conversation;
declare const frame: ServerFrame;

is<ReturnType<ChatClient["getSnapshot"]>["state"], "initialized" | "connecting" | "connected" | "disconnected" | "failed">(true);
is<ReturnType<Conversation["send"]>, Outgoing>(true);
is<Outgoing["done"], Promise<Message>>(true);
is<ReturnType<Conversation["answer"]>, Promise<StreamWriter>>(true);
is<Awaited<ReturnType<Rest["messages"]>>["data"], Message[]>(true);
is<Message["participantType"], "user" | "agent" | "system">(true);
is<ChatError["retryable"], boolean>(true);

is<ReturnType<Conversation["react"]>, Promise<void>>(true);
is<ReturnType<Conversation["edit"]>, Promise<Message>>(true);
is<Parameters<Conversation["edit"]>[1], string | { content: string; attachments?: string[] }>(true);
is<ReturnType<Conversation["deleteMessage"]>, Promise<void>>(true);

// A snapshot is not to be changed.
// @ts-expect-error
conversation.getSnapshot().messages.push({} as Message);
// @ts-expect-error
conversation.getSnapshot().lastSeq = 1;
conversation.send({ content: "x", clientMessageId: "mine" });
// @ts-expect-error the conversation's id is its own
conversation.send({ content: "x", conversationId: "another" });
// @ts-expect-error
client.on("nothing", () => {});
// @ts-expect-error
new ChatClient({ url: "", restUrl: "" });

// Event says what data is.
if (frame.event === "stream:delta") is<typeof frame.data.epoch, number>(true);
if (frame.event === "message:new") is<typeof frame.data, Message>(true);
client.on("question", (m) => is<typeof m, Message>(true));

// Unbound, as useSyncExternalStore takes them.
const { subscribe, getSnapshot } = conversation;
is<ReturnType<typeof subscribe>, () => void>(true);
void getSnapshot;

// Timers, sockets and stores of browsers and of Node fit.
new ChatClient({ url: "", restUrl: "", getToken: async () => "", WebSocket, fetch, storage: localStorage, timing: { pingEvery: 1 } });
