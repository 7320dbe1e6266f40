// The talk: its head, its log, and where one types.
import { html, useEffect, useLayoutEffect, useMemo, useRef, useState, useStore, useTick, keyOf, busy, sentence } from "./hooks.js";
import { Scroll } from "./scroll.js";
import { entries, Icon, Message, Name, Outgoing, Stream } from "./message.js";
import { clean, today } from "./text.js";

export function Talk({ client, id, info, side, second, local, tell, actions, gone, focus }) {
  const talk = useMemo(() => client.conversation(id), [client, id]);
  useEffect(() => talk.open(), [talk]);
  const connection = useStore(client), view = useStore(talk);
  useEffect(() => { if (view.state === "gone" && side === "first") gone(); }, [view.state]);
  const { me } = connection, about = view.conversation ?? info;
  const scroll = useRef();
  const log = useMemo(() => entries(view.messages), [view.messages]);
  const waiting = view.outgoing;
  const items = [...log];
  for (const s of view.streams) items.push({ key: "stream:" + s.streamId, s });
  for (const o of waiting) items.push({ key: "out:" + o.clientMessageId, o });
  const writes = view.streams.length > 0;
  const typing = view.typing.filter((t) => !me || keyOf(t) !== keyOf(me));
  const said = useAnnounced(view.messages, me);
  const closed = about && about.status !== "active";
  const { error } = view, trouble = error && !/^(joined|gone)$/.test(view.state) ? busy(error) ?? (error.retryable ? "" : sentence(error)) : "";

  function draw(e) {
    if (e.s) return html`<${Stream} s=${e.s} />`;
    if (e.o) return html`<${Outgoing} o=${e.o} talk=${talk} />`;
    return html`${e.day && html`<p class="day"><span>${today(e.m.createdAt)}</span></p>`}<${Message} entry=${e} me=${me} talk=${talk} streams=${view.streams} />`;
  }

  return html`<section class="talk" aria-label=${side === "second" ? `The side of ${clean(me?.id)}` : "Conversation"}>
    <${Head} ...${{ view, about, me, side, second, actions, talk }} />
    ${view.state === "gone"
      ? html`<div class="empty"><h2>This conversation is gone</h2><p>${sentence(view.error) || "It was deleted, or you take no part in it any more."}</p></div>`
      : items.length === 0 && !view.hasOlder
        ? html`<${Empty} local=${local} joined=${view.state === "joined"} agent=${about?.agentId} fill=${(t) => focus.current?.fill(t)} side=${side} />`
        : html`<${Scroll} key=${id} items=${items} draw=${draw} older=${view.hasOlder} onOlder=${() => talk.loadOlder(100)} label="Messages" control=${scroll} />`}
    <p class="typing" aria-live="off">${typing.length > 0 && html`${typing.map((t, i) => html`${i > 0 && ", "}<${Name} key=${keyOf(t)} id=${t.id} />`)} ${typing.length > 1 ? "are" : "is"} typing…`}</p>
    <div class="hidden" aria-live="polite">${said}</div>
    ${trouble && html`<p class="failed" role="status">${trouble}</p>`}
    ${view.state !== "gone" && html`<${Composer} key=${id + side} ...${{ talk, writes, closed, about, view, tell, focus, actions, me, side }} sent=${() => scroll.current?.toEnd()} page=${(by) => scroll.current?.page(by)} />`}
  </section>`;
}

// What is new is said once it is whole, and not while it is written.
function useAnnounced(messages, me) {
  const last = useRef(), [text, setText] = useState("");
  useEffect(() => {
    const m = messages[messages.length - 1];
    if (!m || m.id === last.current) return;
    const first = last.current === undefined;
    last.current = m.id;
    if (!first && me && m.participantId !== me.id) setText(`${clean(m.participantId)}: ${m.type === "tool_call" ? "uses a tool" : String(m.content ?? "").slice(0, 300)}`);
  }, [messages]);
  return text;
}

function Head({ view, about, me, side, second, actions, talk }) {
  const agent = about?.agentId;
  const online = view.presence[`agent:${agent}`] ? view.presence[`agent:${agent}`] === "online" : view.agentOnline;
  return html`<header class="head">
    <button class="icon quiet back" aria-label="Back to the list" onClick=${actions.back}><${Icon} name="back" /></button>
    <div class="title">
      <h2><bdi>${side === "second" ? `as ${clean(me?.id ?? "…")}` : clean(about?.title ?? "…")}</bdi></h2>
      <p class="small"><span class=${`dot ${online ? "on" : ""}`} aria-hidden="true"></span> <${Name} id=${agent ?? "…"} /> ${online === undefined ? "" : online ? "is there" : "is away"}${about && about.status !== "active" ? ` · ${about.status}` : ""}</p>
    </div>
    ${side !== "second" && html`
      ${second && html`<button class="quiet wide" aria-pressed=${second.on} title="Be the agent too, side by side" onClick=${second.toggle}>Two sides</button>`}
      <button class="quiet people-of" onClick=${actions.people} aria-label=${`${about?.participants?.length ?? ""} participants`.trim()}><${Icon} name="people" /> ${about?.participants?.length ?? ""}</button>
      <${Menu} about=${about} actions=${actions} />`}
  </header>`;
}

