// One entry of the log, whatever its type.
import { html, useState, useEffect, useLayoutEffect, useRef, keyOf, sentence } from "./hooks.js";
import { clean, code, exact, safeURL, time } from "./text.js";

let markdown; // once it is there

/** Text of an agent. */
export function Markdown({ text, keep = true }) {
  const box = useRef(), [ready, setReady] = useState(!!markdown);
  useEffect(() => { if (!ready) import("./markdown.js").then((m) => { markdown = m.markdown; setReady(true); }); }, []);
  useLayoutEffect(() => { if (markdown) box.current.replaceChildren(markdown(text, keep)); }, [text, ready]);
  return ready ? html`<div class="md" dir="auto" key="md" ref=${box}></div>` : html`<div class="plain" dir="auto" key="plain">${text}</div>`;
}

const hue = (id) => [...id].reduce((n, c) => (n * 31 + c.charCodeAt(0)) >>> 0, 7) % 6;

export function Avatar({ id, type }) {
  const name = clean(id);
  return html`<span class=${`avatar hue${hue(name)} ${type}`} aria-hidden="true">${[...name][0]?.toUpperCase() ?? "?"}</span>`;
}

// Drawn here, for not every machine has a font with such signs.
const icons = {
  people: "M9 11a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7ZM2.5 20c.4-3.6 3-5.6 6.5-5.6s6.1 2 6.5 5.6M16 4.4a3.5 3.5 0 0 1 0 6.2M18 14.8c2 .7 3.2 2.4 3.5 5.2",
  more: "M5.5 12h.01M12 12h.01M18.5 12h.01",
  back: "M19 12H5m6-6.5L4.5 12l6.5 6.5",
  clip: "M20 11.5 12.2 19.3a5 5 0 0 1-7.1-7.1L13 4.4a3.4 3.4 0 0 1 4.8 4.8l-7.9 7.8a1.7 1.7 0 0 1-2.4-2.4l7.3-7.2",
  settings: "M4 7h9m4 0h3M4 17h3m4 0h9M15 9.5a2.5 2.5 0 1 0 0-5 2.5 2.5 0 0 0 0 5ZM9 19.5a2.5 2.5 0 1 0 0-5 2.5 2.5 0 0 0 0 5Z",
  close: "M6 6l12 12M18 6 6 18",
  page: "M6 3h8l4 4v14H6zM14 3v4h4M9 12h6M9 16h6",
};
export const Icon = ({ name }) => html`<svg class="icon-of" viewBox="0 0 24 24" aria-hidden="true"><path d=${icons[name]} /></svg>`;

export const Name = ({ id }) => html`<bdi class="name">${clean(id)}</bdi>`;

/** The log as what is drawn: results and decisions go to the call that they are of. */
export function entries(messages) {
  const calls = new Map(), all = [];
  let previous;
  for (const m of messages) {
    if (!m.isDeleted) {
      const of = m.type === "tool_result" ? m.toolResults?.[0]?.toolCallId : m.participantType === "system" ? m.approval?.toolCallId : undefined;
      const call = of && calls.get(of);
      if (call) {
        if (m.type === "tool_result") call.results.set(of, m);
        else call.decisions.set(of, m.approval);
        call.version++;
        continue;
      }
    }
    const e = { key: m.id, m, first: false };
    if (m.toolCalls?.length) {
      Object.assign(e, { results: new Map(), decisions: new Map(), version: 0 });
      for (const c of m.toolCalls) if (c?.id) calls.set(c.id, e);
    }
    e.day = !previous || new Date(previous.createdAt).toDateString() !== new Date(m.createdAt).toDateString();
    e.first = e.day || !previous || previous.participantId !== m.participantId || previous.participantType !== m.participantType || Date.parse(m.createdAt) - Date.parse(previous.createdAt) > 300_000;
    previous = m;
    all.push(e);
  }
  return all;
}

