import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { ActionBarPrimitive, AssistantRuntimeProvider, AuiIf, ComposerPrimitive, ErrorPrimitive, MessagePrimitive, ThreadPrimitive, type ToolCallMessagePartProps } from "@assistant-ui/react";
import { ChatClient } from "@aiwm/chat";
import { useAiwmRuntime } from "@aiwm/chat/assistant-ui";
import { ChatProvider, useConnection } from "@aiwm/chat/react";

const settings = () => fetch("/chat.json").then((response) => response.json());
const { url, restUrl } = await settings();
const client = new ChatClient({ url, restUrl, getToken: async () => (await settings()).token, storage: localStorage });

// The conversation is in the address, so that a reload shows it again.
if (!location.hash) location.hash = (await client.rest.createConversation({ title: "An example", agentId: "assistant" })).id;

function Chat({ id }: { id: string }) {
  const runtime = useAiwmRuntime(id);
  const { state } = useConnection();
  return (
    <AssistantRuntimeProvider runtime={runtime}>
      <ThreadPrimitive.Root asChild>
        <main>
          <ThreadPrimitive.Viewport asChild>
            <ol>
              <ThreadPrimitive.Messages components={{ UserMessage, AssistantMessage }} />
            </ol>
          </ThreadPrimitive.Viewport>
          <small role="status">
            {state}
            <AuiIf condition={(s) => s.thread.isRunning}>
              {" "}
              <ComposerPrimitive.Cancel>Stop</ComposerPrimitive.Cancel>
            </AuiIf>
          </small>
          <ComposerPrimitive.Root>
            <ComposerPrimitive.Input asChild aria-label="Message">
              <input />
            </ComposerPrimitive.Input>
            <ComposerPrimitive.Send>Send</ComposerPrimitive.Send>
          </ComposerPrimitive.Root>
        </main>
      </ThreadPrimitive.Root>
    </AssistantRuntimeProvider>
  );
}

function UserMessage() {
  return (
    <MessagePrimitive.Root asChild>
      <li className="mine">
        <MessagePrimitive.Parts />
      </li>
    </MessagePrimitive.Root>
  );
}

function AssistantMessage() {
  return (
    <MessagePrimitive.Root asChild>
      <li>
        <AuiIf condition={(s) => s.message.status?.type === "running"}>
          <span aria-busy />
        </AuiIf>
        <MessagePrimitive.Parts components={{ Text, Reasoning, tools: { Fallback: Tool } }} />
        <MessagePrimitive.Error>
          <small>
            <ErrorPrimitive.Message />
          </small>
        </MessagePrimitive.Error>
        <ActionBarPrimitive.Root hideWhenRunning>
          <ActionBarPrimitive.Reload>Again</ActionBarPrimitive.Reload>
        </ActionBarPrimitive.Root>
      </li>
    </MessagePrimitive.Root>
  );
}

/** As it comes: by itself assistant-ui types it letter by letter, and not in a page that is hidden. */
function Text({ text }: { text: string }) {
  return text;
}

function Reasoning({ text }: { text: string }) {
  return <small>{text}</small>;
}

function Tool({ toolName, argsText, result, approval, respondToApproval }: ToolCallMessagePartProps) {
  const asks = approval && approval.approved === undefined && result === undefined;
  return (
    <small>
      {toolName} {argsText}
      {asks && (
        <>
          <button onClick={() => void respondToApproval({ approved: true })}>Allow</button>
          <button onClick={() => void respondToApproval({ approved: false })}>Deny</button>
        </>
      )}
    </small>
  );
}

createRoot(document.getElementById("root")!).render(
  <StrictMode>
    <ChatProvider client={client}>
      <Chat id={location.hash.slice(1)} />
    </ChatProvider>
  </StrictMode>,
);
