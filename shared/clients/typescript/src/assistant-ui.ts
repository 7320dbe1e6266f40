import { useExternalStoreRuntime, type AppendMessage, type AssistantRuntime } from "@assistant-ui/react";
import { useMemo } from "react";
import { isRun, toThreadMessages } from "./adapters/thread-messages.js";
import { ChatError } from "./error.js";
import { useChatClient, useConnection, useConversation } from "./react.js";

/**
 * The runtime of assistant-ui for a conversation, below a `ChatProvider` of `@aiwm/chat/react`:
 *
 *     const runtime = useAiwmRuntime(id);
 *     return <AssistantRuntimeProvider runtime={runtime}><Thread /></AssistantRuntimeProvider>;
 *
 * What others say comes too; cancelling stops the agent; tools are allowed with
 * `respondToToolApproval`; reloading asks an agent that the backend runs once more.
 */
export function useAiwmRuntime(id: string): AssistantRuntime {
  const client = useChatClient();
  const { me } = useConnection();
  const chat = useConversation(id);
  const { messages: log, streams, outgoing } = chat;
  const messages = useMemo(() => toThreadMessages({ messages: log, streams, outgoing }, id, me?.id), [log, streams, outgoing, id, me?.id]);
  return useExternalStoreRuntime({
    messages,
    convertMessage: (m) => m,
    isRunning: streams.length > 0 || messages.some(isRun), // also between two steps
    isLoading: chat.state === "joining" && log.length === 0,
    isDisabled: chat.state === "gone",
    hasEarlier: chat.hasOlder,
    onLoadEarlier: async () => void (await chat.loadOlder()),
    onNew: async (message) => void chat.send(inputOf(message)),
    // Before anything is written, and between two steps, it is known by its question alone.
    onCancel: () => {
      const last = log.filter((m) => m.participantType === "user" && m.participantId === me?.id).at(-1);
      return streams.length > 0 || !last ? chat.stop() : chat.stopAnswer(last.id);
    },
    onRespondToToolApproval: ({ approvalId, approved, reason }) => chat.approve(approvalId, { approved, ...(reason && { reason }) }),
    onReload: async (parentId) => {
      const asked = log.find((m) => m.clientMessageId === parentId);
      if (!asked) throw new ChatError("not_found", "What is to be answered again is not in the log");
      await client.rest.regenerate(asked.id);
    },
  });
}

function inputOf({ role, content, attachments }: AppendMessage) {
  if (role !== "user") throw new ChatError("bad_request", `Only what a user says can be sent: the role of this message is ${role}`);
  const text = content.flatMap((part) => (part.type === "text" ? [part.text] : [])).join("\n\n");
  const urls = [...content, ...(attachments ?? []).flatMap((a) => a.content)].flatMap((part) => (part.type === "file" ? [part.data] : part.type === "image" ? [part.image] : []));
  return { content: text, ...(urls.length > 0 && { attachments: urls }) };
}