export function Message({ entry, me, talk }) {
  const { m } = entry;
  if (m.isDeleted) return html`<p class="note">A message was deleted</p>`;
  if (m.type === "system" || m.participantType === "system") return html`<p class="note" dir="auto">${m.approval ? decided(m.approval) : m.content}</p>`;
  const mine = me && keyOf(me) === `${m.participantType}:${m.participantId}`;
  const calls = m.toolCalls?.length > 0;
  return html`<article class=${`message ${mine ? "mine" : ""} ${entry.first ? "first" : ""}`} aria-label=${`${clean(m.participantId)}, ${time(m.createdAt)}`}>
    ${!mine && html`<div class="side">${entry.first && html`<${Avatar} id=${m.participantId} type=${m.participantType} />`}</div>`}
    <div class="body">
      ${entry.first && html`<header>${!mine && html`<${Name} id=${m.participantId} />`} <time datetime=${m.createdAt} title=${exact(m.createdAt)}>${time(m.createdAt)}</time></header>`}
      ${m.thinking?.content && html`<${Thinking} text=${m.thinking.content} ms=${m.thinking.duration} />`}
      ${calls && m.toolCalls.map((c, i) => html`<${Call} key=${c?.id ?? i} call=${c} entry=${entry} me=${me} talk=${talk} />`)}
      ${m.type === "tool_result" && html`<details class="tool"><summary>Result of ${clean(m.toolResults?.[0]?.name || m.name || "a tool")}</summary><pre tabindex="0" dir="ltr">${code(m.content)}</pre></details>`}
      ${m.content && m.type !== "tool_result" && html`<div class="bubble">${m.participantType === "agent" ? html`<${Markdown} text=${m.content} />` : html`<div class="plain" dir="auto">${m.content}</div>`}</div>`}
      ${m.attachments?.map((a) => html`<${Attachment} key=${a} url=${a} />`)}
      ${(m.type === "error" || m.status === "failed") && html`<p class="failed" dir="auto">${m.error || (m.type === "error" ? "" : "It broke off here.")}</p>`}
      ${m.status === "cancelled" && html`<p class="small">Stopped</p>`}
      ${m.truncated && html`<p class="small">The rest is still being read…</p>`}
      ${m.usage?.totalTokens > 0 && !calls && html`<p class="small">${m.usage.totalTokens} tokens${m.latency ? ` · ${(m.latency / 1000).toFixed(1)} s` : ""}</p>`}
    </div>
  </article>`;
}

function Thinking({ text, ms, open }) {
  return html`<details class="thinking" open=${open}><summary>${open ? "Thinking" : ms ? `Thought for ${(ms / 1000).toFixed(1)} s` : "Thoughts"}</summary><div class="plain" dir="auto">${text}</div></details>`;
}

const states = { approved: "Approved", denied: "Refused", expired: "Expired: nobody decided in time", superseded: "Overtaken by a newer question", stopped: "Stopped" };

const decided = (d) => `${states[d.status] ?? clean(d.status)}${d.by ? ` by ${clean(d.by)}` : ""}${d.reason ? `: ${d.reason}` : ""}`;

function Call({ call, entry, me, talk }) {
  const { m } = entry, id = call?.id;
  const result = entry.results.get(id), decision = entry.decisions.get(id);
  const asks = m.approval?.status === "pending" && call?.approval !== false && !decision && !result;
  const title = html`<span class="what">${clean(call?.tool || call?.name || call?.function?.name || "tool")}</span>${call?.server && html`<span class="small"> of ${clean(call.server)}</span>`}`;
  const args = code(decision?.arguments ?? call?.arguments ?? call);
  const outcome = result?.toolResults?.[0];
  return html`<section class=${`tool card ${asks ? "asks" : ""}`} aria-label=${`Tool ${clean(call?.tool || call?.name || "")}`}>
    <h3>${asks ? html`May I use ${title}?` : html`${title}`}
      <span class=${`state ${outcome?.isError || decision?.status === "denied" ? "bad" : ""}`}>${asks ? "waits for you" : outcome ? (outcome.isError ? clean(outcome.outcome || "failed") : "done") : decision ? states[decision.status] ?? "" : m.status === "cancelled" ? "stopped" : "runs"}</span></h3>
    ${asks
      ? html`<pre tabindex="0" dir="ltr">${args}</pre><${Approval} id=${id} me=${me} talk=${talk} until=${m.approval.expiresAt} />`
      : html`<details><summary>Arguments${result ? " and result" : ""}</summary><pre tabindex="0" dir="ltr">${args}</pre>${result && html`<pre tabindex="0" dir="auto">${code(result.content)}</pre>`}</details>`}
    ${decision && html`<p class="small" dir="auto">${decided(decision)}</p>`}
  </section>`;
}

