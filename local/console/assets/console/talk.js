// The talk: its head, its log, and where one types.
import { html, later, useEffect, useLayoutEffect, useMemo, useRef, useState, useStore, useTick, keyOf, busy, sentence } from "./hooks.js";
import { Scroll } from "./scroll.js";
import { entries, Icon, Message, Name, Outgoing, Stream } from "./message.js";
import { Menu } from "./menu.js";
import { Readers, useReading } from "./reading.js";
import { clean, isOnline, today } from "./text.js";

const useFiles = later(() => import("./files.js"));
const useChanges = later(() => import("./changes.js"));

/** What is loaded once it is needed. */
function Reactions(props) {
  const file = useChanges();
  return file && html`<${file.Reactions} ...${props} />`;
}

function Editing(props) {
  const file = useChanges();
  return file && html`<${file.Editing} ...${props} />`;
}

// The author's own texts.
const mayEdit = (m, me) => !!me && !m.isDeleted && m.type === "text" && keyOf(me) === `${m.participantType}:${m.participantId}`;

export function Talk({ client, id, info, side, second, local, tell, actions, gone, says, focus }) {
  const talk = useMemo(() => client.conversation(id), [client, id]);
  useEffect(() => talk.open(), [talk]);
  const connection = useStore(client), view = useStore(talk);
  useEffect(() => { if (view.state === "gone" && side === "first") gone(); }, [view.state]);
  const { me } = connection, about = view.conversation ?? info;
  const scroll = useRef();
  const log = useMemo(() => entries(view.messages), [view.messages]);
  const isMine = (m) => !!me && keyOf(me) === `${m.participantType}:${m.participantId}`;
  const [end, setEnd] = useState(true), joined = view.state === "joined";
  const mine = log.findLast((e) => isMine(e.m));
  const [line, unread] = useReading({ talk, seq: view.messages.at(-1)?.seq, joined, end, upTo: view.reads?.upTo, mine: mine?.m.seq });
  const fresh = line !== undefined && log.find((e) => e.m.seq > line && !isMine(e.m));
  const waiting = view.outgoing;
  const items = [...log];
  for (const s of view.streams) items.push({ key: "stream:" + s.streamId, s });
  for (const o of waiting) items.push({ key: "out:" + o.clientMessageId, o });
  const writes = view.streams.length > 0;
  const typing = view.typing.filter((t) => !me || keyOf(t) !== keyOf(me));
  const said = useAnnounced(view.messages, me);
  const closed = about && about.status !== "active", last = view.messages[view.messages.length - 1];
  useEffect(() => { if (last) says(last); }, [last, info?.lastMessage]);
  const online = connection.state === "connected" ? isOnline(view, about?.agentId) : undefined;
  const waits = online === false && about && !closed && waiting.length === 0 && me?.type === "user" && last?.participantType === "user" && !last.isDeleted && typing.length === 0;
  const { error } = view, trouble = error && !/^(joined|gone)$/.test(view.state) ? busy(error) ?? (error.retryable ? "" : sentence(error)) : "";

  const [picking, pick] = useState(), [editing, edit] = useState(); // the id of a message that is reacted to; the one that is edited
  useEffect(() => { pick(); edit(); }, [talk]);
  const picked = () => { pick(); focus.current?.focus(); };

  function draw(e) {
    if (e.s) return html`<${Stream} s=${e.s} />`;
    if (e.o) return html`<${Outgoing} o=${e.o} talk=${talk} />`;
    const { m } = e, picks = picking === m.id, may = me && !closed && m.type !== "system" && m.participantType !== "system";
    const items = [may && ["React…", () => pick(m.id)], may && mayEdit(m, me) && ["Edit", () => edit({ m })], !isMine(m) && ["Mark unread", () => unread(m.seq)], mayErase(m, me, about) && ["Delete…", () => actions.erase(m, client), true]].filter(Boolean);
    return html`${e.day && html`<p class="day"><span>${today(m.createdAt)}</span></p>`}${e === fresh && html`<p class="day new"><span>New</span></p>`}<${Message} entry=${e} me=${me} talk=${talk} streams=${view.streams}
      more=${items.length > 0 && html`<${Menu} label="More of this message" icon=${html`<${Icon} name="more" />`} items=${items} />`}
      below=${html`${(picks || m.reactions) && html`<${Reactions} ...${{ m, talk, tell, closed, picks, done: picked }} />`}${e === mine && html`<${Readers} others=${view.reads?.others} m=${m} />`}`} />`;
  }

  return html`<section class="talk" aria-label=${side === "second" ? `The side of ${clean(me?.id)}` : "Conversation"}>
    <${Head} ...${{ view, about, me, side, second, actions, online }} />
    ${view.state === "gone"
      ? html`<div class="empty"><h2>This conversation is gone</h2><p>${sentence(view.error) || "It was deleted, or you take no part in it any more."}</p></div>`
      : items.length === 0 && !view.hasOlder
        ? html`<${Empty} local=${local} joined=${view.state === "joined"} agent=${about?.agentId} fill=${(t) => focus.current?.fill(t)} side=${side} />`
        : html`<${Scroll} key=${id} items=${items} draw=${draw} older=${view.hasOlder} onOlder=${() => talk.loadOlder(100)} onEnd=${setEnd} label="Messages" control=${scroll} />`}
    <p class="typing" aria-live=${typing.length > 0 ? "off" : "polite"}>${waits && html`<${Name} id=${about.agentId} /> is not connected; it gets this when it connects.`}${typing.length > 0 && html`${typing.map((t, i) => html`${i > 0 && ", "}<${Name} key=${keyOf(t)} id=${t.id} />`)} ${typing.length > 1 ? "are" : "is"} typing…`}</p>
    <div class="hidden" aria-live="polite">${said}</div>
    ${trouble && html`<p class="failed" role="status">${trouble}</p>`}
    ${view.state !== "gone" && html`<${Composer} key=${id + side} ...${{ talk, client, writes, closed, about, last, online, tell, focus, actions, me, side, editing, edit }} recent=${() => view.messages.findLast((m) => mayEdit(m, me))} sent=${() => scroll.current?.toEnd()} page=${(by) => scroll.current?.page(by)} />`}
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

// The author's, and what people and agents say the creator's.
function mayErase(m, me, about) {
  if (!me || m.isDeleted || /^(tool_|system)/.test(m.type) || m.participantType === "system") return false;
  return keyOf(me) === `${m.participantType}:${m.participantId}` || (m.type === "text" && !!about?.createdBy && keyOf(about.createdBy) === keyOf(me));
}

// Of what is not known, or gone, nothing is said, and nothing can be done with it.
function Head({ view, about, me, side, second, actions, online }) {
  const known = about && view.state !== "gone", title = side === "second" ? `as ${clean(me?.id ?? "…")}` : clean(about?.title);
  return html`<header class="head">
    <button class="icon quiet back" aria-label="Back to the list" onClick=${actions.back}><${Icon} name="back" /></button>
    <div class="title">
      ${title && html`<h2><bdi>${title}</bdi></h2>`}
      ${known && html`<p class="small"><span class=${`dot ${online ? "on" : ""}`} aria-hidden="true"></span> <${Name} id=${about.agentId} /> ${online === undefined ? "" : online ? "is there" : "is away"}${about.status !== "active" ? ` · ${about.status}` : ""}</p>`}
    </div>
    ${known && side !== "second" && html`
      ${second && html`<button class="quiet wide" aria-pressed=${second.on} title=${`Be the agent too, side by side: adds ${clean(second.agent)} to this conversation`} onClick=${second.toggle}>Two sides</button>`}
      <button class="quiet people-of" onClick=${actions.people} aria-label=${`${about.participants?.length ?? ""} participants`.trim()}><${Icon} name="people" /> ${about.participants?.length ?? ""}</button>
      <${Menu} label="More" icon=${html`<${Icon} name="more" />`} items=${[
        ["Rename", actions.rename],
        ...(about.status === "active" ? [["Archive", () => actions.status("archived")], ["Close", () => actions.status("closed")]] : [["Reopen", () => actions.status("active")]]),
        ["Delete…", actions.remove, true],
      ]} />`}
  </header>`;
}

const hints = [
  ["Ask something", "Is my order on its way?"],
  ["Let it use a tool", 'Where is my order? #tool shop__get_order {"order": "1042"}'],
  ["Let it ask first", 'Please pay it back. #tool shop__refund_order {"order": "1042"}'],
  ["A long answer, to stop it", "Tell me a story. #tokens 300"],
];

function Empty({ local, joined, agent, fill, side }) {
  const hinted = local && side !== "second" && agent === "assistant";
  return html`<div class="empty">${joined && html`<h2>Nothing said yet</h2>
    <p>${side === "second" ? "What you type here the agent says." : hinted ? "Type below, or take one of these, and press Enter." : "Type below and press Enter."}</p>
    ${hinted && html`<ul class="hints">${hints.map(([label, text]) => html`<li key=${label}><button onClick=${() => fill(text)}><b>${label}</b><span>${text}</span></button></li>`)}</ul>`}`}</div>`;
}

function Files(props) {
  const file = useFiles();
  return file && html`<${file.Uploads} ...${props} />`;
}

const drafts = new Map();

function Composer({ talk, client, side, writes, closed, about, last, online, tell, focus, actions, sent, page, me, editing, edit, recent }) {
  const box = useRef(), address = useRef(), reopen = useRef(), key = `${side}:${talk.id}`;
  const [text, show] = useState(drafts.get(key) ?? ""), [url, setURL] = useState(null);
  const [files, setFiles] = useState([]), picker = useRef(), going = useRef(files), ready = files.every((f) => f.attachment);
  going.current = files;
  const asked = online && last?.participantType === "user" && me?.type === "user" && Math.abs(Date.now() - Date.parse(last.createdAt)) < 20_000; // it may be about to answer
  const stops = writes || (asked && !text);
  useTick(5000, !!asked);
  useLayoutEffect(() => {
    const el = box.current;
    if (!el) return;
    el.style.height = "auto";
    el.style.height = Math.min(el.scrollHeight, 240) + "px";
  }, [text]);
  useEffect(() => {
    focus.current = { focus: () => box.current?.focus(), fill: (t) => { setText(t); box.current?.focus(); } };
    if (closed && document.activeElement?.closest(".has-menu")) reopen.current.focus(); // one has closed it oneself
    if (!matchMedia("(pointer: coarse)").matches) box.current?.focus(); // a keyboard on the glass would cover the talk
  }, [talk, closed]);
  useEffect(() => address.current?.focus(), [url === null]);
  // What was being written is there again when one has edited.
  useEffect(() => {
    show(editing ? editing.m.content : drafts.get(key) ?? "");
    if (editing) box.current?.focus();
  }, [editing?.m.id]);
  // Who goes away takes nothing along; what is dropped beside it must not take the page away.
  useEffect(() => {
    const mine = (e) => box.current?.closest(".talk")?.contains(e.target) && e.dataTransfer?.types.includes("Files");
    const over = (e) => { if (e.dataTransfer?.types.includes("Files")) e.preventDefault(); };
    const drop = (e) => { over(e); if (mine(e)) attach(e.dataTransfer.files); };
    addEventListener("dragover", over);
    addEventListener("drop", drop);
    return () => { removeEventListener("dragover", over); removeEventListener("drop", drop); for (const f of going.current) f.drop(); };
  }, [talk]);
  async function attach(list) {
    const some = [...list];
    if (!some.length || closed) return;
    try {
      (await import("./files.js")).add(some, { client, id: talk.id, change: setFiles });
    } catch (e) {
      tell(sentence(e));
    }
  }
  function setText(t) {
    show(t);
    if (editing) return;
    if (t) drafts.set(key, t);
    else drafts.delete(key);
  }

  // Where nothing is written yet, what is stopped is the answer to what was said last.
  const stop = () => (writes ? talk.stop() : talk.stopAnswer(last.id)).catch((e) => tell(sentence(e)));
  function send() {
    const content = text.trim();
    if (editing) return content && save(content);
    if (!ready || (!content && !url && !files.length)) return;
    const attachments = [...files.map((f) => f.attachment), ...(url ? [url.trim()] : [])];
    try {
      talk.send(attachments.length ? { content, attachments } : content);
    } catch (e) {
      tell(sentence(e));
      return;
    }
    setText("");
    setURL(null);
    setFiles([]);
    sent();
    box.current.focus(); // the button that was clicked cannot be clicked any more
  }
  // What somebody has made of it meanwhile is shown before it is replaced.
  async function save(content) {
    const { m } = editing, now = () => talk.getSnapshot().messages.find((one) => one.id === m.id) ?? m;
    const changed = () => edit((was) => (was?.m.id === m.id ? { m: now(), conflict: true } : was));
    if (now().isDeleted) { // the words stay, to be said anew
      drafts.set(key, text);
      edit();
      return tell("The message was deleted.");
    }
    if ((now().edits ?? 0) !== (m.edits ?? 0)) return changed();
    try {
      await talk.edit(m.id, content);
      edit((was) => (was?.m.id === m.id ? undefined : was));
    } catch (e) {
      if (e.code === "conflict") changed();
      else tell(sentence(e));
    }
  }
  function keydown(e) {
    if (e.isComposing || e.keyCode === 229) return; // an input method is at work: its Enter is not ours
    if (e.key === "Enter" && !e.shiftKey && !e.ctrlKey && !e.altKey && !e.metaKey) {
      e.preventDefault();
      e.target.form.requestSubmit();
    } else if (e.key === "Escape" && editing) {
      e.preventDefault();
      edit();
    } else if (e.key === "ArrowUp" && !text && !editing && recent()) {
      e.preventDefault();
      edit({ m: recent() });
    } else if (e.key === "Escape" && stops) {
      e.preventDefault();
      stop();
    } else if ((e.key === "PageUp" || e.key === "PageDown") && !e.altKey) {
      e.preventDefault();
      page(e.key === "PageUp" ? -1 : 1);
    }
  }
  // An address that is typed goes along with what is said next.
  function addressed(e) {
    if (e.isComposing || (e.key !== "Enter" && e.key !== "Escape")) return;
    e.preventDefault();
    if (e.key === "Enter" && !e.target.reportValidity()) return;
    if (e.key === "Escape" || !url.trim()) setURL(null);
    box.current.focus();
  }
  if (closed) return html`<div class="composer"><p class="small">This conversation is ${about.status} and takes no messages.</p> <button class="link" ref=${reopen} onClick=${() => actions.status("active")}>Reopen it</button></div>`;
  return html`<form class="composer" onSubmit=${(e) => { e.preventDefault(); send(); }}>
    ${editing && html`<${Editing} editing=${editing} cancel=${() => { edit(); box.current.focus(); }} />`}
    ${files.length > 0 && !editing && html`<${Files} files=${files} />`}
    ${url !== null && html`<label class="reason"><span class="small">Address of what to attach</span><input type="url" ref=${address} value=${url} placeholder="https://…" onInput=${(e) => setURL(e.target.value)} onKeyDown=${addressed} /></label>`}
    <div class="line">
      <button type="button" class="icon quiet" aria-label="Attach by address" aria-expanded=${url !== null} onClick=${() => setURL(url === null ? "" : null)}><${Icon} name="clip" /></button>
      <button type="button" class="icon quiet" aria-label="Upload files" onClick=${() => picker.current.click()}><${Icon} name="page" /></button>
      <input type="file" class="hidden" tabindex="-1" aria-hidden="true" multiple ref=${picker} onChange=${(e) => { attach(e.target.files); e.target.value = ""; box.current.focus(); }} />
      <textarea ref=${box} rows="1" dir="auto" aria-label="Message" placeholder="Message" value=${text}
        onInput=${(e) => { setText(e.target.value); if (e.target.value && !editing) talk.keystroke(); }} onBlur=${() => talk.blur()} onKeyDown=${keydown} onPaste=${(e) => { if (e.clipboardData.files.length) { e.preventDefault(); attach(e.clipboardData.files); } }}></textarea>
      ${stops ? html`<button type="button" class="stop" onClick=${stop} title="Esc">Stop</button>` : null}
      ${!(writes || asked) || text || url || files.length ? html`<button class="primary send" disabled=${(!text.trim() && !url && !files.length) || (!editing && !ready)}>${editing ? "Save" : "Send"}</button>` : null}
    </div>
  </form>`;
}
