// What is asked in a window of its own.
import { html, useEffect, useRef, useState, sentence, keyOf } from "./hooks.js";
import { Avatar, Icon, Name } from "./message.js";
import { clean, isOnline } from "./text.js";

export function Dialog({ title, close, children }) {
  const box = useRef(), beside = useRef(false);
  useEffect(() => {
    const before = document.activeElement;
    box.current.showModal();
    return () => {
      // Where one was; or, if that is gone with what the dialog did, where one types.
      const back = () => { if (document.activeElement === document.body) (before?.isConnected && before !== document.body ? before : document.querySelector(".composer textarea"))?.focus(); };
      setTimeout(back);
      setTimeout(back, 150);
    };
  }, []);
  return html`<dialog ref=${box} aria-label=${title} onClose=${close}
    onPointerDown=${(e) => { beside.current = e.target === box.current; }} onClick=${(e) => { if (e.target === box.current && beside.current) close(); }}>
    <div class="sheet"><header><h2>${title}</h2><button class="icon quiet" aria-label="Close" onClick=${close}><${Icon} name="close" /></button></header>${children}</div></dialog>`;
}

/** A form that does something that may fail. */
function Form({ act, label, danger, children, close, disabled }) {
  const [state, set] = useState({});
  const submit = async (e) => {
    e.preventDefault();
    set({ busy: true });
    try {
      await act();
      set({});
      close?.();
    } catch (error) {
      set({ error });
    }
  };
  return html`<form onSubmit=${submit}>${children}
    ${state.error && html`<p class="failed" role="alert">${sentence(state.error)}</p>`}
    <div class="buttons"><button class=${danger ? "danger" : "primary"} disabled=${state.busy || disabled}>${label}</button>${close && html`<button type="button" onClick=${close}>Cancel</button>`}</div></form>`;
}

const Field = ({ label, hint, ...rest }) => html`<label class="field"><span>${label}</span><input dir="auto" autocomplete="off" ...${rest} />${hint && html`<span class="small">${hint}</span>`}</label>`;

export function NewConversation({ client, assistant, agent, close, made }) {
  const [title, setTitle] = useState(""), [who, setWho] = useState(assistant ?? ""), [agents, setAgents] = useState([]);
  useEffect(() => { client.rest.agents().then((p) => { setAgents(p.data); setWho((w) => w || p.data[0]?.agentId || ""); }, () => {}); }, []);
  const found = agents.find((a) => a.agentId === agent), own = { agentId: agent, ...found, description: found?.description || "a program of yours, or you on the second side" };
  const known = [...new Map([...agents.map((a) => [a.agentId, a]), ...(agent ? [[agent, own]] : [])]).values()];
  return html`<${Dialog} title="New conversation" close=${close}><${Form} label="Begin" close=${close} act=${async () => made(await client.rest.createConversation({ title: title.trim(), agentId: who.trim() }))}>
    <${Field} label="Title" value=${title} required maxlength="200" autofocus onInput=${(e) => setTitle(e.target.value)} />
    ${known.length > 0 && html`<fieldset class="agents"><legend>Agent</legend>${known.map((a) => html`<label key=${a.agentId} class="choice"><input type="radio" name="agent" checked=${who === a.agentId} onChange=${() => setWho(a.agentId)} /><${Avatar} id=${a.agentId} type="agent" /><span><b><${Name} id=${a.name || a.agentId} /></b> <span class="small">${a.isManaged ? "answers by itself" : a.online ? "connected" : "not connected"}</span>${a.description && html`<span class="small block" dir="auto">${clean(a.description)}</span>`}</span></label>`)}</fieldset>`}
    <${Field} label=${known.length ? "or another one, by its id" : "Agent, by its id"} value=${known.some((a) => a.agentId === who) ? "" : who} onInput=${(e) => setWho(e.target.value)} required=${!who} />
  <//><//>`;
}

