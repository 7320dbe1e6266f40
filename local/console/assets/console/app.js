// The console: who is signed in, which conversation is open, and what stands beside it.
import { html, render, useEffect, useMemo, useRef, useState, useStore, useTick, sentence } from "./hooks.js";
import { local, saveSettings, settings, start } from "./session.js";
import { Conversations, List } from "./list.js";
import { Talk } from "./talk.js";
import { NewConversation, People, Remove, Rename, Settings } from "./dialogs.js";
import { Icon } from "./message.js";
import { clean } from "./text.js";

const opened = () => { try { return decodeURIComponent(location.hash.slice(1)); } catch { return ""; } };

function useHash() {
  const [id, set] = useState(opened());
  useEffect(() => {
    const changed = () => set(opened());
    addEventListener("hashchange", changed);
    return () => removeEventListener("hashchange", changed);
  }, []);
  return id;
}

/** One sentence about the connection, and what to do. */
function Connection({ client, settings: open }) {
  const { state, error, retryAt } = useStore(client);
  const [patient, setPatient] = useState(false);
  useEffect(() => {
    if (state === "connected") return setPatient(false);
    const timer = setTimeout(() => setPatient(true), 1200); // what is over in a moment disturbs nobody
    return () => clearTimeout(timer);
  }, [state === "connected"]);
  useTick(1000, state === "disconnected");
  const seconds = retryAt ? Math.max(0, Math.ceil((retryAt - Date.now()) / 1000)) : 0;
  let text, act;
  if (state === "failed") {
    act = html`<button class="link" onClick=${() => client.connect()}>Try again</button> <button class="link" onClick=${open}>Settings</button>`;
    text = { unauthorized: "The token was refused. Put a new one into the settings.", token_expired: "The token has expired. Put a new one into the settings.",
      too_many_connections: "You have too many connections open. Close another tab, then try again." }[error?.code] ?? (sentence(error) || "There is no connection.");
  } else if (error?.code === "rate_limited") {
    text = `Too much at once. It goes on by itself${error.retryAfterMs ? ` in ${Math.ceil(error.retryAfterMs / 1000)} s` : ""}.`;
  } else if (state !== "connected" && patient) {
    text = navigator.onLine === false ? "You are offline. What you send waits here and goes out by itself." : state === "disconnected" && seconds > 0 ? `No connection. What you send waits here. Next try in ${seconds} s.` : "No connection. Trying again…";
    act = html`<button class="link" onClick=${() => dispatchEvent(new Event("online"))}>Now</button>`; // the client hurries then
  }
  return html`<div class=${`banner ${text ? state : "none"}`} role="status">${text && html`<span>${text}</span> ${act}`}</div>`;
}

