import { createContext, createElement, useCallback, useContext, useEffect, useMemo, useRef, useState, useSyncExternalStore, type ReactNode } from "react";
import type { ChatClient } from "./client.js";
import type { Conversation } from "./conversation.js";
import type { Identity, Message, UnreadCount } from "./protocol.gen.js";
import type { ClientSnapshot, ConversationSnapshot, Outgoing, StreamView } from "./types.js";
import type { Unread } from "./unread.js";

const Context = createContext<ChatClient | undefined>(undefined);

/**
 * Gives the client to the components below, and keeps it connected while it is mounted. It
 * does not close it: the client is whoever's made it, and may outlive the page's tree.
 */
export function ChatProvider({ client, children }: { client: ChatClient; children?: ReactNode }) {
  useEffect(() => client.connect(), [client]);
  return createElement(Context.Provider, { value: client }, children);
}

/** The client of the {@link ChatProvider} above. */
export function useChatClient(): ChatClient {
  const client = useContext(Context);
  if (!client) throw new Error("useChatClient: there is no <ChatProvider client={…}> above this component");
  return client;
}

/** How the connection is, and who is connected. */
export function useConnection(): ClientSnapshot {
  const client = useChatClient();
  return useSelected(useCallback((changed) => client.subscribe(changed), [client]), () => client.getSnapshot(), notConnected, same);
}

/** What can be done in a conversation, by functions that stay the same. */
export type ConversationActions = Pick<Conversation, (typeof verbs)[number]>;

const verbs = ["send", "retry", "discard", "stop", "stopAnswer", "approve", "keystroke", "blur", "loadOlder", "read", "unread", "loadReads"] as const;

/** All of a conversation, which is joined while the component is mounted, and what can be done in it. */
export function useConversation(id: string): ConversationSnapshot & ConversationActions {
  const snapshot = useConversationPart(id, (s) => s, nothing, same);
  const conversation = useChatClient().conversation(id);
  const actions = useMemo(() => Object.fromEntries(verbs.map((verb) => [verb, (conversation[verb] as () => unknown).bind(conversation)])), [conversation]);
  return useMemo(() => ({ ...snapshot, ...(actions as unknown as ConversationActions) }), [snapshot, actions]);
}

/** The log, and one's own messages that are not in it yet; the component is not drawn again for the pieces of answers. */
export function useMessages(id: string): { messages: readonly Message[]; outgoing: readonly Outgoing[]; hasOlder: boolean } {
  return useConversationPart(id, ({ messages, outgoing, hasOlder }) => ({ messages, outgoing, hasOlder }), nothing, shallow);
}

/** One answer that is being written, or the one that began last; undefined once its message is there. */
export function useStream(id: string, streamId?: string): StreamView | undefined {
  return useConversationPart(id, (s) => (streamId === undefined ? s.streams.at(-1) : s.streams.find((v) => v.streamId === streamId)), nothing, same);
}

/** Who is typing. */
export function useTyping(id: string): readonly Identity[] {
  return useConversationPart(id, (s) => s.typing, nothing, same);
}

/** Who is in the room, who of whom it is known is online, and whether the agent is. */
export function usePresence(id: string): Pick<ConversationSnapshot, "members" | "presence" | "agentOnline"> {
  return useConversationPart(id, ({ members, presence, agentOnline }) => ({ members, presence, agentOnline }), nothing, shallow);
}

/** How much is unread in each of one's conversations, by their ids, of those that are known; kept in step from the first component on that asks for it. */
export function useUnread(): Readonly<Record<string, UnreadCount>> {
  const client = useChatClient();
  const { state } = useConnection();
  const [loaded, set] = useState<{ of: ChatClient; unread: Unread }>();
  const unread = loaded?.of === client ? loaded.unread : undefined;
  useEffect(() => {
    let isOver = false;
    if (unread === undefined) void client.unread().then((unread) => isOver || set({ of: client, unread }), () => {}); // it cannot be loaded: with the next connection
    return () => void (isOver = true);
  }, [client, state, unread]);
  return useSelected(useCallback((changed) => unread?.subscribe(changed) ?? (() => {}), [unread]), () => unread?.getSnapshot() ?? none, none, same);
}

/** A part of a conversation, which is joined while the component is mounted. */
function useConversationPart<T>(id: string, select: (s: ConversationSnapshot) => T, server: ConversationSnapshot, equal: (a: T, b: T) => boolean): T {
  const conversation = useChatClient().conversation(id);
  // Joining and subscribing are one effect, so that React's StrictMode and a change of id
  // pair each with its end.
  const subscribe = useCallback(
    (changed: () => void) => {
      const leave = conversation.open();
      const forget = conversation.subscribe(changed);
      return () => {
        forget();
        leave();
      };
    },
    [conversation],
  );
  return useSelected(subscribe, () => select(conversation.getSnapshot()), select(server), equal);
}

/**
 * useSyncExternalStore for a part of a store: what was returned last is returned again while
 * the part is the same, or React would draw for ever. On the server, and in the first draw
 * of what was drawn there, nothing is known yet.
 */
function useSelected<T>(subscribe: (changed: () => void) => () => void, read: () => T, server: T, equal: (a: T, b: T) => boolean): T {
  const last = useRef<{ value: T } | undefined>(undefined);
  const keep = (value: T): T => {
    if (!last.current || !equal(last.current.value, value)) last.current = { value };
    return last.current.value;
  };
  const onServer = useRef(server);
  return useSyncExternalStore(
    subscribe,
    () => keep(read()),
    () => onServer.current,
  );
}

const same = Object.is;
const none: Readonly<Record<string, UnreadCount>> = Object.freeze({});

function shallow<T extends object>(a: T, b: T): boolean {
  return (Object.keys(a) as (keyof T)[]).every((key) => Object.is(a[key], b[key]));
}

const notConnected: ClientSnapshot = Object.freeze({ state: "initialized" });

const nothing: ConversationSnapshot = Object.freeze({
  state: "idle",
  messages: [],
  outgoing: [],
  streams: [],
  typing: [],
  members: [],
  presence: {},
  hasOlder: false,
  lastSeq: 0,
});
