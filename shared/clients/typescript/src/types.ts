import type { ChatError } from "./error.js";
import type { ConversationInfo, Identity, Message, MessageInput, ServerFrame } from "./protocol.gen.js";

/** What a {@link ChatClient} has to be told. */
export interface ChatOptions {
  /** Of the WebSocket API: `ws://127.0.0.1:3003/ws`, `wss://…/prod`. */
  url: string;
  /** Of the HTTP API. */
  restUrl: string;
  /** Asked before each connect, and before the token that it gave expires; what has not come after 30 s is not waited for. */
  getToken: () => string | Promise<string>;
  /** Where unsent messages survive a reload, such as `localStorage`; memory by default. */
  storage?: Storage;
  /** Prefix of the keys there, `aiwm-chat` by default; who is connected is part of each key. */
  storageKey?: string;
  /** Whether answers are shown as they are written. `auto`, the default, is `final` once the page was hidden for 30 s. */
  streams?: "full" | "final" | "auto";
  /** For Node 20, which has none: that of the package `ws`. */
  WebSocket?: new (url: string, protocols?: string | string[]) => WebSocket;
  fetch?: typeof fetch;
  /** Any interval of the client. */
  timing?: Partial<Timing>;
}

/** The intervals of the client, in milliseconds. */
export interface Timing {
  /** How long a reply is waited for, 5 s. */
  ackTimeout: number;
  /** The longest first wait before connecting again, 300 ms; it doubles with each attempt… */
  backoffBase: number;
  /** …up to this, 20 s. */
  backoffMax: number;
  /** 9 min: API Gateway ends a connection that is idle for 10. */
  pingEvery: number;
  /** A page that was hidden for as long pings when it is seen again, 20 s. */
  hiddenPing: number;
  /** When a second connection takes over, 110 min: API Gateway ends each after 2 h. */
  rolloverAfter: number;
  /** As much earlier or later, 5 min. */
  rolloverJitter: number;
  /** How long a missing message or piece may be on its way, 1 s. */
  gapPatience: number;
  /** A stream of which nothing comes for so long is not shown any more, 45 s. */
  streamSilence: number;
  /** Between two frames that say that the user types, 2 s. */
  typingEvery: number;
  /** Without a keystroke for so long the user types no more, 2.5 s. */
  typingStop: number;
  /** With `streams: "auto"`, how long a page is hidden before pieces of answers stop coming, 30 s. */
  hiddenFinal: number;
}

/**
 * - `initialized`: not asked to connect, or closed
 * - `connecting`: an attempt is being made
 * - `connected`
 * - `disconnected`: the next attempt is made at `retryAt`
 * - `failed`: no further attempt is made; `error` says why
 */
export type ConnectionState = "initialized" | "connecting" | "connected" | "disconnected" | "failed";

/** The state of a {@link ChatClient}; never changed, but replaced. */
export interface ClientSnapshot {
  readonly state: ConnectionState;
  /** Who is connected: after the first connection. */
  readonly me?: Identity;
  /** Why it is failed, or why the last attempt did not succeed. */
  readonly error?: ChatError;
  /** When the next attempt is made, as `Date.now()` counts. */
  readonly retryAt?: number;
}

/** What happened to a conversation, for whoever keeps a list of them. */
export interface Activity {
  event: "conversation:activity" | "conversation:added" | "conversation:updated" | "conversation:deleted" | "conversation:left";
  conversationId: string;
  /** Of `conversation:activity`: the end of the log. */
  lastSeq?: number;
  /** Of `conversation:added` and `conversation:updated`. */
  conversation?: ConversationInfo;
}

/** What {@link ChatClient.on} tells. */
export interface ClientEvents {
  /** Every frame, as it goes over the wire. */
  frame: (f: { dir: "in" | "out"; text: string; at: number }) => void;
  /** Every frame of the server. */
  event: (f: ServerFrame) => void;
  activity: (d: Activity) => void;
  /** For agents: what a user said, whole, each message once. */
  question: (m: Message) => void;
}