function Menu({ about, actions }) {
  const [open, setOpen] = useState(false), box = useRef();
  useEffect(() => {
    if (!open) return;
    const away = (e) => { if (!box.current.contains(e.target)) setOpen(false); };
    const key = (e) => { if (e.key === "Escape") { setOpen(false); box.current.querySelector("button").focus(); e.stopPropagation(); } };
    document.addEventListener("click", away);
    document.addEventListener("focusin", away);
    box.current.addEventListener("keydown", key);
    box.current.querySelector(".menu button")?.focus();
    return () => { document.removeEventListener("click", away); document.removeEventListener("focusin", away); box.current?.removeEventListener("keydown", key); };
  }, [open]);
  const does = (f) => () => { setOpen(false); f(); };
  const status = about?.status ?? "active";
  return html`<div class="has-menu" ref=${box}><button class="quiet icon" aria-expanded=${open} aria-label="More" onClick=${() => setOpen(!open)}><${Icon} name="more" /></button>
    ${open && html`<div class="menu">
      <button onClick=${does(actions.rename)}>Rename</button>
      ${status === "active" ? html`<button onClick=${does(() => actions.status("archived"))}>Archive</button><button onClick=${does(() => actions.status("closed"))}>Close</button>` : html`<button onClick=${does(() => actions.status("active"))}>Reopen</button>`}
      <button class="danger" onClick=${does(actions.remove)}>Delete…</button>
    </div>`}</div>`;
}

const hints = [
  ["Ask something", "Is my order on its way?"],
  ["Let it use a tool", 'Where is my order? #tool shop__get_order {"order": "1042"}'],
  ["Let it ask first", 'Please pay it back. #tool shop__refund_order {"order": "1042"}'],
  ["A long answer, to stop it", "Tell me a story. #tokens 300"],
];

function Empty({ local, joined, agent, fill, side }) {
  return html`<div class="empty">${joined && html`<h2>Nothing said yet</h2>
    <p>${side === "second" ? "What you type here the agent says." : "Type below and press Enter."}</p>
    ${local && side !== "second" && agent === "assistant" && html`<ul class="hints">${hints.map(([label, text]) => html`<li key=${label}><button onClick=${() => fill(text)}><b>${label}</b><span>${text}</span></button></li>`)}</ul>`}`}</div>`;
}

const drafts = new Map();

function Composer({ talk, side, writes, closed, about, view, tell, focus, actions, sent, page, me }) {
  const box = useRef(), key = `${side}:${talk.id}`;
  const [text, show] = useState(drafts.get(key) ?? ""), [url, setURL] = useState(null);
  const last = view.messages[view.messages.length - 1];
  const asked = last?.participantType === "user" && me?.type === "user" && Math.abs(Date.now() - Date.parse(last.createdAt)) < 20_000; // it may be about to answer
  useTick(5000, asked);
  useLayoutEffect(() => {
    const el = box.current;
    if (!el) return;
    el.style.height = "auto";
    el.style.height = Math.min(el.scrollHeight, 240) + "px";
  }, [text]);
  useEffect(() => {
    focus.current = { focus: () => box.current?.focus(), fill: (t) => { setText(t); box.current?.focus(); } };
    if (!matchMedia("(pointer: coarse)").matches) box.current?.focus(); // a keyboard on the glass would cover the talk
  }, [talk, closed]);
  function setText(t) {
    show(t);
    if (t) drafts.set(key, t);
    else drafts.delete(key);
  }

  const stop = () => talk.stop().catch((e) => tell(sentence(e)));
  function send() {
    const content = text.trim();
    if (!content && !url) return;
    const attachments = url ? [url.trim()] : undefined;
    try {
      talk.send(attachments ? { content, attachments } : content);
    } catch (e) {
      tell(sentence(e));
      return;
    }
    setText("");
    setURL(null);
    sent();
  }
  function keydown(e) {
    if (e.isComposing || e.keyCode === 229) return; // an input method is at work: its Enter is not ours
    if (e.key === "Enter" && !e.shiftKey && !e.ctrlKey && !e.altKey && !e.metaKey) {
      e.preventDefault();
      e.target.form.requestSubmit();
    } else if (e.key === "Escape" && writes) {
      e.preventDefault();
      stop();
    } else if ((e.key === "PageUp" || e.key === "PageDown") && !e.altKey) {
      e.preventDefault();
      page(e.key === "PageUp" ? -1 : 1);
    }
  }
  if (closed) return html`<div class="composer"><p class="small">This conversation is ${about.status} and takes no messages.</p> <button class="link" onClick=${() => actions.status("active")}>Reopen it</button></div>`;
  return html`<form class="composer" onSubmit=${(e) => { e.preventDefault(); send(); }}>
    ${url !== null && html`<label class="reason"><span class="small">Address of what to attach</span><input type="url" value=${url} placeholder="https://…" onInput=${(e) => setURL(e.target.value)} /></label>`}
    <div class="line">
      <button type="button" class="icon quiet" aria-label="Attach by address" aria-expanded=${url !== null} onClick=${() => setURL(url === null ? "" : null)}><${Icon} name="clip" /></button>
      <textarea ref=${box} rows="1" dir="auto" aria-label="Message" placeholder="Message" value=${text}
        onInput=${(e) => { setText(e.target.value); if (e.target.value) talk.keystroke(); }} onBlur=${() => talk.blur()} onKeyDown=${keydown}></textarea>
      ${writes || (asked && !text) ? html`<button type="button" class="stop" onClick=${stop} title="Esc">Stop</button>` : null}
      ${!(writes || asked) || text || url ? html`<button class="primary send" disabled=${!text.trim() && !url}>Send</button>` : null}
    </div>
  </form>`;
}
