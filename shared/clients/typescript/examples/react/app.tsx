import { StrictMode, useState } from "react";
import { createRoot } from "react-dom/client";
import { ChatClient, type Message } from "@aiwm/chat";
import { ChatProvider, useConnection, useConversation } from "@aiwm/chat/react";

const settings = () => fetch("/chat.json").then((response) => response.json());
const { url, restUrl } = await settings();
const client = new ChatClient({ url, restUrl, getToken: async () => (await settings()).token, storage: localStorage });

// The conversation is in the address, so that a reload shows it again.
if (!location.hash) location.hash = (await client.rest.createConversation({ title: "An example", agentId: "assistant" })).id;

function Chat({ id }: { id: string }) {
  const { messages, outgoing, streams, typing, error, hasOlder, ...chat } = useConversation(id);
  const { state, me } = useConnection();
  const [text, setText] = useState("");
  return (
    <main>
      <ol>
        {hasOlder && <button onClick={() => void chat.loadOlder()}>Older messages</button>}
        {messages.map((m) => (
          <Row key={m.seq} message={m} mine={m.participantId === me?.id} all={messages} decide={(call, approved) => void chat.approve(call, { approved })} />
        ))}
        {streams.map((s) => (
          <li key={s.streamId} aria-busy>
            {s.thinking && <small>{s.thinking}</small>}
            {s.content || "…"} <button onClick={() => void chat.stop(s.streamId)}>Stop</button>
          </li>
        ))}
        {outgoing.map((o) => (
          <li key={o.clientMessageId} className={`mine ${o.status}`}>
            {o.content}
            <small>{o.error?.message ?? o.status}</small>
            {o.status === "failed" && <button onClick={() => chat.retry(o.clientMessageId)}>Send again</button>}
          </li>
        ))}
      </ol>
      <small role="status">{error?.message ?? (typing.length > 0 ? `${typing.map((p) => p.id).join(", ")} is typing` : state)}</small>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          if (text.trim()) chat.send(text);
          setText("");
        }}
      >
        <input
          aria-label="Message"
          value={text}
          onBlur={chat.blur}
          onChange={(event) => {
            setText(event.target.value);
            chat.keystroke();
          }}
        />
        <button>Send</button>
      </form>
    </main>
  );
}

function Row({ message: m, mine, all, decide }: { message: Message; mine: boolean; all: readonly Message[]; decide: (call: string, approved: boolean) => void }) {
  const decided = (call: unknown) => all.some((other) => other.approval?.toolCallId === call);
  return (
    <li className={mine ? "mine" : m.status}>
      {m.thinking && <small>{m.thinking.content}</small>}
      {m.isDeleted ? <small>deleted</small> : m.content}
      {m.toolCalls?.map((call) => (
        <small key={String(call.id)}>
          {String(call.name)} {JSON.stringify(call.arguments)}
          {m.approval?.status === "pending" && call.approval === true && !decided(call.id) && (
            <>
              <button onClick={() => decide(String(call.id), true)}>Allow</button>
              <button onClick={() => decide(String(call.id), false)}>Deny</button>
            </>
          )}
        </small>
      ))}
    </li>
  );
}

createRoot(document.getElementById("root")!).render(
  <StrictMode>
    <ChatProvider client={client}>
      <Chat id={location.hash.slice(1)} />
    </ChatProvider>
  </StrictMode>,
);
