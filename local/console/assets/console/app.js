// The console: who is signed in, which conversation is open, and what stands beside it.
import { html, render, useEffect, useMemo, useRef, useState, useStore, useTick, busy, sentence } from "./hooks.js";
import { local, saveSettings, settings, start } from "./session.js";
import { Conversations, List } from "./list.js";
import { useUnread } from "./reading.js";
import { Talk } from "./talk.js";
import { Icon } from "./message.js";
import { clean } from "./text.js";

const opened = () => { try { return decodeURIComponent(location.hash.slice(1)); } catch { return ""; } };
const open = (id) => { location.hash = encodeURIComponent(id); };

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
function Connection({ client, settings: open, demo }) {
  const { state, error, retryAt, me } = useStore(client);
  const [patient, setPatient] = useState(false), [silent, setSilent] = useState(false);
  useEffect(() => {
    // What is over in a moment disturbs nobody; and what lasts a moment is no connection.
    const timer = state === "connected" ? setTimeout(() => setPatient(false), 400) : setTimeout(() => setPatient(true), 1200);
    return () => clearTimeout(timer);
  }, [state === "connected"]);
  useEffect(() => {
    if (state !== "connected" || me?.id) return setSilent(false);
    const timer = setTimeout(() => setSilent(true), 4000);
    return () => clearTimeout(timer);
  }, [state === "connected", me?.id]);
  useTick(1000, state === "disconnected");
  const seconds = retryAt ? Math.max(0, Math.ceil((retryAt - Date.now()) / 1000)) : 0;
  let text, act;
  if (state === "failed") {
    act = html`<button class="link" onClick=${() => client.connect()}>Try again</button> ${demo && /^(unauthorized|token_expired)$/.test(error?.code) && html`<button class="link" onClick=${demo}>Use the demo user</button> `}<button class="link" onClick=${open}>Settings</button>`;
    text = { unauthorized: "The token was refused. Put a new one into the settings.", token_expired: "The token has expired. Put a new one into the settings.",
      too_many_connections: "You have too many connections open. Close another tab, then try again." }[error?.code] ?? (sentence(error) || "There is no connection.");
  } else if (busy(error)) {
    text = busy(error);
  } else if (state === "connected" && !me?.id && silent) {
    text = "The server does not say who you are. Perhaps it is no chat, or of another version.";
    act = html`<button class="link" onClick=${open}>Settings</button>`;
  } else if (patient) {
    text = navigator.onLine === false ? "You are offline. What you send waits here and goes out by itself." : state === "disconnected" && seconds > 0 ? `No connection. What you send waits here. Next try in ${seconds} s.` : "No connection. Trying again…";
    act = html`<button class="link" onClick=${() => dispatchEvent(new Event("online"))}>Now</button>`; // the client hurries then
  }
  return html`<div class=${`banner ${text ? state : "none"}`} role="status">${text && html`<span>${text}</span> ${act}`}</div>`;
}

/** One sentence that goes by itself, and what says it. */
function useToast() {
  const [toast, tell] = useState();
  useEffect(() => {
    if (!toast) return;
    const timer = setTimeout(() => tell(undefined), 6000);
    return () => clearTimeout(timer);
  }, [toast]);
  return [toast, tell];
}

/** What is known of the conversation that is open, and what takes what is learned. */
function useAbout({ client, session, list, view, unread, id, connected }) {
  const [info, learn] = useState();
  useEffect(() => {
    if (!id) return;
    if (session.local && !session.marks.has(id)) { // where the bill of the Meter begins
      session.marks.set(id, undefined);
      local("meter").then((m) => m && session.marks.set(id, m), () => {});
    }
    if (!list.find(id)?.participants) client.rest.getConversation(id).then(learn, () => {});
  }, [id, view.all === undefined, connected]);
  const found = (id && client.conversation(id).getSnapshot().conversation) ?? list.find(id) ?? (info?.id === id ? info : undefined);
  const last = useRef(); // what cannot be read now has not changed for that
  if (found) last.current = found;
  const about = found ?? (last.current?.id === id ? last.current : undefined);
  const talks = Object.values(unread).filter((one) => one.count > 0).length; // that have something to read
  useEffect(() => { document.title = (talks ? `(${talks}) ` : "") + (about ? clean(about.title) + " · " : "") + "aiwm-chat"; });
  return [about, learn];
}