/** What a message may consist of. */
export type OutgoingInput = Omit<MessageInput, "conversationId" | "clientMessageId" | "participantId" | "participantType">;

/** How a file is uploaded. */
export interface UploadOptions {
  /** Else that of the file. */
  name?: string;
  /** Its media type; else that of the file, or by its name. */
  type?: string;
  /** Told how far it is; in Node at its beginning and its end. */
  onProgress?: (sent: number, total: number) => void;
  signal?: AbortSignal;
}

/** What was uploaded. */
export interface Uploaded {
  readonly id: string;
  /** For `attachments` of a message. */
  readonly attachment: string;
  readonly name: string;
  readonly type: string;
  readonly size: number;
}

/** What the end of a stream may have besides its text. */
export type SendInput = OutgoingInput;

/** A message of one's own that is not in the log yet; never changed, but replaced. */
export interface Outgoing {
  readonly clientMessageId: string;
  readonly content: string;
  readonly input: OutgoingInput;
  /** A failed one is sent again by {@link Conversation.retry} only, or, where the client had failed and there is a storage, by the next page. */
  readonly status: "queued" | "sending" | "failed";
  /** Why it failed, or why it waits. */
  readonly error?: ChatError;
  /** When it was said, as `Date.now()` counts. */
  readonly at: number;
  /** The message in the log; rejected with a {@link ChatError} when it failed, also because the client has, or was discarded. */
  readonly done: Promise<Message>;
}

/** An answer that is being written; never changed, but replaced. */
export interface StreamView {
  readonly streamId: string;
  readonly participantId: string;
  /** The message that it answers. */
  readonly parentId?: string;
  readonly startedAt?: string;
  /** `content`, `thinking` and `tool:<toolCallId>`. */
  readonly parts: readonly { readonly part: string; readonly text: string }[];
  readonly content: string;
  readonly thinking: string;
  /** What its agent does: `thinking`, `generating`, `tool` or `waiting`. */
  readonly status?: string;
  /** It has been asked to end. */
  readonly stopping: boolean;
  /** Its agent has been silent for longer than it should. */
  readonly stalled: boolean;
}

/** What of a conversation is read; never changed, but replaced. */
export interface ReadState {
  /** The last message that one has read oneself, on whatever device, also where the server has not heard of it yet; not where that is not known. */
  readonly upTo?: number;
  /** The last message that others have read, by `type:id`, as far as they let know. */
  readonly others: Readonly<Record<string, number>>;
}

/** The state of a {@link Conversation}; never changed, but replaced. */
export interface ConversationSnapshot {
  /** `gone`: deleted, or the caller is no participant; `error` says why. */
  readonly state: "idle" | "joining" | "joined" | "gone";
  readonly error?: ChatError;
  /** The log from some message on, without a gap: a message is shown when all before it are, and as it is now. Which of its `reactions` are `mine` is as the server has said last. */
  readonly messages: readonly Message[];
  /** One's own that are not among `messages` yet, in the order in which they were sent. */
  readonly outgoing: readonly Outgoing[];
  /** Those that are open, in the order in which they began; none whose message is among `messages`. */
  readonly streams: readonly StreamView[];
  readonly typing: readonly Identity[];
  /** Who is in the room now. */
  readonly members: readonly Identity[];
  /** Of everybody of whom it is known, by `type:id`. */
  readonly presence: Readonly<Record<string, "online" | "offline">>;
  readonly agentOnline?: boolean;
  /** Title, status and so on, when known. */
  readonly conversation?: ConversationInfo;
  /** Once {@link Conversation.loadReads}, `read` or `unread` was called; without the first, what others have read since. */
  readonly reads?: ReadState;
  readonly hasOlder: boolean;
  /** The end of the log, as far as is known. */
  readonly lastSeq: number;
}