export function People({ client, about, view, close, changed }) {
  const [type, setType] = useState("user"), [id, setId] = useState(""), [error, setError] = useState();
  const me = client.getSnapshot().me;
  // Of the agent that answers here the head of the talk says it too.
  const present = (p) => {
    const online = p.type === "agent" && p.id === about.agentId ? isOnline(view, p.id) : view.presence[keyOf(p)] && view.presence[keyOf(p)] === "online";
    return online === undefined ? "" : online ? ", online" : ", offline";
  };
  const remove = async (p) => {
    try {
      await client.rest.removeParticipant(about.id, p.type, p.id);
      changed();
    } catch (e) {
      setError(e);
    }
  };
  return html`<${Dialog} title="Participants" close=${close}>
    <ul class="people">${about.participants.map((p) => html`<li key=${keyOf(p)}><${Avatar} id=${p.id} type=${p.type} /><span><${Name} id=${p.id} /> <span class="small">${p.type}${present(p)}</span></span>
      <button class="quiet" aria-label=${me && keyOf(me) === keyOf(p) ? undefined : `Remove ${clean(p.id)}`} onClick=${() => remove(p)}>${me && keyOf(me) === keyOf(p) ? "Leave" : "Remove"}</button></li>`)}</ul>
    ${error && html`<p class="failed" role="alert">${sentence(error)}</p>`}
    <${Form} label="Add" act=${async () => { await client.rest.addParticipant(about.id, { type, id: id.trim() }); setId(""); changed(); }}>
      <div class="row-of"><label class="field"><span>Kind</span><select value=${type} onChange=${(e) => setType(e.target.value)}><option value="user">user</option><option value="agent">agent</option></select></label>
      <${Field} label="Id" value=${id} required maxlength="128" onInput=${(e) => setId(e.target.value)} /></div>
    <//><//>`;
}

export function Rename({ about, close, act }) {
  const [title, setTitle] = useState(about.title);
  return html`<${Dialog} title="Rename" close=${close}><${Form} label="Rename" close=${close} act=${() => act(title.trim())}><${Field} label="Title" value=${title} required maxlength="200" autofocus onInput=${(e) => setTitle(e.target.value)} /><//><//>`;
}

export function Remove({ about, close, act }) {
  return html`<${Dialog} title="Delete this conversation?" close=${close}><p>“<bdi>${clean(about.title)}</bdi>” goes for everybody who takes part. It cannot be brought back.</p><${Form} label="Delete" danger close=${close} act=${act} /><//>`;
}

export function Erase({ m, close, act }) {
  return html`<${Dialog} title="Delete this message?" close=${close}>${m.content && html`<p class="quoted"><bdi>${m.content.slice(0, 300)}</bdi></p>`}<p>It goes for everybody who takes part. It cannot be brought back.</p><${Form} label="Delete" danger close=${close} act=${act} /><//>`;
}

export function Settings({ value, demo, local, close, save, reset, why }) {
  const [s, set] = useState({ url: "", restUrl: "", token: "", ...value });
  const field = (name) => ({ value: s[name], onInput: (e) => set({ ...s, [name]: e.target.value.trim() }) });
  const body = html`<${Form} label="Connect" close=${close} act=${async () => {
    // The policy of this very page would stop it without a word.
    for (const address of [s.url, s.restUrl]) if (local && new URL(address).host !== location.host) throw new Error(`From the local server this page talks to ${location.host} alone. For another backend put its files on a static host: local/README.md says how`);
    save(s);
  }}>
    ${why && html`<p>${why}</p>`}
    <${Field} label="Address of the WebSocket API" type="url" required placeholder="wss://….execute-api.us-east-1.amazonaws.com/prod" ...${field("url")} />
    <${Field} label="Address of the HTTP API" type="url" required placeholder="https://….execute-api.us-east-1.amazonaws.com" ...${field("restUrl")} />
    <${Field} label="Token" type="password" required=${!demo} placeholder=${demo ? "that of the demo user" : "eyJ…"} hint="Kept until this tab is closed." ...${field("token")} />
    ${reset && html`<p><button type="button" class="link" onClick=${reset}>Back to this server and its demo user</button></p>`}
  <//>`;
  return close ? html`<${Dialog} title="Settings" close=${close}>${body}<//>` : html`<main class="welcome"><h1>aiwm-chat</h1>${body}</main>`;
}