function Console({ session, change }) {
  const { client } = session;
  const id = useHash(), list = useMemo(() => new Conversations(client), [client]);
  useEffect(() => () => list.close(), [list]);
  const view = useStore(list), connection = useStore(client);
  const [dialog, setDialog] = useState(), [toast, setToast] = useState(), [drawer, setDrawer] = useState(), [second, setSecond] = useState();
  const [info, setInfo] = useState();
  const focus = useRef(), focus2 = useRef();
  const talk = id ? client.conversation(id) : undefined;
  list.open = id;
  const about = talk?.getSnapshot().conversation ?? list.find(id) ?? (info?.id === id ? info : undefined);
  const tell = (text) => { setToast(text); };
  useEffect(() => { if (toast) { const t = setTimeout(() => setToast(undefined), 6000); return () => clearTimeout(t); } }, [toast]);

  // A newcomer has a conversation with the agent that answers.
  useEffect(() => {
    if (id || !view.all || view.status !== "active" || innerWidth < 720 && view.all.length > 0) return;
    if (view.all.length > 0) location.replace("#" + encodeURIComponent(view.all[0].id));
    else if (session.assistant && !session.begun) {
      session.begun = true;
      client.rest.createConversation({ title: "Hello", agentId: session.assistant }, "console-first").then(
        (c) => { list.put(c); location.replace("#" + encodeURIComponent(c.id)); }, (e) => tell(sentence(e)));
    }
  }, [id, view.all]);
  useEffect(() => {
    if (!id) return;
    list.seen(id);
    if (session.local && !session.marks.has(id)) { // where the bill of the Meter begins
      session.marks.set(id, undefined);
      local("meter").then((m) => m && session.marks.set(id, m), () => {});
    }
    const known = list.find(id);
    if (!known?.participants) client.rest.getConversation(id).then(setInfo, () => {});
  }, [id, view.all === undefined]);
  useEffect(() => { document.title = (view.fresh.size ? `(${view.fresh.size}) ` : "") + (about ? clean(about.title) + " · " : "") + "aiwm-chat"; });

  // Alt and an arrow: the next conversation.
  useEffect(() => {
    const key = (e) => {
      if (!e.altKey || e.ctrlKey || e.metaKey || (e.key !== "ArrowUp" && e.key !== "ArrowDown") || !view.all?.length) return;
      e.preventDefault();
      const i = view.all.findIndex((c) => c.id === id);
      location.hash = encodeURIComponent(view.all[Math.max(0, Math.min(view.all.length - 1, i + (e.key === "ArrowDown" ? 1 : -1)))].id);
    };
    addEventListener("keydown", key);
    return () => removeEventListener("keydown", key);
  }, [view.all, id]);

  const update = async (body) => {
    const c = await client.rest.updateConversation(id, body);
    list.put(c);
    setInfo(c);
  };
  const actions = {
    back: () => { location.hash = ""; },
    people: () => setDialog("people"),
    rename: () => setDialog("rename"),
    remove: () => setDialog("remove"),
    status: (status) => update({ status }).catch((e) => tell(sentence(e))),
  };
  const close = () => setDialog(undefined);
  const both = session.second && about && { on: !!second, toggle: async () => {
    if (second) { second.close(); return setSecond(undefined); }
    if (!about.participants?.some((p) => p.type === "agent" && p.id === session.agent)) {
      try {
        setInfo(await client.rest.addParticipant(id, { type: "agent", id: session.agent }));
      } catch (e) {
        if (e.code !== "conflict") return tell(sentence(e));
      }
    }
    setSecond(session.second());
  } };
  const [Panels, setPanels] = useState();
  const openDrawer = async () => {
    if (drawer) return setDrawer(false);
    const m = Panels ?? (await import("./panels.js")).Panels;
    setPanels(() => m);
    setDrawer(true);
  };

  return html`<div class=${`console ${id ? "has-talk" : ""} ${drawer ? "has-drawer" : ""} ${second ? "has-second" : ""}`}>
    <${List} list=${list} view=${view} open=${id} onOpen=${() => {}} onNew=${() => setDialog("new")}>
      <footer class="foot"><span class=${`dot ${connection.state === "connected" ? "on" : ""}`} aria-hidden="true"></span>
        <span class="who"><bdi>${clean(connection.me?.id ?? "…")}</bdi><span class="small block">${connection.state}</span></span>
        <button class="quiet" aria-expanded=${!!drawer} onClick=${openDrawer}>Panels</button>
        <button class="icon quiet" aria-label="Settings" onClick=${() => setDialog("settings")}><${Icon} name="settings" /></button></footer>
    <//>
    <main>
      <${Connection} client=${client} settings=${() => setDialog("settings")} />
      <div class="sides">
        ${id ? html`<${Talk} key=${id} ...${{ client, id, info: about, second: both, local: session.local, tell, actions, focus }} side="first" />`
          : html`<div class="empty">${view.all?.length === 0 && html`<h2>No conversation yet</h2><p><button class="primary" onClick=${() => setDialog("new")}>Begin one</button></p>`}</div>`}
        ${id && second && html`<${Talk} key=${"second" + id} client=${second} ...${{ id, info: about, local: session.local, tell, actions, focus: focus2 }} side="second" />`}
      </div>
    </main>
    ${drawer && Panels && html`<${Panels} ...${{ client, id, local: session.local, marks: session.marks }} close=${() => setDrawer(false)} />`}
    <div class=${`toast ${toast ? "" : "none"}`} role="status">${toast}</div>
    ${dialog === "new" && html`<${NewConversation} ...${{ client, close, assistant: session.assistant, agent: session.agent }} made=${(c) => { close(); list.put(c); location.hash = encodeURIComponent(c.id); }} />`}
    ${dialog === "people" && about?.participants && html`<${People} ...${{ client, about, close, presence: talk.getSnapshot().presence }} changed=${() => client.rest.getConversation(id).then((c) => { setInfo(c); list.put(c); }, () => {})} />`}
    ${dialog === "rename" && about && html`<${Rename} ...${{ about, close }} act=${(title) => update({ title })} />`}
    ${dialog === "remove" && about && html`<${Remove} ...${{ about, close }} act=${async () => { await client.rest.deleteConversation(id); list.drop(id); location.hash = ""; }} />`}
    ${dialog === "settings" && html`<${Settings} ...${{ close, demo: session.demo, local: session.local, save: change }} value=${{ url: session.url, restUrl: session.restUrl, token: settings().token }} reset=${session.local && !session.demo ? () => change(undefined) : undefined} />`}
  </div>`;
}

function App() {
  const [session, set] = useState();
  const begin = () => start().then(set, (error) => set({ asks: settings(), error }));
  useEffect(() => { begin(); }, []);
  const change = (s) => { saveSettings(s); session.client?.close(); set(undefined); begin(); };
  if (!session) return html`<p class="boot">aiwm-chat</p>`;
  if (session.asks) return html`<${Settings} value=${session.asks} local=${session.local} save=${change} why="This page talks to a backend of yours. It needs two addresses and a token." />`;
  return html`<${Console} key=${session.url} session=${session} change=${change} />`;
}

const root = document.getElementById("app");
root.replaceChildren();
render(html`<${App} />`, root);