/** Who has no conversation open gets the newest, and a newcomer one with the agent that answers. */
function useFirst({ client, session, list, view, id, tell }) {
  useEffect(() => {
    if (id || !view.all || view.status !== "active" || (innerWidth < 720 && view.all.length > 0)) return;
    const show = (c) => location.replace("#" + encodeURIComponent(c.id));
    if (view.all.length > 0) show(view.all[0]);
    else if (session.assistant && !session.begun) {
      session.begun = true;
      client.rest.createConversation({ title: "Hello", agentId: session.assistant }, "console-first").then((c) => { list.put(c); show(c); }, (e) => tell(sentence(e)));
    }
  }, [id, view.all]);
}

/** Alt and an arrow: the conversation before, the next one. */
function useArrows(list, id) {
  useEffect(() => {
    const at = () => list.getSnapshot().all?.findIndex((c) => c.id === id) ?? -1;
    const key = async (e) => {
      if (!e.altKey || e.ctrlKey || e.metaKey || (e.key !== "ArrowUp" && e.key !== "ArrowDown") || document.querySelector("dialog")) return;
      e.preventDefault();
      const by = e.key === "ArrowDown" ? 1 : -1;
      if (by > 0 && at() + 1 === list.getSnapshot().all?.length) await list.more();
      const next = list.getSnapshot().all?.[Math.max(0, at() + by)];
      if (next && opened() === id) open(next.id);
    };
    addEventListener("keydown", key);
    return () => removeEventListener("keydown", key);
  }, [list, id]);
}

/** The second side: the same conversation as the demo agent has it, until another one is open. */
function useSecond({ client, session, id, about, learn, tell }) {
  const [second, set] = useState(), busy = useRef(false);
  useEffect(() => () => second?.close(), [second]);
  useEffect(() => () => set(undefined), [id]);
  const toggle = async () => {
    if (second) return set(undefined);
    if (busy.current) return;
    busy.current = true;
    try {
      if (!about.participants?.some((p) => p.type === "agent" && p.id === session.agent)) learn(await client.rest.addParticipant(id, { type: "agent", id: session.agent }));
    } catch (e) {
      if (e.code !== "conflict") return tell(sentence(e));
    } finally {
      busy.current = false;
    }
    if (opened() === id) set(session.second());
  };
  return [second, session.second && about && { on: !!second, toggle, agent: session.agent }];
}

let dialogs, panels; // the files of these, once somebody has asked for them
let styled;
const unloaded = "It cannot be loaded, for the server does not answer. Try again in a moment.";

/** One of these files, and how what it has looks. What could not be loaded is asked for anew. */
async function beside(file) {
  styled ??= new Promise((done, fail) => {
    const link = document.createElement("link");
    Object.assign(link, { rel: "stylesheet", href: "console/beside.css", onload: done, onerror: () => { styled = undefined; link.remove(); fail(); } });
    document.head.append(link);
  });
  const [loaded] = await Promise.all([import(file), styled]);
  return loaded;
}

function Dialogs({ dialog: { name, m, by }, session, change, list, id, about, learn, close }) {
  const { client } = session;
  switch (name) {
    case "new": return html`<${dialogs.NewConversation} ...${{ client, close, assistant: session.assistant, agent: session.agent }} made=${(c) => { close(); list.put(c); open(c.id); }} />`;
    case "settings": return html`<${dialogs.Settings} ...${{ close, demo: session.demo, local: session.local, save: change }} value=${{ url: session.url, restUrl: session.restUrl, token: settings().token }} reset=${session.local && !session.demo ? () => change(undefined) : undefined} />`;
    case "people": return html`<${dialogs.People} ...${{ client, about, close, view: client.conversation(id).getSnapshot() }} changed=${() => client.rest.getConversation(id).then((c) => { learn(c); list.put(c); }, () => {})} />`;
    case "erase": return html`<${dialogs.Erase} ...${{ m, close }} act=${() => by.rest.deleteMessage(m.id)} />`;
    case "rename": return html`<${dialogs.Rename} ...${{ about, close }} act=${async (title) => { const c = await client.rest.updateConversation(id, { title }); list.put(c); learn(c); }} />`;
    case "remove": return html`<${dialogs.Remove} ...${{ about, close }} act=${async () => { await client.rest.deleteConversation(id); list.drop(id); if (opened() === id) open(""); }} />`;
  }
}

