// Written by npm run types from the contract of the server; change it there.

/** ConversationID names a conversation. */
export type ConversationID = string;
/** A PrincipalType says whether a person or a program acts. */
export type PrincipalType = "user" | "agent";
/** PrincipalID names a user or an agent within an organisation. */
export type PrincipalID = string;
/** OrgID names an organisation: the outermost wall between data. */
export type OrgID = string;
/** RespondPolicy says which messages call an agent. */
export type RespondPolicy = "always" | "mention" | "never";
/** BusyPolicy says what a message does that calls an agent while it is busy in the conversation. */
export type BusyPolicy = "enqueue" | "interrupt" | "reject";
/** A Verdict is what was decided of a call that needs approval. */
export type Verdict = "pending" | "approved" | "denied" | "expired" | "superseded" | "stopped";
/** A CallID names a tool call of a run: <runId>:<step>:<n>, n from 1. The message of its result has it as clientMessageId. */
export type CallID = string;
/** An Attachment is an http(s) URL or "document:<id>", as text. It is stored and shown, never fetched. */
export type Attachment = string;
/** MessageID names a message. */
export type MessageID = string;
/** A Role is the part a message plays in the dialogue with a model. */
export type Role = "user" | "agent" | "tool" | "system";
/** A MessageType is what a message consists of. */
export type MessageType = "text" | "thinking" | "tool_call" | "tool_result" | "error" | "system";
/** A MentionType says who is mentioned: somebody of a type, or everybody. */
export type MentionType = "user" | "agent" | "all";
/** A MessageStatus is how far a message has come. Only what is stored has one, so it starts as StatusSent. */
export type MessageStatus = "sending" | "sent" | "delivered" | "failed" | "cancelled";
/** ClientMessageID is the sender's own name for a message; repeating it repeats nothing. */
export type ClientMessageID = string;
/** A ReactionKey is what somebody reacts with: an emoji, or a name such as ":party:". */
export type ReactionKey = string;
/** A LiveCallID names a call between people, or with agents, who talk: the one who rings makes it up. (A CallID is of a tool.) */
export type LiveCallID = string;
/** A SignalKind is what a signal of a call says. */
export type SignalKind =
  "invite" | "ringing" | "answer" | "candidates" | "select" | "reject" | "negotiate" | "alive" | "hangup";
/** A PartyID names a device of somebody who is in a call. */
export type PartyID = string;
/** A LiveCallState is how far a call is. */
export type LiveCallState = "ringing" | "active" | "ended";
/** A LiveCallOutcome is how a call ended. */
export type LiveCallOutcome = "missed" | "declined" | "ended" | "superseded";
/** A Code tells a client what went wrong. It is part of the protocol. */
export type Code =
  | "bad_request"
  | "validation_failed"
  | "unauthorized"
  | "token_expired"
  | "forbidden"
  | "not_found"
  | "conflict"
  | "payload_too_large"
  | "unsupported_media"
  | "rate_limited"
  | "too_many_connections"
  | "too_many_rooms"
  | "conversation_closed"
  | "switched_off"
  | "unavailable"
  | "internal";
/** ConnectionID is API Gateway's name for one WebSocket link. */
export type ConnectionID = string;
/** A ConversationStatus says whether a conversation takes messages. */
export type ConversationStatus = "active" | "archived" | "closed";
/** A WebhookEvent is what a webhook is called for. */
export type WebhookEvent = "message.created" | "message.updated" | "message.deleted";
/** A Day is one of UTC, as 2006-01-02. */
export type Day = string;
/** An UploadID names a file that somebody has uploaded here. As an attachment it is "document:<id>". What looks like one is never somebody else's document. */
export type UploadID = string;
/** A NotificationKind says why somebody is told. */
export type NotificationKind = "mention";
/** A RunID names a run. It is made of what the run answers: see NewRunID. */
export type RunID = string;
/** RunStatus is how far a run is. */
export type RunStatus = "queued" | "active" | "waiting" | "complete" | "cancelled" | "failed";
/** A UsageGroup is what usage is added up by. */
export type UsageGroup = "agent" | "user" | "day";
/** WebhookID names a webhook. */
export type WebhookID = string;

