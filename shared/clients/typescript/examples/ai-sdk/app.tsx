import { StrictMode, useState } from "react";
import { createRoot } from "react-dom/client";
import { useChat } from "@ai-sdk/react";
import { isToolUIPart, lastAssistantMessageIsCompleteWithApprovalResponses } from "ai";
import { ChatClient } from "@aiwm/chat";
import { AiwmChatTransport, toUIMessages, type ChatUIMessage } from "@aiwm/chat/ai-sdk";

const settings = () => fetch("/chat.json").then((response) => response.json());
const { url, restUrl } = await settings();
const client = new ChatClient({ url, restUrl, getToken: async () => (await settings()).token });
const transport = new AiwmChatTransport(client);

// The conversation is in the address, so that a reload shows it again.
if (!location.hash) location.hash = (await client.rest.createConversation({ title: "An example", agentId: "assistant" })).id;
const id = location.hash.slice(1);
const history = toUIMessages((await client.rest.messages({ conversationId: id, limit: 100 })).data);

function Chat() {
  const { messages, status, error, sendMessage, regenerate, stop, addToolApprovalResponse } = useChat({
    id,
    transport,
    messages: history,
    resume: true,
    sendAutomaticallyWhen: lastAssistantMessageIsCompleteWithApprovalResponses,
  });
  const [text, setText] = useState("");
  const busy = status === "submitted" || status === "streaming";
  return (
    <main>
      <ol>
        {messages.map((m) => (
          <li key={m.id} className={m.role === "user" ? "mine" : ""} aria-busy={(busy && m === messages.at(-1)) || undefined}>
            {m.parts.map((part, i) => (
              <Part key={i} part={part} decide={(approval, approved) => void addToolApprovalResponse({ id: approval, approved })} />
            ))}
          </li>
        ))}
      </ol>
      <small role="status">
        {error?.message ?? status} {busy && <button onClick={() => void stop()}>Stop</button>}
        {!busy && messages.length > 0 && <button onClick={() => void regenerate()}>Again</button>}
      </small>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          if (text.trim()) void sendMessage({ text });
          setText("");
        }}
      >
        <input aria-label="Message" value={text} onChange={(event) => setText(event.target.value)} />
        <button>Send</button>
      </form>
    </main>
  );
}

function Part({ part, decide }: { part: ChatUIMessage["parts"][number]; decide: (approval: string, approved: boolean) => void }) {
  if (part.type === "text") return part.text;
  if (part.type === "reasoning") return <small>{part.text}</small>;
  if (!isToolUIPart(part)) return null;
  return (
    <small>
      {part.type === "dynamic-tool" && part.toolName} {JSON.stringify(part.input)} {part.state}
      {part.state === "approval-requested" && (
        <>
          <button onClick={() => decide(part.approval.id, true)}>Allow</button>
          <button onClick={() => decide(part.approval.id, false)}>Deny</button>
        </>
      )}
    </small>
  );
}

createRoot(document.getElementById("root")!).render(
  <StrictMode>
    <Chat />
  </StrictMode>,
);