function Approval({ id, me, talk, until }) {
  const [reason, setReason] = useState(""), [state, set] = useState({});
  if (me?.type !== "user") return html`<p class="small">A user decides that.</p>`;
  const decide = async (approved) => {
    set({ busy: true });
    try {
      await talk.approve(id, { approved, reason: reason.trim() || undefined });
    } catch (e) {
      set({ error: sentence(e) });
    }
  };
  return html`<div class="decide">
    <label class="reason"><span class="small">Reason, if you like</span><input value=${reason} maxlength="1000" dir="auto" onInput=${(e) => setReason(e.target.value)} /></label>
    <div class="buttons"><button class="primary" disabled=${state.busy} onClick=${() => decide(true)}>Approve</button><button disabled=${state.busy} onClick=${() => decide(false)}>Refuse</button></div>
    ${state.error && html`<p class="failed" role="alert">${state.error}</p>`}
    ${until && html`<p class="small">Nothing runs meanwhile. It expires ${exact(until)}.</p>`}
  </div>`;
}

const picture = /\.(png|jpe?g|gif|webp|avif)$/i;

function Attachment({ url }) {
  const [open, setOpen] = useState(false), [broken, setBroken] = useState(false);
  const href = safeURL(url, /^https?:$/);
  if (!href) return html`<p class="attachment"><${Icon} name="page" /> <bdi>${clean(url.replace(/^document:/, ""))}</bdi></p>`;
  const at = new URL(href);
  let name = at.pathname.split("/").pop() || at.hostname;
  try { name = decodeURIComponent(name); } catch { /* as it is */ }
  return html`<div class="attachment">
    <${Icon} name="clip" /> <a href=${href} target="_blank" rel="noopener noreferrer nofollow"><bdi>${clean(name)}</bdi></a> <span class="small">${at.host}</span>
    ${picture.test(at.pathname) && html` <button class="link" aria-expanded=${open} onClick=${() => setOpen(!open)}>${open ? "Hide" : "Show picture"}</button>`}
    ${open && (broken ? html`<p class="small">It cannot be shown.</p>` : html`<img src=${href} alt=${clean(name)} referrerpolicy="no-referrer" loading="lazy" onError=${() => setBroken(true)} />`)}
  </div>`;
}

const doing = { thinking: "thinks", generating: "writes", tool: "uses a tool", waiting: "waits" };

/** An answer that is being written. */
export function Stream({ s }) {
  const others = s.parts.filter((p) => p.part.startsWith("tool:") && p.text);
  return html`<article class="message first stream" aria-busy="true" aria-label=${`${clean(s.participantId)} writes`}>
    <div class="side"><${Avatar} id=${s.participantId} type="agent" /></div>
    <div class="body">
      <header><${Name} id=${s.participantId} /> <span class="small">${s.stopping ? "stops…" : s.stalled ? "has been silent for a while" : `${doing[s.status] ?? "writes"}…`}</span></header>
      ${s.thinking && html`<${Thinking} text=${s.thinking} open=${!s.content} />`}
      ${others.map((p) => html`<section class="tool card" key=${p.part}><pre dir="ltr" tabindex="0">${code(p.text)}</pre></section>`)}
      ${s.content ? html`<div class="bubble"><${Markdown} text=${s.content} keep=${false} /></div>` : !s.thinking && html`<span class="dots" aria-hidden="true"><i></i><i></i><i></i></span>`}
    </div>
  </article>`;
}

/** One's own message that is not in the log yet. */
export function Outgoing({ o, talk }) {
  return html`<article class="message mine first pending" aria-label="Your message">
    <div class="body"><div class="bubble"><div class="plain" dir="auto">${o.content}</div></div>
      ${o.status === "failed"
        ? html`<p class="failed" role="alert">Not sent. ${sentence(o.error)} <button class="link" onClick=${() => talk.retry(o.clientMessageId)}>Try again</button> <button class="link" onClick=${() => talk.discard(o.clientMessageId)}>Discard</button></p>`
        : html`<p class="small">${o.status === "queued" ? html`Waits for the connection <button class="link" onClick=${() => talk.discard(o.clientMessageId)}>Discard</button>` : "Sending…"}</p>`}
    </div></article>`;
}