/** Activity is the data of conversation:activity: something was said, at or before the end of the log that is given. */
export interface ActivityNotice {
  conversationId: ConversationID;
  /** The end of the log. */
  lastSeq: number;
}
/** AddParticipant is the body of POST /conversations/{id}/participants. */
export interface AddParticipant {
  /** Whether a person or a program is added. */
  type: PrincipalType;
  /** Of the user or the agent, in the caller's organisation. */
  id: PrincipalID;
}
/** Agent is an agent as people of its organisation see it. */
export interface Agent {
  agentId: PrincipalID;
  orgId: OrgID;
  /** What people call it; empty of one that only connected. */
  name: string;
  /** What it is for. */
  description: string;
  /** The backend answers for it. */
  isManaged: boolean;
  /** Of a managed one: which messages call it. */
  respond?: RespondPolicy;
  /** It is connected, or managed. */
  online: boolean;
  /** When it came or went last. */
  lastSeen?: string;
  /** For PUT; 0: nobody created it. */
  version: number;
  /** When it was created. */
  createdAt?: string;
  /** When it was changed. */
  updatedAt?: string;
  /** By whom. */
  createdBy?: PrincipalID;
  /** For those who may write agents: with all defaults. */
  managed?: Managed;
}
/** Managed says how the backend answers for an agent. What is left out is the default. */
export interface Managed {
  /** For the model, with {{user.name}}, {{user.id}}, {{conversation.title}} and {{now}}. */
  instructions?: string;
  /** A name that the operator has configured. */
  provider: string;
  /** As the provider calls it. */
  model: string;
  /** From 0 to 2; the model's own. */
  temperature?: number;
  /** None, minimal, low, medium, high or xhigh; the model's own. */
  reasoningEffort?: "none" | "minimal" | "low" | "medium" | "high" | "xhigh";
  /** Of one answer of the model; 1024. */
  maxOutputTokens?: number;
  /** What the model is shown of the conversation. */
  history?: AgentHistory;
  /** Which it may use; none. */
  tools?: ToolSelection[];
  /** Of one run, at most 25; 10. */
  maxSteps?: number;
  /** Of one run, without what it waits; 300. */
  maxSeconds?: number;
  /** How long a call waits for approval, at most 7 days; one day. */
  approvalSeconds?: number;
  /** Always, mention (the message mentions it) or never; always. */
  respond?: RespondPolicy;
  /** What one more question does: enqueue, interrupt or reject; enqueue. */
  busy?: BusyPolicy;
  /** What it may cost; no bound. */
  budget?: Budget;
}
/** AgentHistory is how much of a conversation the model is shown, newest first. */
export interface AgentHistory {
  /** At most; 30. */
  messages?: number;
  /** At most, about; 8000. */
  tokens?: number;
  /** ContextSummary stands for what it covers; true. */
  summary?: boolean;
}
/** ToolSelection says which tools of a server an agent may use: names, in which * stands for any characters and ? for one. What nothing names is denied. */
export interface ToolSelection {
  /** A name that the operator has configured. */
  server: string;
  /** Are called. */
  allow?: string[];
  /** Are called when a user has approved; wins over allow. */
  ask?: string[];
  /** Wins over both. */
  deny?: string[];
}
/** Budget bounds the tokens of an agent; what is left out is not bounded. */
export interface Budget {
  /** Of all that is said there. */
  tokensPerConversation?: number;
  /** Of all its runs of a day of UTC. */
  tokensPerDay?: number;
}
/** AgentHistory is how much of a conversation the model is shown, newest first. */
export interface AgentHistoryInput {
  /** At most; 30. */
  messages?: number;
  /** At most, about; 8000. */
  tokens?: number;
  /** ContextSummary stands for what it covers; true. */
  summary?: boolean;
}
/** AgentPage is the body of GET /agents, in the order of their ids. */
export interface AgentPage {
  /** In the order of their ids. */
  data: Agent[];
  pagination: CursorPage;
}
/** CursorPage is the pagination of a list that is read from its beginning. */
export interface CursorPage {
  /** The most entries of a page. */
  limit: number;
  /** Another page follows. */
  hasMore: boolean;
  /** Of the page that follows. */
  cursor?: string;
}
/** Approval is of a tool_call that waits for a decision, and of the message that decides it. */
export interface Approval {
  /** Pending; or approved, denied, expired, superseded or stopped. */
  status: Verdict;
  /** Of a pending one: until when. */
  expiresAt?: string;
  /** Of a decision: which call. */
  toolCallId?: CallID;
  /** Of a decision: which user; without it the backend decided. */
  by?: PrincipalID;
  /** Of a decision: why. */
  reason?: string;
  /** Of a decision: in place of those of the call. */
  arguments?: {
    [k: string]: unknown;
  };
}
/** Approve decides a tool call of a run that waits for it. The first decision counts. */
export interface Approve {
  /** What is asked for. */
  action: "approve";
  /** The client's own id of the frame, which the reply repeats. */
  id?: string;
  conversationId: ConversationID;
  /** As the message's toolCalls name it. */
  toolCallId: CallID;
  /** False: the call is not made, and the model is told. */
  approved: boolean;
  /** For the model and for people. */
  reason?: string;
  /** An object, in place of the call's arguments. */
  arguments?: {
    [k: string]: unknown;
  };
}
/** Backlog is the data of EventBacklog: GET /agents/{id}/backlog goes on at the cursor. */
export interface Backlog {
  /** There is more: GET /agents/{id}/backlog has it. */
  more: boolean;
  /** Where it goes on. */
  cursor: string;
}
/** BacklogCursor is the pagination of a backlog. */
export interface BacklogCursor {
  /** The most entries of a page. */
  limit: number;
  /** Another page follows. */
  hasMore: boolean;
  /** Of the page that follows. */
  cursor?: string;
}
/** Follows the messages that waited for an agent, where there are more than come by themselves. */
export interface BacklogFrame {
  event: "backlog";
  /** That of the frame which it answers; not where it answers none. */
  id?: string;
  data: Backlog;
  /** When the frame was made. */
  timestamp: string;
}
/** BacklogPage is the body of GET /agents/{id}/backlog: what users said that the agent has not answered, oldest conversation first. */
export interface BacklogPage {
  /** The oldest conversation first. */
  data: Message[];
  pagination: BacklogCursor;
}
/** Message is a stored message, in frames and over REST. Of a deleted one only its place in the log is left, and in its thread. */
export interface Message {
  id: MessageID;
  conversationId: ConversationID;
  /** Its place in the log, contiguous from 1. */
  seq: number;
  /** Who wrote it. */
  participantId: PrincipalID;
  /** User, agent, or system: the backend itself, which says what was decided. */
  participantType: "user" | "agent" | "system";
  role: Role;
  type: MessageType;
  /** What is said. */
  content: string;
  /** Of the sender, or of a tool, for the model. */
  name?: string;
  /** The message that this one answers. */
  parentId?: MessageID;
  /** The root of the thread that it is in: what it answers, or what that answers. */
  threadId?: MessageID;
  /** Of a root: what is in its thread, as of its version. */
  replies?: Replies;
  /** Http(s) URLs, or document:<id>. */
  attachments?: Attachment[];
  /** Who is meant to look at it. */
  mentions?: Mention[];
  /** Its one attachment is speech, which it says in content if somebody has written it down. */
  voice?: Voice;
  /** The agent's reasoning. */
  thinking?: Thinking;
  /** Objects of the agent's own form. */
  toolCalls?: {
    [k: string]: unknown;
  }[];
  /** Objects of the agent's own form. */
  toolResults?: {
    [k: string]: unknown;
  }[];
  /** Of a tool_call that asks first, or of what decides it. */
  approval?: Approval;
  /** What the model's answer cost. */
  usage?: Usage;
  /** Milliseconds that the answer took. */
  latency?: number;
  /** Why there is no answer. */
  error?: string;
  status: MessageStatus;
  /** The sender's own name for it. */
  clientMessageId: ClientMessageID;
  /** It is the end of this stream, and replaces all that is shown of it. */
  streamId?: ClientMessageID;
  /** When it was stored. */
  createdAt: string;
  /** When it was stored, edited or deleted. */
  updatedAt: string;
  /** Only its place in the log is left. */
  isDeleted?: boolean;
  /** It did not fit a frame: read the rest over REST. */
  truncated?: boolean;
  /** In lean frames: the agent is asked. */
  forYou?: boolean;
  /** Of two that are about the same message the larger one is the newer; reactions have one of their own. */
  version?: number;
  /** How often its author changed what it says. */
  edits?: number;
  /** When last. */
  editedAt?: string;
  /** Where that was not its author. */
  deletedBy?: Identity;
  /** That of the reactions. */
  reactionVersion?: number;
  /** In the order in which each key came first, at most 20. */
  reactions?: ReactionCount[];
}
/** Replies are what is in the thread of a message, deleted ones aside. */
export interface Replies {
  /** At most 1000: as many, or more. */
  count: number;
  /** Of the newest. */
  lastSeq: number;
}
/** Mention is of somebody who is meant to look at a message. */
export interface Mention {
  /** User, agent, or all: every user of the conversation, and no agent; only a user mentions all. */
  type: MentionType;
  /** Of the participant; not with all. */
  id?: PrincipalID;
}
/** Voice says that the one attachment of a message is speech. */
export interface Voice {
  /** At most 15 minutes. */
  durationMs: number;
  /** How loud it is, a byte for each piece, at most 256. */
  waveform?: string;
}
/** Thinking is an agent's reasoning. */
export interface Thinking {
  /** The reasoning as text. */
  content: string;
  /** Whether people are meant to see it. */
  visible: boolean;
  /** Milliseconds. */
  duration?: number;
}
/** Usage counts the tokens of a model's answer. */
export interface Usage {
  /** Those that the model read. */
  promptTokens: number;
  /** Those that it wrote. */
  completionTokens: number;
  /** What it adds to the conversation's total. */
  totalTokens: number;
}
/** Identity is a principal in a frame: {"type": "user", "id": "u1"}. */
export interface Identity {
  type: PrincipalType;
  id: PrincipalID;
}
/** ReactionCount is how many have reacted with a key. */
export interface ReactionCount {
  key: ReactionKey;
  /** How many have. */
  count: number;
  /** The caller is one of them: in answers to one caller only. */
  mine?: boolean;
}
/** Budget bounds the tokens of an agent; what is left out is not bounded. */
export interface BudgetInput {
  /** Of all that is said there. */
  tokensPerConversation?: number;
  /** Of all its runs of a day of UTC. */
  tokensPerDay?: number;
}
/** CallSignal is the data of call:signal. */
export interface CallSignal {
  conversationId: ConversationID;
  /** Which call. */
  callId: LiveCallID;
  kind: SignalKind;
  /** Who says it. */
  from: Identity;
  /** Their device. */
  partyId: PartyID;
  /** Who is meant; without it all. */
  to?: Identity;
  /** As it was sent. */
  data?: {
    [k: string]: unknown;
  };
}
/** What somebody in a call, or who is about to be, says to the others: to their devices, in the room or not. */
export interface CallSignalFrame {
  event: "call:signal";
  /** That of the frame which it answers; not where it answers none. */
  id?: string;
  data: CallSignal;
  /** When the frame was made. */
  timestamp: string;
}
/** CallState is the data of call:state. */
export interface CallState {
  conversationId: ConversationID;
  /** Which call. */
  callId: LiveCallID;
  state: LiveCallState;
  /** Of one that has ended. */
  outcome?: LiveCallOutcome;
  /** Of one that was answered and has ended. */
  durationMs?: number;
}
/** Answers signal: how far the call is. */
export interface CallStateFrame {
  event: "call:state";
  /** That of the frame which it answers; not where it answers none. */
  id?: string;
  data: CallState;
  /** When the frame was made. */
  timestamp: string;
}
/** Changed is the data of messages:changed: messages of the log that changed after a cursor, as they are now, in the order of their last change. What a client has in a newer version already it keeps. Many come as several frames. */
export interface Changed {
  conversationId: ConversationID;
  /** Each is a message. */
  messages: Message[];
  /** More changed: REST has it, from the cursor. */
  hasMore: boolean;
  /** Of the last frame: the cursor to ask with next. */
  changedAfter?: string;
}
/** Connected is the data of the first frame that a connection gets. */
export interface Connected {
  /** API Gateway's name for this connection. */
  connectionId: ConnectionID;
  /** Whether a person or a program is connected. */
  type: PrincipalType;
  /** Who is connected, where it is a user. */
  userId?: PrincipalID;
  /** Who is connected, where it is an agent. */
  agentId?: PrincipalID;
}
/** Is the first frame that a connection gets. To an agent then come, oldest first, the messages that it has not answered, at most 200 of them. */
export interface ConnectedFrame {
  event: "connected";
  /** That of the frame which it answers; not where it answers none. */
  id?: string;
  data: Connected;
  /** When the frame was made. */
  timestamp: string;
}
/** Conversation is a conversation as its participants see it. */
export interface ConversationInfo {
  id: ConversationID;
  orgId: OrgID;
  /** What people call it. */
  title: string;
  /** What it is about. */
  description: string;
  /** The agent that serves it. */
  agentId: PrincipalID;
  status: ConversationStatus;
  /** To find it by. */
  tags: string[];
  /** Who has a right to it. */
  participants: Participant[];
  /** The seq of the newest message; it may lag behind the log for a moment. */
  totalMessages: number;
  /** Of all its messages. */
  totalTokens: number;
  /** The newest one, where there is one. */
  lastMessage?: LastMessage;
  /** What was said, in short; empty before there is a summary. */
  contextSummary: string;
  /** What contextSummary covers. */
  summary?: Summary;
  /** Who has the creator's rights. */
  createdBy: Identity;
  /** When it was created. */
  createdAt: string;
  /** The newest activity: a message or a change. */
  updatedAt: string;
  /** Up to where the caller has read: in answers of GET alone, as the next two. */
  lastReadSeq?: number;
  /** That of the caller's mark; not where they were there from the beginning and never moved it. */
  readVersion?: number;
  /** What they have not read. */
  unread?: UnreadCount;
  /** Something was left out: read the rest with GET /conversations/{id}. */
  truncated?: boolean;
}
/** Participant is one of Conversation.Participants. */
export interface Participant {
  type: PrincipalType;
  id: PrincipalID;
  /** Since when. */
  joined: string;
}
/** LastMessage is the newest message of a conversation, in short. */
export interface LastMessage {
  /** Its place in the log. */
  seq: number;
  /** Its first 100 characters. */
  content: string;
  role: Role;
  /** When it was stored. */
  createdAt: string;
}
/** Summary says what Conversation.ContextSummary covers. */
export interface Summary {
  /** The first message that it covers. */
  fromSeq: number;
  /** The last one. */
  toSeq: number;
  /** Which model wrote it. */
  model: string;
  /** When it was written. */
  at: string;
}
/** UnreadCount is how many messages the caller has not read, of the 100 after the last one that they have: of others, not deleted, of type text, error or system. */
export interface UnreadCount {
  /** 0 to 100. */
  count: number;
  /** The log goes on after those. */
  more: boolean;
}
/** Something was said: to devices of participants that are not in the room, at most every 5 s; in conversations of up to 50 participants. */
export interface ConversationActivityFrame {
  event: "conversation:activity";
  /** That of the frame which it answers; not where it answers none. */
  id?: string;
  data: ActivityNotice;
  /** When the frame was made. */
  timestamp: string;
}
/** Somebody added you, or created it with you, or you did on one of your devices: to all of them. */
export interface ConversationAddedFrame {
  event: "conversation:added";
  /** That of the frame which it answers; not where it answers none. */
  id?: string;
  data: ConversationInfo;
  /** When the frame was made. */
  timestamp: string;
}
/** It is there for nobody any more: to all devices of up to 50 participants, else to the room. */
export interface ConversationDeletedFrame {
  event: "conversation:deleted";
  /** That of the frame which it answers; not where it answers none. */
  id?: string;
  data: Room;
  /** When the frame was made. */
  timestamp: string;
}
/** Room is the data of events that only name a conversation. */
export interface Room {
  conversationId: ConversationID;
}
/** Answers join; the history follows. */
export interface ConversationJoinedFrame {
  event: "conversation:joined";
  /** That of the frame which it answers; not where it answers none. */
  id?: string;
  data: Joined;
  /** When the frame was made. */
  timestamp: string;
}
/** Joined answers Join. `lastSeq` is the end of the log: a client that has less of it after the history fetches the rest over REST. Of many members only the first are listed; `memberCount` counts all. */
export interface Joined {
  conversationId: ConversationID;
  /** The end of the log: what the history does not have of it, REST has. */
  lastSeq: number;
  /** Who is in the room now, of many the first 130. */
  members: Identity[];
  /** How many are in the room. */
  memberCount: number;
  /** The agent that serves the conversation has a connection, or is managed. */
  agentOnline: boolean;
  /** Who types at this moment. */
  typing?: Identity[];
  /** Of a join without one: the cursor that the next join has, for what changes of these messages meanwhile. */
  changedAfter?: string;
}
/** Answers leave; it also tells a participant that they were removed, and then has no id. */
export interface ConversationLeftFrame {
  event: "conversation:left";
  /** That of the frame which it answers; not where it answers none. */
  id?: string;
  data: Room;
  /** When the frame was made. */
  timestamp: string;
}
/** ConversationPage is the body of GET /conversations. */
export interface ConversationPage {
  /** In the order that was asked for. */
  data: ConversationInfo[];
  pagination: ListPage;
}
/** ListPage is the pagination of conversations. Pages count from 1; one that was asked for by cursor has no number. `total` counts to chat.MaxTotal at most. */
export interface ListPage {
  /** The number of the page, from 1; not where it was asked for by cursor. */
  page?: number;
  /** The most entries of a page. */
  limit: number;
  /** Of all pages, counted to 1000. */
  total: number;
  /** There are more than total. */
  totalIsMore?: boolean;
  /** Another page follows. */
  hasMore: boolean;
  /** Of the page that follows. */
  cursor?: string;
}
/** Its title, description, status, tags, participants or summary changed. */
export interface ConversationUpdatedFrame {
  event: "conversation:updated";
  /** That of the frame which it answers; not where it answers none. */
  id?: string;
  data: ConversationInfo;
  /** When the frame was made. */
  timestamp: string;
}
/** CreateAgent is the body of POST /agents. */
export interface CreateAgent {
  /** By which conversations and tokens name it. */
  agentId: PrincipalID;
  /** What people call it. */
  name: string;
  /** What it is for. */
  description?: string;
  /** How the backend answers for it; a program that connects has none. */
  managed?: ManagedInput;
}
/** Managed says how the backend answers for an agent. What is left out is the default. */
export interface ManagedInput {
  /** For the model, with {{user.name}}, {{user.id}}, {{conversation.title}} and {{now}}. */
  instructions?: string;
  /** A name that the operator has configured. */
  provider: string;
  /** As the provider calls it. */
  model: string;
  /** From 0 to 2; the model's own. */
  temperature?: number;
  /** None, minimal, low, medium, high or xhigh; the model's own. */
  reasoningEffort?: "none" | "minimal" | "low" | "medium" | "high" | "xhigh";
  /** Of one answer of the model; 1024. */
  maxOutputTokens?: number;
  /** What the model is shown of the conversation. */
  history?: AgentHistoryInput;
  /**
   * Which it may use; none.
   *
   * @maxItems 16
   */
  tools?: ToolSelectionInput[];
  /** Of one run, at most 25; 10. */
  maxSteps?: number;
  /** Of one run, without what it waits; 300. */
  maxSeconds?: number;
  /** How long a call waits for approval, at most 7 days; one day. */
  approvalSeconds?: number;
  /** Always, mention (the message mentions it) or never; always. */
  respond?: RespondPolicy;
  /** What one more question does: enqueue, interrupt or reject; enqueue. */
  busy?: BusyPolicy;
  /** What it may cost; no bound. */
  budget?: BudgetInput;
}
/** ToolSelection says which tools of a server an agent may use: names, in which * stands for any characters and ? for one. What nothing names is denied. */
export interface ToolSelectionInput {
  /** A name that the operator has configured. */
  server: string;
  /**
   * Are called.
   *
   * @maxItems 64
   */
  allow?: string[];
  /**
   * Are called when a user has approved; wins over allow.
   *
   * @maxItems 64
   */
  ask?: string[];
  /**
   * Wins over both.
   *
   * @maxItems 64
   */
  deny?: string[];
}
/** CreateConversation is the body of POST /conversations. */
export interface CreateConversation {
  /** What people call it. */
  title: string;
  /** The agent that serves it. */
  agentId: PrincipalID;
  /** What it is about. */
  description?: string;
  /**
   * To find it by; none twice.
   *
   * @maxItems 20
   */
  tags?: string[];
}
/** CreateUpload is the body of POST /uploads: what is about to be uploaded. */
export interface CreateUpload {
  /** Where it will be attached. */
  conversationId: ConversationID;
  /** Of the file, without a path. */
  name: string;
  /** Its media type, one of those that are taken. */
  type: string;
  /** Bytes, exactly. */
  size: number;
}
/** CreateWebhook is the body of POST /webhooks. */
export interface CreateWebhook {
  /** What is called: https, at an address of the Internet. */
  url: string;
  /**
   * What it is called for; none twice.
   *
   * @minItems 1
   * @maxItems 3
   */
  events: WebhookEvent[];
  /** Only of conversations in which this agent takes part, and not of what it says itself. */
  agentId?: PrincipalID;
}
/** Decide is the body of POST /conversations/{id}/approvals/{toolCallId}. */
export interface Decide {
  /** False: the call is not made, and the model is told. */
  approved: boolean;
  /** For the model and for people. */
  reason?: string;
  /** An object, in place of the call's arguments. */
  arguments?: {
    [k: string]: unknown;
  };
}
/** DocumentLink is the body of GET /documents/{id}: where the bytes of an upload are. */
export interface DocumentLink {
  id: UploadID;
  /** Of the file. */
  name: string;
  /** Its media type. */
  type: string;
  /** Bytes. */
  size: number;
  /** Where to get them, without Authorization; it is a secret. */
  url: string;
  /** Until when. */
  expiresAt: string;
}
/** Edit replaces what the caller said in a message. Earlier texts are not kept. */
export interface Edit {
  /** What is asked for. */
  action: "edit";
  /** The client's own id of the frame, which the reply repeats. */
  id?: string;
  conversationId: ConversationID;
  messageId: MessageID;
  /** What it says from now on. */
  content: string;
  /**
   * Without it they stay as they are.
   *
   * @maxItems 10
   */
  attachments?: Attachment[];
  /**
   * Without it they stay as they are; who is new among them is told.
   *
   * @maxItems 20
   */
  mentions?: MentionInput[];
  /** The number of edits of the message as the caller has it; where it is another one meanwhile nothing changes, and the answer is a conflict. */
  edits: number;
}
/** Mention is of somebody who is meant to look at a message. */
export interface MentionInput {
  /** User, agent, or all: every user of the conversation, and no agent; only a user mentions all. */
  type: MentionType;
  /** Of the participant; not with all. */
  id?: PrincipalID;
}
/** EditBody is the body of PUT /messages/{id}. */
export interface EditBody {
  /** What it says from now on. */
  content: string;
  /**
   * Without it they stay as they are.
   *
   * @maxItems 10
   */
  attachments?: Attachment[];
  /**
   * Without it they stay as they are; who is new among them is told.
   *
   * @maxItems 20
   */
  mentions?: MentionInput[];
  /** The number of edits of the message as the caller has it; where it is another one meanwhile nothing changes, and the answer is a conflict. */
  edits: number;
}
/** ErrorBody is the error of a frame. */
export interface ErrorBody {
  code: Code;
  /** A sentence for people; programs go by the code. */
  message: string;
  /** The same may be sent again, as it was. */
  retryable: boolean;
  /** Of validation_failed a text for each field, of rate_limited retryAfterMs; of a message its clientMessageId, of a stream its streamId, and of a piece its part and index. */
  details?: {
    [k: string]: unknown;
  };
}
/** Answers a frame that was refused; or it tells a connection why it ends, and then has no id. */
export interface ErrorFrame {
  event: "error";
  /** That of the frame which it answers; not where it answers none. */
  id?: string;
  error: ErrorBody;
  /** When the frame was made. */
  timestamp: string;
}
/** ExportHead is the first line of an exported conversation. */
export interface ExportHead {
  /** Aiwm-chat/1. */
  format: "aiwm-chat/1";
  conversation: ExportedConversation;
  /** How many messages follow: the end of the log when the export began. */
  lastSeq: number;
}
/** ExportedConversation is a conversation without what follows from its messages, and without its summary, which may repeat what is erased while one reads it. */
export interface ExportedConversation {
  id: ConversationID;
  orgId: OrgID;
  /** What people call it. */
  title: string;
  /** What it is about. */
  description?: string;
  /** The agent that serves it. */
  agentId: PrincipalID;
  status: ConversationStatus;
  /** To find it by. */
  tags?: string[];
  /** Who has a right to it. */
  participants: Participant[];
  /** Who has the creator's rights. */
  createdBy: Identity;
  /** When it was created. */
  createdAt: string;
  /** The newest activity: a message or a change. */
  updatedAt: string;
}
/** ExportedMessage is a line of an exported conversation for each message of its log: of a deleted one only its place. Whatever clients call their messages and streams stays with them, and so does reasoning that is not meant for people. */
export interface ExportedMessage {
  /** Its place in the log, contiguous from 1. */
  seq: number;
  id: MessageID;
  /** User, agent, or system: the backend itself. */
  participantType: "user" | "agent" | "system";
  /** Who wrote it. */
  participantId: PrincipalID;
  role: Role;
  type: MessageType;
  /** What is said. */
  content?: string;
  /** Of the sender, or of a tool, for the model. */
  name?: string;
  /** The message that this one answers. */
  parentId?: MessageID;
  /** The root of the thread that it is in. */
  threadId?: MessageID;
  /** Of a root: what is in its thread. */
  replies?: Replies;
  /** Http(s) URLs, or document:<id>. */
  attachments?: Attachment[];
  /** Who is meant to look at it. */
  mentions?: Mention[];
  /** Its one attachment is speech. */
  voice?: Voice;
  /** The agent's reasoning, where people are meant to see it. */
  thinking?: Thinking;
  /** Objects of the agent's own form. */
  toolCalls?: {
    [k: string]: unknown;
  }[];
  /** Objects of the agent's own form. */
  toolResults?: {
    [k: string]: unknown;
  }[];
  /** Of a tool_call that asks first, or of what decides it. */
  approval?: Approval;
  /** What the model's answer cost. */
  usage?: Usage;
  /** Milliseconds that the answer took. */
  latency?: number;
  /** Why there is no answer. */
  error?: string;
  status: MessageStatus;
  /** When it was stored. */
  createdAt: string;
  /** When it was stored, edited or deleted. */
  updatedAt: string;
  /** Only its place in the log is left. */
  isDeleted?: boolean;
  /** Where that was not its author. */
  deletedBy?: Identity;
  /** Of what it says. */
  version?: number;
  /** How often its author changed what it says. */
  edits?: number;
  /** When last. */
  editedAt?: string;
  /** That of the reactions. */
  reactionVersion?: number;
  /** In the order in which they came, at most 200. */
  reactions?: Reaction[];
}
/** Reaction is that of one principal. */
export interface Reaction {
  key: ReactionKey;
  type: PrincipalType;
  id: PrincipalID;
  /** When. */
  at: string;
}
/** API Gateway itself: the function failed, or was throttled. */
export interface GatewayFrame {
  /** Its name for this connection. */
  connectionId: string;
  /** What API Gateway says. */
  message: string;
  /** Its name for the frame that it could not deliver. */
  requestId: string;
}
/** API Gateway itself refuses: there is no such route, the request is too large, or a function failed or was throttled. */
export interface GatewayMessage {
  /** What API Gateway says. */
  message: string;
}
/** Report is the body of GET /health. */
export interface HealthReport {
  /** The worst of the parts. */
  status: "ok" | "unavailable";
  /** Where everything lasting is. */
  mongodb: HealthComponent;
  /** Who is connected. */
  redis: HealthComponent;
  /** RFC 3339; for operators. */
  at?: string;
}
/** Component is the health of one part. Why it is down is in the log, and told to operators. */
export interface HealthComponent {
  /** Ok, slow or unavailable. */
  status: "ok" | "unavailable";
  /** Milliseconds that a round trip took. */
  latencyMs: number;
  /** Why it is down; for operators. */
  error?: string;
}
/** History is the data of messages:history: a page of the log in ascending order. `hasMore` says that the log goes on in the page's direction, from the cursor: towards newer messages (`nextAfterSeq`) when the client asked with afterSeq, else towards older ones (`nextBeforeSeq`). A long history comes as several frames, each a page, in that direction. */
export interface History {
  conversationId: ConversationID;
  /** Ascending by seq. */
  messages: Message[];
  /** The log goes on in this direction, from the cursor. */
  hasMore: boolean;
  /** Where it goes on towards newer messages. */
  nextAfterSeq?: number;
  /** Where it goes on towards older messages. */
  nextBeforeSeq?: number;
}
/** Hit is a message that was found, in short. */
export interface Hit {
  conversationId: ConversationID;
  messageId: MessageID;
  /** Its place in the log: GET /messages?aroundSeq= shows what is around it. */
  seq: number;
  participantId: PrincipalID;
  participantType: PrincipalType;
  role: Role;
  /** When it was stored. */
  createdAt: string;
  /** Of the message, as it was read. */
  version?: number;
  /** The part of what it says in which the first word was found. */
  text: string;
  /** Where in the message that part begins, in UTF-16 units. */
  offset?: number;
  /** The message goes on after it. */
  cut?: boolean;
  /** What was found in text, in its order. */
  ranges: HitRange[];
}
/** HitRange is a part of a text, in UTF-16 units (what text.slice takes in JavaScript). */
export interface HitRange {
  /** Included. */
  start: number;
  /** Not included. */
  end: number;
}
/** ICEServer is a server that finds, or relays, what clients say to one another. */
export interface ICEServer {
  /** Stun:, turn: or turns:. */
  urls: string[];
  /** Of TURN servers. */
  username?: string;
  /** Of TURN servers. */
  credential?: string;
}
/** ICEServers is the body of GET /calls/ice. */
export interface ICEServers {
  /** For RTCPeerConnection, as they are. */
  iceServers: ICEServer[];
  /** Until when the credentials count, to begin a call with. */
  expiresAt: string;
}
/** Join asks to be in a conversation now, and for its history: the last messages, or all after `afterSeq`. */
export interface Join {
  /** What is asked for. */
  action: "join";
  /** The client's own id of the frame, which the reply repeats. */
  id?: string;
  conversationId: ConversationID;
  /** The newest message that the client has: the history is what follows it; without it the newest 50. */
  afterSeq?: number;
  /** The last cursor of changes that the client has: what changed of older messages since comes as messages:changed. */
  changedAfter?: string;
  /** Full (by default): streams as they are written; final: of each only the message that it ends with. */
  streams?: "full" | "final";
}
/** Leave ends what Join began. */
export interface Leave {
  /** What is asked for. */
  action: "leave";
  /** The client's own id of the frame, which the reply repeats. */
  id?: string;
  conversationId: ConversationID;
}
/** Membership is the data of user:joined and user:left. `more` are others who left at the same moment, at most 130 of them. */
export interface Membership {
  conversationId: ConversationID;
  type: PrincipalType;
  id: PrincipalID;
  /** Others at the same moment, at most 130. */
  more?: Identity[];
}
/** Tells those in the room that a message was deleted. */
export interface MessageDeletedFrame {
  event: "message:deleted";
  /** That of the frame which it answers; not where it answers none. */
  id?: string;
  data: MessageGone;
  /** When the frame was made. */
  timestamp: string;
}
/** MessageGone is the data of message:deleted. */
export interface MessageGone {
  conversationId: ConversationID;
  messageId: MessageID;
  /** Its place in the log, which stays. */
  seq: number;
  /** Larger than that of any text of it. */
  version: number;
  /** Where that was not its author. */
  deletedBy?: Identity;
  /** The root of the thread that it is in. */
  threadId?: MessageID;
  /** Of a root, whose thread goes on. */
  replies?: Replies;
}
/** A user said something: to the agent that serves the conversation, in lean only where it is not in the room. */
export interface MessageFromUserFrame {
  event: "message:from-user";
  /** That of the frame which it answers; not where it answers none. */
  id?: string;
  data: Message;
  /** When the frame was made. */
  timestamp: string;
}
/** MessageInput is all that a client may say of a new message, over WebSocket and over REST. The participant, if named, must be the caller. */
export interface MessageInput {
  /** May be left out on a connection that has joined only one. */
  conversationId?: ConversationID;
  /** What is said; required unless the message has other parts; over WebSocket at most 24 KiB, over REST 64 KiB. */
  content?: string;
  /** The sender's own name for the message: sent again under it, it is stored once. */
  clientMessageId?: ClientMessageID;
  /** The sender, who must be the caller. */
  participantId?: PrincipalID;
  /** The sender's, which must be the caller's. */
  participantType?: PrincipalType;
  /** A user sends user, an agent any other; its own by default. */
  role?: Role;
  /** A user sends text, an agent any; text by default. */
  type?: MessageType;
  /** Of the sender, or of a tool, for the model. */
  name?: string;
  /** The message of the conversation that this one answers. */
  parentId?: MessageID;
  /**
   * Http(s) URLs, which are shown and never fetched; or document:<id>, as POST /uploads gave it to the caller for this conversation, or of another service.
   *
   * @maxItems 10
   */
  attachments?: Attachment[];
  /**
   * Participants who are meant to look at it; one that is given twice counts once.
   *
   * @maxItems 20
   */
  mentions?: MentionInput[];
  /** The one attachment, which was uploaded here, is speech. */
  voice?: VoiceInput;
  /** An agent's. */
  thinking?: ThinkingInput;
  /**
   * An agent's: objects of its own form, 64 KiB together.
   *
   * @maxItems 32
   */
  toolCalls?: {
    [k: string]: unknown;
  }[];
  /**
   * An agent's: objects of its own form, 64 KiB together.
   *
   * @maxItems 32
   */
  toolResults?: {
    [k: string]: unknown;
  }[];
  /** An agent's. */
  usage?: UsageInput;
  /** An agent's: milliseconds that the answer took. */
  latency?: number;
  /** An agent's: why there is no answer. */
  error?: string;
}
/** Voice says that the one attachment of a message is speech. */
export interface VoiceInput {
  /** At most 15 minutes. */
  durationMs: number;
  /** How loud it is, a byte for each piece, at most 256. */
  waveform?: string;
}
/** Thinking is an agent's reasoning. */
export interface ThinkingInput {
  /** The reasoning as text. */
  content?: string;
  /** Whether people are meant to see it. */
  visible?: boolean;
  /** Milliseconds. */
  duration?: number;
}
/** Usage counts the tokens of a model's answer. */
export interface UsageInput {
  /** Those that the model read. */
  promptTokens?: number;
  /** Those that it wrote. */
  completionTokens?: number;
  /** What it adds to the conversation's total. */
  totalTokens?: number;
}
/** Something was said: to everybody in the room, in aiwm also to the connection that said it. */
export interface MessageNewFrameLean {
  event: "message:new";
  /** That of the frame which it answers; not where it answers none. */
  id?: string;
  data: Message;
  /** When the frame was made. */
  timestamp: string;
}
/** MessagePage is the body of GET /messages, ascending by seq. */
export interface MessagePage {
  /** Ascending by seq. */
  data: Message[];
  pagination: PageCursor;
}
/** PageCursor is the pagination of messages. `hasMore` says that the log goes on in the direction asked for, from the cursor that is given. */
export interface PageCursor {
  /** The most entries of a page. */
  limit: number;
  /** The log goes on in this direction, from the cursor. */
  hasMore: boolean;
  /** Where it goes on towards newer messages. */
  nextAfterSeq?: number;
  /** Where it goes on towards older messages. */
  nextBeforeSeq?: number;
  /** Where it was asked what changed: what to ask with next, at once where hasMore, and later for what changes after this. */
  changedAfter?: string;
}
/** Answers react, with its id; without one it tells those in the room. */
export interface MessageReactionsFrame {
  event: "message:reactions";
  /** That of the frame which it answers; not where it answers none. */
  id?: string;
  data: Reactions;
  /** When the frame was made. */
  timestamp: string;
}
/** Reactions is the data of message:reactions: all reactions of a message. Of two the one with the larger version is the newer. */
export interface Reactions {
  conversationId: ConversationID;
  messageId: MessageID;
  /** Its place in the log. */
  seq: number;
  /** Of two the larger one is the newer. */
  reactionVersion: number;
  /** In the order in which each key came first, at most 20. */
  reactions: ReactionCount[];
  /** They say which are one's own: in answers, and to the devices of who has changed them. */
  yours?: boolean;
}
/** Answers send: the message is durable. */
export interface MessageSentFrameLean {
  event: "message:sent";
  /** That of the frame which it answers; not where it answers none. */
  id?: string;
  data: Sent;
  /** When the frame was made. */
  timestamp: string;
}
/** Sent answers Send: the message is durable. */
export interface Sent {
  /** What the message is called. */
  messageId: MessageID;
  conversationId: ConversationID;
  /** Its place in the log. */
  seq: number;
  /** The sender's name for it, or the one it was given. */
  clientMessageId: ClientMessageID;
  /** When it was stored. */
  createdAt: string;
  /** The agent that serves the conversation has a connection, or is managed; not in lean. */
  agentOnline?: boolean;
  /** Of the end of a stream: sent, failed or cancelled. */
  status?: MessageStatus;
  /** It had been stored before, under the same clientMessageId. */
  duplicate?: boolean;
  /** The connection is not registered: ping, and join again. */
  resync?: boolean;
  /** False: it will be, once that is possible again. */
  delivered?: boolean;
}
/** Answers edit, with its id; without one it tells those in the room. */
export interface MessageUpdatedFrame {
  event: "message:updated";
  /** That of the frame which it answers; not where it answers none. */
  id?: string;
  data: Message;
  /** When the frame was made. */
  timestamp: string;
}
/** Follows the history of a join with a cursor of changes, and has its id. */
export interface MessagesChangedFrame {
  event: "messages:changed";
  /** That of the frame which it answers; not where it answers none. */
  id?: string;
  data: Changed;
  /** When the frame was made. */
  timestamp: string;
}
/** Follows conversation:joined and has its id: the newest 50 messages, or up to 500 after a given one, in as many frames as it takes. */
export interface MessagesHistoryFrame {
  event: "messages:history";
  /** That of the frame which it answers; not where it answers none. */
  id?: string;
  data: History;
  /** When the frame was made. */
  timestamp: string;
}
/** Notification is the data of notification. It may come twice. */
export interface Notification {
  conversationId: ConversationID;
  /** The message's place in the log. */
  seq: number;
  /** Why. */
  kind: NotificationKind;
}
/** A message mentions you: to all your devices, where none is in its room. */
export interface NotificationFrame {
  event: "notification";
  /** That of the frame which it answers; not where it answers none. */
  id?: string;
  data: Notification;
  /** When the frame was made. */
  timestamp: string;
}
/** Ping keeps a connection open and registered; API Gateway ends one that is idle for 10 minutes, whatever protocol pings say. */
export interface Ping {
  /** What is asked for. */
  action: "ping";
  /** The client's own id of the frame, which the reply repeats. */
  id?: string;
}
/** Pong answers Ping. `rooms` are the conversations that the connection is really in, each with the end of its log: the client joins again what is missing, with afterSeq, and with afterSeq what is ahead of what it has. `resync` is true when the connection was not registered any more: it is again. `truncated` says that not all rooms are named. */
export interface Pong {
  /** The conversations that the connection is really in. */
  rooms: RoomHead[];
  /** The connection was not known any more; it is again: join again. */
  resync?: boolean;
  /** Not all rooms are named. */
  truncated?: boolean;
}
/** RoomHead is a conversation and the end of its log. */
export interface RoomHead {
  conversationId: ConversationID;
  /** The end of its log: join with afterSeq if it is ahead of what you have. */
  lastSeq: number;
}
/** Answers ping. */
export interface PongFrame {
  event: "pong";
  /** That of the frame which it answers; not where it answers none. */
  id?: string;
  data: Pong;
  /** When the frame was made. */
  timestamp: string;
}
/** Presence is the data of presence:update. `at` is when it was decided: frames overtake each other, and a client drops what is older than what it has. `more` are others of whom the same was found at the same moment, at most 130 of them. */
export interface Presence {
  type: PrincipalType;
  id: PrincipalID;
  /** Online with the first connection, offline without the last. */
  status: "online" | "offline";
  /** When it was decided: drop what is older than what you have. */
  at?: string;
  /** Others at the same moment, at most 130. */
  more?: Identity[];
}
/** PresencePage is the body of GET /presence: every participant, and whether they are connected now. */
export interface PresencePage {
  conversationId: ConversationID;
  /** Each participant; who was added and has neither joined nor written is offline to others. */
  data: Presence[];
}
/** Tells that a principal's first connection came, or that the last one went. */
export interface PresenceUpdateFrame {
  event: "presence:update";
  /** That of the frame which it answers; not where it answers none. */
  id?: string;
  data: Presence;
  /** When the frame was made. */
  timestamp: string;
}
/** Problem is the body of a REST error: RFC 9457 with this protocol's codes. */
export interface Problem {
  /** Always about:blank: the code tells the kind. */
  type: "about:blank";
  /** The name of the status. */
  title: string;
  /** The status of HTTP. */
  status: number;
  /** A sentence for people; programs go by the code. */
  detail: string;
  code: Code;
  /** The same may be sent again, as it was. */
  retryable: boolean;
  /** Of validation_failed a text for each field, of rate_limited retryAfterMs; of a message its clientMessageId. */
  details?: {
    [k: string]: unknown;
  };
}
/** React sets a reaction of the caller to a message, or takes it back. Repeated it changes nothing. */
export interface React {
  /** What is asked for. */
  action: "react";
  /** The client's own id of the frame, which the reply repeats. */
  id?: string;
  conversationId: ConversationID;
  messageId: MessageID;
  /** An emoji, or a name such as ":party:"; at most 64 bytes. */
  key: string;
  /** False takes it back. */
  on: boolean;
}
/** ReactionList is the body of GET /messages/{id}/reactions. */
export interface ReactionList {
  /** In the order in which they came, at most 200. */
  data: Reaction[];
}
/** Read says that the caller has read up to a message. It never takes anything back. */
export interface Read {
  /** What is asked for. */
  action: "read";
  /** The client's own id of the frame, which the reply repeats. */
  id?: string;
  conversationId: ConversationID;
  /** The last message that is read; where the log is not that long, its end. */
  seq: number;
  /** The others do not learn of it. */
  private?: boolean;
}
/** ReadBody is the body of PUT /conversations/{id}/read. */
export interface ReadBody {
  /** The last message that is read; where the log is not that long, its end. */
  seq: number;
  /** The others do not learn of it. */
  private?: boolean;
}
/** ReadMark is up to where a participant has read, as far as the others may know. */
export interface ReadMark {
  type: PrincipalType;
  id: PrincipalID;
  /** Of who never said so the end of the log when they were added. */
  seq: number;
  /** When they last said so; not where they never did. */
  at?: string;
}
/** ReadMarks is the body of GET /conversations/{id}/reads. */
export interface ReadMarks {
  /** Of each participant. */
  data: ReadMark[];
}
/** ReadUpdate is the data of read:update. */
export interface ReadUpdate {
  conversationId: ConversationID;
  type: PrincipalType;
  id: PrincipalID;
  /** Up to where they have read: of somebody else the largest one is the newest. */
  seq: number;
  /** Of one's own: of two the larger one is the newer. */
  version?: number;
  /** In an answer: not everybody was told, because they were a moment ago; the same again after that, if it still holds, tells them. */
  retryAfterMs?: number;
}
/** Answers read and unread, with their id; without one it tells the caller's other devices, wherever they are, and of what is not private the others in the room. */
export interface ReadUpdateFrame {
  event: "read:update";
  /** That of the frame which it answers; not where it answers none. */
  id?: string;
  data: ReadUpdate;
  /** When the frame was made. */
  timestamp: string;
}
/** Run is one answer of an agent that the backend runs, from the question to the end. */
export interface Run {
  id: RunID;
  conversationId: ConversationID;
  /** Who answers. */
  agentId: PrincipalID;
  /** The question. */
  messageId: MessageID;
  /** 0, or the number of the regeneration. */
  n: number;
  /** Queued, active, waiting, complete, cancelled or failed. */
  status: RunStatus;
  /** Who asked. */
  userId: PrincipalID;
  /** How far it is. */
  steps: number;
  /** What it has cost so far. */
  usage: Usage;
  /** Who wants it to end, or wanted. */
  stoppedBy?: PrincipalID;
  /** Of one that waits: which call is to be approved. */
  toolCallId?: CallID;
  /** Of one that waits: until when. */
  expiresAt?: string;
  /** Why it failed: a code as of errors, or budget_exceeded; conflict: its agent was busy, and takes no second question. */
  error?: string;
  /** When it was asked for. */
  createdAt: string;
  /** When it last left the queue. */
  startedAt?: string;
  /** When it ended. */
  endedAt?: string;
}
/** RunPage is the body of GET /conversations/{id}/runs, the newest first. */
export interface RunPage {
  /** The newest first. */
  data: Run[];
  pagination: CursorPage;
}
/** SearchCursor is the pagination of a search. */
export interface SearchCursor {
  /** The most entries of a page. */
  limit: number;
  /** There may be more, after the cursor. */
  hasMore: boolean;
  /** Of the page that follows. */
  cursor?: string;
}
/** SearchPage is the body of GET /search. */
export interface SearchPage {
  /** The newest first; a page may have fewer than its limit, and more after it. */
  data: Hit[];
  pagination: SearchCursor;
  /** The caller has more conversations than were searched: the 200 latest active ones. */
  latestOnly?: boolean;
  /** The 5,000 latest messages that might do were looked at: go on from the cursor. */
  bounded?: boolean;
}
/** Send adds a message. `conversationId` may be left out by a connection that has joined only one conversation. */
export interface Send {
  /** What is asked for. */
  action: "send";
  /** The client's own id of the frame, which the reply repeats. */
  id?: string;
  /** May be left out on a connection that has joined only one. */
  conversationId?: ConversationID;
  /** What is said; required unless the message has other parts; over WebSocket at most 24 KiB, over REST 64 KiB. */
  content?: string;
  /** The sender's own name for the message: sent again under it, it is stored once. */
  clientMessageId?: ClientMessageID;
  /** The sender, who must be the caller. */
  participantId?: PrincipalID;
  /** The sender's, which must be the caller's. */
  participantType?: PrincipalType;
  /** A user sends user, an agent any other; its own by default. */
  role?: Role;
  /** A user sends text, an agent any; text by default. */
  type?: MessageType;
  /** Of the sender, or of a tool, for the model. */
  name?: string;
  /** The message of the conversation that this one answers. */
  parentId?: MessageID;
  /**
   * Http(s) URLs, which are shown and never fetched; or document:<id>, as POST /uploads gave it to the caller for this conversation, or of another service.
   *
   * @maxItems 10
   */
  attachments?: Attachment[];
  /**
   * Participants who are meant to look at it; one that is given twice counts once.
   *
   * @maxItems 20
   */
  mentions?: MentionInput[];
  /** The one attachment, which was uploaded here, is speech. */
  voice?: VoiceInput;
  /** An agent's. */
  thinking?: ThinkingInput;
  /**
   * An agent's: objects of its own form, 64 KiB together.
   *
   * @maxItems 32
   */
  toolCalls?: {
    [k: string]: unknown;
  }[];
  /**
   * An agent's: objects of its own form, 64 KiB together.
   *
   * @maxItems 32
   */
  toolResults?: {
    [k: string]: unknown;
  }[];
  /** An agent's. */
  usage?: UsageInput;
  /** An agent's: milliseconds that the answer took. */
  latency?: number;
  /** An agent's: why there is no answer. */
  error?: string;
}
/** Signal says something in a call. It is told to the devices of the others and not stored; what is said of the call in the log, once it has ended, is one message. */
export interface Signal {
  /** What is asked for. */
  action: "signal";
  /** The client's own id of the frame, which the reply repeats. */
  id?: string;
  conversationId: ConversationID;
  /** Of the client's own choice, in invite: no two calls of a conversation have one. */
  callId: LiveCallID;
  kind: SignalKind;
  /** The caller's device, in this call. */
  partyId: PartyID;
  /** Who is meant; without it all who take part in the conversation, one's own other devices among them. */
  to?: Identity;
  /** An object for the other clients, such as a description of a session or candidates; at most 16 KB. */
  data?: {
    [k: string]: unknown;
  };
}
/** Stop asks for the end of streams: one by its id, that of a question, also before it exists, or all of a conversation. */
export interface Stop {
  /** What is asked for. */
  action: "stop";
  /** The client's own id of the frame, which the reply repeats. */
  id?: string;
  conversationId: ConversationID;
  /** This one. */
  streamId?: string;
  /** The answer to this question. */
  messageId?: MessageID;
}
/** Stream is an answer that is being written, step by step. */
export interface StreamAbort {
  /** What is asked for. */
  action: "stream";
  /** The client's own id of the frame, which the reply repeats. */
  id?: string;
  /** May be left out on a connection that has joined only one. */
  conversationId: ConversationID;
  /** Start, append, end or abort. */
  state: "abort";
  /** The agent's own name for it, which becomes the message's clientMessageId. */
  streamId: string;
  /** Abort: why. */
  reason?: string;
  /** Abort: it was stopped, and did not fail. */
  cancelled?: boolean;
}
/** Stream is an answer that is being written, step by step. */
export interface StreamAppend {
  /** What is asked for. */
  action: "stream";
  /** The client's own id of the frame, which the reply repeats. */
  id?: string;
  /** May be left out on a connection that has joined only one. */
  conversationId: ConversationID;
  /** Start, append, end or abort. */
  state: "append";
  /** The agent's own name for it, which becomes the message's clientMessageId. */
  streamId: string;
  /** Append: 0, 1, 2 … of the part. */
  index: number;
  /** Append: content (by default), thinking, or tool:<toolCallId>. */
  part?: string;
  /** Append: the piece. */
  text: string;
  /** Append: text is all of the part so far. */
  whole?: boolean;
}
/** StreamBegun is the data of stream:start. */
export interface StreamBegun {
  conversationId: ConversationID;
  /** The agent's own name for it, and its message's clientMessageId. */
  streamId: string;
  /** What is shown of a smaller one is void. */
  epoch: number;
  participantId: PrincipalID;
  /** The question. */
  parentId?: MessageID;
  /** When it began. */
  startedAt: string;
  /** So long it may be silent before its agent is thought dead. */
  leaseMs: number;
}
/** StreamDelta is the data of stream:delta: a piece, or a status. */
export interface StreamDelta {
  conversationId: ConversationID;
  /** The agent's own name for it, and its message's clientMessageId. */
  streamId: string;
  /** Greater for each new beginning: what is shown of a smaller one is void. */
  epoch: number;
  /** Content, thinking or tool:<toolCallId>. */
  part?: string;
  /** Where text begins, in UTF-16 code units, JavaScript's length. */
  offset?: number;
  /** Of text, likewise. */
  length?: number;
  /** The text. */
  text?: string;
  /** What its agent does, in place of a piece. */
  status?: "thinking" | "generating" | "tool" | "waiting";
}
/** More of it, or what its agent does: to the room. */
export interface StreamDeltaFrame {
  event: "stream:delta";
  /** That of the frame which it answers; not where it answers none. */
  id?: string;
  data: StreamDelta;
  /** When the frame was made. */
  timestamp: string;
}
/** StreamDropped is the data of stream:dropped. */
export interface StreamDropped {
  conversationId: ConversationID;
  /** The agent's own name for it, and its message's clientMessageId. */
  streamId: string;
  /** Why there is no message. */
  reason: string;
}
/** It ended without a message: to the room. */
export interface StreamDroppedFrame {
  event: "stream:dropped";
  /** That of the frame which it answers; not where it answers none. */
  id?: string;
  data: StreamDropped;
  /** When the frame was made. */
  timestamp: string;
}
/** Stream is an answer that is being written, step by step. */
export interface StreamEnd {
  /** What is asked for. */
  action: "stream";
  /** The client's own id of the frame, which the reply repeats. */
  id?: string;
  /** May be left out on a connection that has joined only one. */
  conversationId: ConversationID;
  /** What is said; required unless the message has other parts; over WebSocket at most 24 KiB, over REST 64 KiB. */
  content?: string;
  /** A user sends user, an agent any other; its own by default. */
  role?: Role;
  /** A user sends text, an agent any; text by default. */
  type?: MessageType;
  /** Of the sender, or of a tool, for the model. */
  name?: string;
  /** The message of the conversation that this one answers. */
  parentId?: MessageID;
  /**
   * Http(s) URLs, which are shown and never fetched; or document:<id>, as POST /uploads gave it to the caller for this conversation, or of another service.
   *
   * @maxItems 10
   */
  attachments?: Attachment[];
  /**
   * Participants who are meant to look at it; one that is given twice counts once.
   *
   * @maxItems 20
   */
  mentions?: MentionInput[];
  /** An agent's. */
  thinking?: ThinkingInput;
  /**
   * An agent's: objects of its own form, 64 KiB together.
   *
   * @maxItems 32
   */
  toolCalls?: {
    [k: string]: unknown;
  }[];
  /**
   * An agent's: objects of its own form, 64 KiB together.
   *
   * @maxItems 32
   */
  toolResults?: {
    [k: string]: unknown;
  }[];
  /** An agent's. */
  usage?: UsageInput;
  /** An agent's: milliseconds that the answer took. */
  latency?: number;
  /** An agent's: why there is no answer. */
  error?: string;
  /** Start, append, end or abort. */
  state: "end";
  /** The agent's own name for it, which becomes the message's clientMessageId. */
  streamId: string;
}
/** Stream is an answer that is being written, step by step. */
export interface StreamEndPieces {
  /** What is asked for. */
  action: "stream";
  /** The client's own id of the frame, which the reply repeats. */
  id?: string;
  /** May be left out on a connection that has joined only one. */
  conversationId: ConversationID;
  /** Start, append, end or abort. */
  state: "end";
  /** The agent's own name for it, which becomes the message's clientMessageId. */
  streamId: string;
  /** End: how many of each part were appended, in place of what they say. */
  pieces: {
    [k: string]: number;
  };
}
/** StreamSnapshot is the data of stream:snapshot, and the body of GET /conversations/{id}/streams/{streamId}: all that was written so far. To a client each part is a piece with the offset 0. */
export interface StreamSnapshot {
  conversationId: ConversationID;
  /** The agent's own name for it, and its message's clientMessageId. */
  streamId: string;
  /** What is shown of a smaller one is void. */
  epoch: number;
  participantId: PrincipalID;
  /** The question. */
  parentId?: MessageID;
  /** When it began. */
  startedAt: string;
  /** Without more of it for so long it is stalled. */
  leaseMs: number;
  /** What its agent says it does. */
  status?: "thinking" | "generating" | "tool" | "waiting";
  /** Its texts. */
  parts: StreamText[];
  /** It did not fit a frame: read the whole over REST. */
  truncated?: boolean;
}
/** StreamText is one of the texts of a stream, from its beginning. */
export interface StreamText {
  /** Content, thinking or tool:<toolCallId>. */
  part: string;
  /** Of text, in UTF-16 code units, JavaScript's length. */
  length: number;
  /** The text. */
  text: string;
  /** The index of the piece that is missing, for who writes it. */
  next?: number;
}
/** All of it so far: to who joins. */
export interface StreamSnapshotFrame {
  event: "stream:snapshot";
  /** That of the frame which it answers; not where it answers none. */
  id?: string;
  data: StreamSnapshot;
  /** When the frame was made. */
  timestamp: string;
}
/** Stream is an answer that is being written, step by step. */
export interface StreamStart {
  /** What is asked for. */
  action: "stream";
  /** The client's own id of the frame, which the reply repeats. */
  id?: string;
  /** May be left out on a connection that has joined only one. */
  conversationId: ConversationID;
  /** The message of the conversation that this one answers. */
  parentId?: MessageID;
  /** Start, append, end or abort. */
  state: "start";
  /** The agent's own name for it, which becomes the message's clientMessageId. */
  streamId: string;
}
/** An agent begins to write: to the room. */
export interface StreamStartFrame {
  event: "stream:start";
  /** That of the frame which it answers; not where it answers none. */
  id?: string;
  data: StreamBegun;
  /** When the frame was made. */
  timestamp: string;
}
/** StreamStarted answers stream start. */
export interface StreamStarted {
  conversationId: ConversationID;
  /** The agent's own name for it, and its message's clientMessageId. */
  streamId: string;
  /** Of each part, the index to go on with. */
  next: {
    [k: string]: number;
  };
  /** Without a sign of life the stream is ended after that. */
  leaseMs: number;
  /** Between appends. */
  minIntervalMs: number;
  /** Who wants it to end already: end or abort it now. */
  stoppedBy?: Identity;
}
/** Answers stream start. */
export interface StreamStartedFrame {
  event: "stream:started";
  /** That of the frame which it answers; not where it answers none. */
  id?: string;
  data: StreamStarted;
  /** When the frame was made. */
  timestamp: string;
}
/** Stream is an answer that is being written, step by step. */
export interface StreamStatus {
  /** What is asked for. */
  action: "stream";
  /** The client's own id of the frame, which the reply repeats. */
  id?: string;
  /** May be left out on a connection that has joined only one. */
  conversationId: ConversationID;
  /** Start, append, end or abort. */
  state: "append";
  /** The agent's own name for it, which becomes the message's clientMessageId. */
  streamId: string;
  /** Append: thinking, generating, tool or waiting, in place of a piece. */
  status: "thinking" | "generating" | "tool" | "waiting";
}
/** StreamStop is the data of stream:stop. */
export interface StreamStop {
  conversationId: ConversationID;
  /** The agent's own name for it, and its message's clientMessageId. */
  streamId: string;
  by: Identity;
  /** Until then the agent ends it, or it is ended for it. */
  deadlineMs: number;
}
/** Somebody wants it to end: to its agent. */
export interface StreamStopFrame {
  event: "stream:stop";
  /** That of the frame which it answers; not where it answers none. */
  id?: string;
  data: StreamStop;
  /** When the frame was made. */
  timestamp: string;
}
/** StreamStopping is the data of stream:stopping. */
export interface StreamStopping {
  conversationId: ConversationID;
  /** Those that are asked to end; none where nothing is open. */
  streamIds: string[];
  /** The runs that are asked to end, of agents that the backend runs. */
  runIds: RunID[];
}
/** Answers stop, and to the room. */
export interface StreamStoppingFrame {
  event: "stream:stopping";
  /** That of the frame which it answers; not where it answers none. */
  id?: string;
  data: StreamStopping;
  /** When the frame was made. */
  timestamp: string;
}
/** Streams is the body of GET /conversations/{id}/streams: those that are open. */
export interface Streams {
  /** Each is cut as a frame is. */
  data: StreamSnapshot[];
}
/** SummaryResult is the body of POST /conversations/{id}/summary. */
export interface SummaryResult {
  /** What was said, in short. */
  summary: string;
}
/** Typing says that the caller types, or no longer does. */
export interface Typing {
  /** What is asked for. */
  action: "typing";
  /** The client's own id of the frame, which the reply repeats. */
  id?: string;
  conversationId: ConversationID;
  /** Start, every two seconds or so while it lasts, and stop. */
  state: "start" | "stop";
}
/** TypingNotice is the data of typing:start and typing:stop. `expiresIn` is in milliseconds: without another start the principal has stopped by then. */
export interface TypingNotice {
  conversationId: ConversationID;
  type: PrincipalType;
  id: PrincipalID;
  /** Milliseconds: without another start it is over by then. */
  expiresIn?: number;
}
/** Another member types. */
export interface TypingStartFrame {
  event: "typing:start";
  /** That of the frame which it answers; not where it answers none. */
  id?: string;
  data: TypingNotice;
  /** When the frame was made. */
  timestamp: string;
}
/** Another member types no more. */
export interface TypingStopFrame {
  event: "typing:stop";
  /** That of the frame which it answers; not where it answers none. */
  id?: string;
  data: TypingNotice;
  /** When the frame was made. */
  timestamp: string;
}
/** Unread makes a message, and what comes after it, unread again for the caller: they alone learn of it. */
export interface Unread {
  /** What is asked for. */
  action: "unread";
  /** The client's own id of the frame, which the reply repeats. */
  id?: string;
  conversationId: ConversationID;
  /** The first message that is unread. */
  fromSeq: number;
}
/** UnreadBody is the body of PUT /conversations/{id}/unread. */
export interface UnreadBody {
  /** The first message that is unread. */
  fromSeq: number;
}
/** UpdateAgent is the body of PUT /agents/{id}: all that it is to be. */
export interface UpdateAgent {
  /** Of what was read: with another one it is a conflict. */
  version: number;
  /** What people call it. */
  name: string;
  /** What it is for. */
  description?: string;
  /** How the backend answers for it; without it nobody here does. */
  managed?: ManagedInput;
}
/** UpdateConversation is the body of PUT /conversations/{id}. What is left out stays as it is. */
export interface UpdateConversation {
  /** What people call it. */
  title?: string;
  /** What it is about. */
  description?: string;
  /** Only an active one takes messages. */
  status?: ConversationStatus;
  /**
   * To find it by; none twice; instead of all it has.
   *
   * @maxItems 20
   */
  tags?: string[];
}
/** Upload answers CreateUpload: where its bytes are to be put, and what it is attached by then. */
export interface Upload {
  id: UploadID;
  /** For the attachments of a message in this conversation, within 24 hours. */
  attachment: Attachment;
  /** PUT. */
  method: string;
  /** Where to put the bytes, once; it is a secret. */
  url: string;
  /** To be sent with them, exactly so, and no Authorization. */
  headers: {
    [k: string]: string;
  };
  /** Until when they may come. */
  expiresAt: string;
}
/** UsageReport is the body of GET /usage. */
export interface UsageReport {
  /** The first day, of UTC. */
  from: Day;
  /** The last one. */
  to: Day;
  groupBy: UsageGroup;
  /** Days in their order, else what cost most first; 1000 at most. */
  data: UsageSum[];
  /** Of data. */
  total: UsageTotal;
}
/** UsageSum is what the runs of an agent, of a user or of a day cost. */
export interface UsageSum {
  /** An agent's id, a user's, or a day. */
  key: string;
  /** How many. */
  runs: number;
  usage: Usage;
}
/** UsageTotal is what runs cost together. */
export interface UsageTotal {
  /** How many. */
  runs: number;
  usage: Usage;
}
/** The first connection of a member came. */
export interface UserJoinedFrame {
  event: "user:joined";
  /** That of the frame which it answers; not where it answers none. */
  id?: string;
  data: Membership;
  /** When the frame was made. */
  timestamp: string;
}
/** The last connection of a member went. */
export interface UserLeftFrame {
  event: "user:left";
  /** That of the frame which it answers; not where it answers none. */
  id?: string;
  data: Membership;
  /** When the frame was made. */
  timestamp: string;
}
/** Webhook is an address that is called when something happens. */
export interface Webhook {
  id: WebhookID;
  /** What is called. */
  url: string;
  /** What it is called for. */
  events: WebhookEvent[];
  /** Only of conversations in which this agent takes part. */
  agentId?: PrincipalID;
  /** What calls are signed with: in the answer to its creation alone. */
  secret?: string;
  /** Who made it. */
  createdBy: PrincipalID;
  /** When. */
  createdAt: string;
  /** Where the last call was not taken. */
  failing?: WebhookFailing;
  /** Where it is not called any more: delete it, and make another one. */
  disabled?: WebhookDisabled;
}
/** WebhookFailing says since when no call was taken. */
export interface WebhookFailing {
  /** The first call that was not taken. */
  since: string;
  /** How many were not taken since. */
  calls: number;
  /** The last one was not: a status, or a class of failure. */
  why: string;
}
/** WebhookDisabled says why a webhook is not called any more. */
export interface WebhookDisabled {
  /** Since when. */
  at: string;
  /** A status, or a class of failure. */
  why: string;
}
/** WebhookList is the body of GET /webhooks. */
export interface WebhookList {
  /** In the order of their creation, at most 10. */
  data: Webhook[];
}
/** What the server sends. */
export type ServerFrame =
  | BacklogFrame
  | CallSignalFrame
  | CallStateFrame
  | ConnectedFrame
  | ConversationActivityFrame
  | ConversationAddedFrame
  | ConversationDeletedFrame
  | ConversationJoinedFrame
  | ConversationLeftFrame
  | ConversationUpdatedFrame
  | ErrorFrame
  | MessageDeletedFrame
  | MessageFromUserFrame
  | MessageNewFrameLean
  | MessageReactionsFrame
  | MessageSentFrameLean
  | MessageUpdatedFrame
  | MessagesChangedFrame
  | MessagesHistoryFrame
  | NotificationFrame
  | PongFrame
  | PresenceUpdateFrame
  | ReadUpdateFrame
  | StreamDeltaFrame
  | StreamDroppedFrame
  | StreamSnapshotFrame
  | StreamStartFrame
  | StreamStartedFrame
  | StreamStopFrame
  | StreamStoppingFrame
  | TypingStartFrame
  | TypingStopFrame
  | UserJoinedFrame
  | UserLeftFrame;