function Console({ session, change }) {
  const { client } = session;
  const id = useHash(), list = useMemo(() => new Conversations(client), [client]);
  useEffect(() => () => list.close(), [list]);
  const view = useStore(list), connection = useStore(client), connected = connection.state === "connected";
  const [toast, tell] = useToast(), [dialog, setDialog] = useState(), [drawer, setDrawer] = useState(false);
  const focus = useRef(), focus2 = useRef();
  const unread = useUnread(client);
  const [about, learn] = useAbout({ client, session, list, view, unread, id, connected });
  const [second, both] = useSecond({ client, session, id, about, learn, tell });
  useFirst({ client, session, list, view, id, tell });
  useArrows(list, id);

  // What is asked about one conversation is not asked about the next.
  useEffect(() => setDialog((d) => (d?.id ? undefined : d)), [id]);
  const close = () => setDialog(undefined);
  const ask = (name, of, more) => async () => {
    try {
      dialogs ??= await beside("./dialogs.js");
    } catch {
      return tell(unloaded);
    }
    if (of && !about?.participants) tell("It is still being read. Try again in a moment.");
    else if (!of || opened() === of) setDialog({ name, id: of, ...more });
  };
  const showPanels = async () => {
    try {
      panels ??= await beside("./panels.js");
    } catch {
      return tell(unloaded);
    }
    setDrawer(!drawer);
  };
  const actions = {
    back: () => open(""),
    people: ask("people", id),
    rename: ask("rename", id),
    remove: ask("remove", id),
    erase: (m, by) => ask("erase", id, { m, by })(),
    status: (status) => client.rest.updateConversation(id, { status }).then((c) => { list.put(c); learn(c); if (status === "active" && list.getSnapshot().status !== status) list.show(status); }, (e) => tell(sentence(e))),
  };
  const side = { id, info: about, local: session.local, tell, actions, gone: () => list.drop(id), says: (m) => list.says(m) };

  return html`<div class=${`console ${id ? "has-talk" : ""} ${drawer ? "has-drawer" : ""} ${second ? "has-second" : ""}`}>
    <${List} list=${list} view=${view} unread=${unread} open=${id} onNew=${ask("new")}>
      <footer class="foot"><span class=${`dot ${connected ? "on" : ""}`} aria-hidden="true"></span>
        <span class="who"><bdi>${clean(connection.me?.id ?? "…")}</bdi><span class="small block">${connection.state}</span></span>
        <button class="quiet panels-of" aria-expanded=${drawer} onClick=${showPanels}>Panels</button>
        <button class="icon quiet" aria-label="Settings" onClick=${ask("settings")}><${Icon} name="settings" /></button></footer>
    <//>
    <main>
      <${Connection} client=${client} settings=${ask("settings")} demo=${session.local && !session.demo ? () => change(undefined) : undefined} />
      <div class="sides">
        ${id ? html`<${Talk} key=${id} client=${client} ...${side} second=${both} focus=${focus} side="first" />`
          : html`<div class="empty">${view.all?.length === 0 && html`<h2>No conversation yet</h2><p><button class="primary" onClick=${ask("new")}>Begin one</button></p>`}</div>`}
        ${id && second && html`<${Talk} key=${"second" + id} client=${second} ...${side} focus=${focus2} side="second" />`}
      </div>
    </main>
    ${drawer && html`<${panels.Panels} ...${{ client, id, local: session.local, marks: session.marks }} close=${() => { setDrawer(false); document.querySelector(".panels-of").focus(); }} />`}
    <div class=${`toast ${toast ? "" : "none"}`} role="status">${toast}</div>
    ${dialog && (!dialog.id || dialog.id === id) && html`<${Dialogs} ...${{ dialog, session, change, list, id, about, learn, close }} />`}
  </div>`;
}

function App() {
  const [session, set] = useState();
  const begin = async () => {
    const s = await start().catch((error) => ({ asks: settings(), error }));
    try {
      if (s.asks) dialogs ??= await beside("./dialogs.js");
    } catch {
      s.lost = true;
    }
    set(s);
  };
  useEffect(() => { begin(); }, []);
  const change = (s) => { saveSettings(s); session.client?.close(); set(undefined); begin(); };
  if (!session) return html`<p class="boot">aiwm-chat</p>`;
  if (session.lost) return html`<p class="boot" role="alert">${unloaded}</p>`;
  if (session.asks) return html`<${dialogs.Settings} value=${session.asks} local=${session.local} save=${change} why=${session.error ? sentence(session.error) : "This page talks to a backend of yours. It needs two addresses and a token."} />`;
  return html`<${Console} key=${session.url} session=${session} change=${change} />`;
}

const root = document.getElementById("app");
root.replaceChildren();
render(html`<${App} />`, root);
