// A page with assistant-ui's runtime of a conversation, without a browser.
import { JSDOM } from "jsdom";
import { until } from "./server.mjs";

// React looks for a document when it is loaded.
export const { window } = new JSDOM("<!doctype html>", { pretendToBeVisual: true, url: "http://localhost/" });
for (const name of ["window", "document", "navigator", "AbortController", "AbortSignal"]) Object.defineProperty(globalThis, name, { value: window[name], configurable: true });

const React = await import("react");
const { createRoot } = await import("react-dom/client");
const { renderToString } = await import("react-dom/server");
const aui = await import("@assistant-ui/react");
const { useAiwmRuntime } = await import("../../dist/assistant-ui.js");
const { ChatProvider } = await import("../../dist/react.js");

/** A page with assistant-ui's runtime of a conversation. */
export async function openThread(t, client, id, state = "joined") {
  id ??= (await client.rest.createConversation({ title: "assistant-ui", agentId: "assistant" })).id;
  const page = { id, client, states: [] };
  const root = createRoot(document.createElement("div"));
  root.render(React.createElement(React.StrictMode, null, appOf(client, id, (runtime) => (page.thread = runtime.thread))));
  t.after(() => root.unmount());
  await until("the page", () => page.thread && client.conversation(id).getSnapshot().state === state);
  page.messages = () => page.thread.getState().messages;
  page.last = () => page.messages().at(-1);
  page.text = () => (page.last()?.role === "assistant" ? page.last().content.flatMap((p) => (p.type === "text" ? [p.text] : [])).join("") : "");
  page.rests = () => until("the end of the answer", () => page.last()?.role === "assistant" && !["running", "requires-action"].includes(page.last().status.type) && !page.thread.getState().isRunning);
  page.log = async () => (await client.rest.messages({ conversationId: id, limit: 100 })).data;
  return page;
}

/** What a server draws of a thread. */
export function drawOnServer(client, id) {
  return renderToString(appOf(client, id));
}

function appOf(client, id, onRuntime = () => {}) {
  const Thread = () => {
    const runtime = useAiwmRuntime(id);
    onRuntime(runtime);
    return React.createElement(aui.AssistantRuntimeProvider, { runtime }, React.createElement(aui.ThreadPrimitive.Messages, { components: { Message: () => React.createElement("p") } }));
  };
  return React.createElement(ChatProvider, { client }, React.createElement(Thread));
}
