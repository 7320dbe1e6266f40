// One entry of the log, whatever its type.
import { html, later, useState, busy, keyOf, sentence } from "./hooks.js";
import { clean, code, day, exact, fileOf, safeURL, time, toolOf, verdict } from "./text.js";

const useMarkdown = later(() => import("./markdown.js")), useCalls = later(() => import("./call.js")), useFiles = later(() => import("./files.js"));

/** Text of an agent; until it can be read as Markdown as it was written. */
export function Markdown({ text, keep = true }) {
  const file = useMarkdown();
  return file ? html`<div class="md" dir="auto">${file.markdown(text, keep)}</div>` : html`<div class="plain" dir="auto">${text}</div>`;
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
  sent: "M5 12.5l4.5 4.5L19 7",
  sending: "M12 4a8 8 0 1 0 8 8",
  queued: "M12 20a8 8 0 1 0 0-16 8 8 0 0 0 0 16ZM12 8v4.5l3 1.8",
  failed: "M12 20a8 8 0 1 0 0-16 8 8 0 0 0 0 16ZM12 8v4.5M12 15.8h.01",
  clip: "M20 11.5 12.2 19.3a5 5 0 0 1-7.1-7.1L13 4.4a3.4 3.4 0 0 1 4.8 4.8l-7.9 7.8a1.7 1.7 0 0 1-2.4-2.4l7.3-7.2",
  settings: "M4 7h9m4 0h3M4 17h3m4 0h9M15 9.5a2.5 2.5 0 1 0 0-5 2.5 2.5 0 0 0 0 5ZM9 19.5a2.5 2.5 0 1 0 0-5 2.5 2.5 0 0 0 0 5Z",
  close: "M6 6l12 12M18 6 6 18",
  page: "M6 3h8l4 4v14H6zM14 3v4h4M9 12h6M9 16h6",
};
export const Icon = ({ name }) => html`<svg class="icon-of" viewBox="0 0 24 24" aria-hidden="true"><path d=${icons[name]} /></svg>`;

export const Name = ({ id }) => html`<bdi class="name">${clean(id)}</bdi>`;

/** The log as what is drawn: results and decisions go to the call that they are of, and a call knows when its answer has ended. */
export function entries(messages) {
  const calls = new Map(), asking = new Map(), all = [];
  let previous;
  for (const m of messages) {
    if (!m.isDeleted) {
      const of = m.type === "tool_result" ? m.toolResults?.[0]?.toolCallId : m.participantType === "system" ? m.approval?.toolCallId : undefined;
      const call = of && calls.get(of);
      if (call) {
        if (m.type === "tool_result") call.results.set(of, m);
        else call.decisions.set(of, m.approval);
        continue;
      }
    }
    const answer = `${keyOf({ type: m.participantType, id: m.participantId })} ${m.parentId}`;
    const e = { key: m.id, m, first: false };
    if (m.toolCalls?.length) {
      Object.assign(e, { results: new Map(), decisions: new Map(), ended: m.status === "failed" || m.status === "cancelled" });
      for (const c of m.toolCalls) if (c?.id) calls.set(c.id, e);
      asking.set(answer, [...(asking.get(answer) ?? []), e]);
    } else if (m.type !== "tool_result" && !m.isDeleted) {
      for (const call of asking.get(answer) ?? []) call.ended = true;
      asking.delete(answer);
    }
    e.day = !previous || day(previous.createdAt) !== day(m.createdAt);
    e.first = e.day || !previous || previous.participantId !== m.participantId || previous.participantType !== m.participantType || Date.parse(m.createdAt) - Date.parse(previous.createdAt) > 300_000;
    e.apart = !e.first && m.participantType === "agent" && (previous.parentId !== m.parentId || !!(previous.content && m.content)); // two answers are not one
    previous = m;
    all.push(e);
  }
  return all;
}

/** How it stands with a message of one's own. */
const Mark = ({ as, label }) => html`<span class=${`mark mark-${as}`} role="img" aria-label=${label} title=${label}><${Icon} name=${as} /></span>`;

export function Message({ entry, me, talk, streams, more, below }) {
  const { m } = entry;
  if (m.isDeleted) return html`<p class="note">A message was deleted</p>`;
  if (m.type === "system" || m.participantType === "system") return html`<p class="note" dir="auto">${m.approval ? verdict(m.approval) : m.content}</p>`;
  const mine = me && keyOf(me) === `${m.participantType}:${m.participantId}`;
  const calls = m.toolCalls?.length > 0;
  const said = m.error ? m.error === m.content : m.type === "error"; // why it failed stands there already
  return html`<article class=${`message ${mine ? "mine" : ""} ${entry.first ? "first" : ""} ${entry.apart ? "apart" : ""}`} aria-label=${`${clean(m.participantId)}, ${time(m.createdAt)}`}>
    ${more}
    ${!mine && html`<div class="side">${entry.first && html`<${Avatar} id=${m.participantId} type=${m.participantType} />`}</div>`}
    <div class="body">
      ${entry.first && html`<header>${!mine && html`<${Name} id=${m.participantId} />`} <time datetime=${m.createdAt} title=${exact(m.createdAt)}>${time(m.createdAt)}</time></header>`}
      ${m.thinking?.content && html`<${Thinking} text=${m.thinking.content} ms=${m.thinking.duration} />`}
      ${calls && m.toolCalls.map((c, i) => html`<${Call} key=${c?.id ?? i} call=${c} entry=${entry} me=${me} talk=${talk} runs=${streams.some((s) => !s.stalled && s.participantId === m.participantId && s.parentId === m.parentId)} />`)}
      ${m.type === "tool_result" && html`<details class="tool"><summary>Result of ${clean(m.toolResults?.[0]?.name || m.name || "a tool")}</summary><pre tabindex="0" dir="ltr">${code(m.content)}</pre></details>`}
      ${m.content && m.type !== "tool_result" && html`<div class=${`bubble ${said ? "bad" : ""}`}>${m.participantType === "agent" ? html`<${Markdown} text=${m.content} />` : html`<div class="plain" dir="auto">${m.content}</div>`}${mine && html`<${Mark} as="sent" label="Sent" />`}</div>`}
      ${m.attachments?.map((a) => html`<${Attachment} key=${a} url=${a} client=${talk.core} voice=${m.voice} />`)}
      ${(m.type === "error" || m.status === "failed") && !said && html`<p class="failed" dir="auto">${m.error || "It broke off here."}</p>`}
      ${m.status === "cancelled" && html`<p class="small">Stopped</p>`}
      ${m.truncated && html`<p class="small">The rest is still being read…</p>`}
      ${m.edits > 0 && html`<p class="small" title=${exact(m.editedAt)}>edited</p>`}
      ${below}
      ${m.usage?.totalTokens > 0 && !calls && html`<p class="small">${m.usage.totalTokens} tokens${m.latency ? ` · ${(m.latency / 1000).toFixed(1)} s` : ""}</p>`}
    </div>
  </article>`;
}

function Call(props) {
  const file = useCalls();
  return file ? html`<${file.Call} ...${props} />` : html`<section class="tool card"><h3>${toolOf(props.call)}</h3></section>`;
}

function Thinking({ text, ms, open }) {
  return html`<details class="thinking" open=${open}><summary>${open ? "Thinking" : ms ? `Thought for ${(ms / 1000).toFixed(1)} s` : "Thoughts"}</summary><div class="plain" dir="auto">${text}</div></details>`;
}

const picture = /\.(png|jpe?g|gif|webp|avif)$/i;

function Attachment(props) {
  return /^document:upl_/.test(props.url) ? html`<${Upload} ...${props} />` : html`<${Address} ...${props} />`;
}

function Upload(props) {
  const file = useFiles();
  return file && html`<${file.Document} ...${props} />`;
}

function Address({ url }) {
  const [open, setOpen] = useState(false), [broken, setBroken] = useState(false);
  const href = safeURL(url, /^https?:$/);
  if (!href) return html`<p class="attachment"><${Icon} name="page" /> <bdi>${fileOf(url)}</bdi></p>`;
  const at = new URL(href), name = fileOf(url);
  return html`<div class="attachment">
    <${Icon} name="clip" /> <a href=${href} target="_blank" rel="noopener noreferrer nofollow"><bdi>${name}</bdi></a> <span class="small">${at.host}</span>
    ${picture.test(at.pathname) && html` <button class="link" aria-expanded=${open} onClick=${() => setOpen(!open)}>${open ? "Hide" : "Show picture"}</button>`}
    ${open && (broken ? html`<p class="small">It cannot be shown.</p>` : html`<img src=${href} alt=${name} referrerpolicy="no-referrer" loading="lazy" onError=${() => setBroken(true)} />`)}
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

const outgoing = { queued: "Waits to be sent", sending: "Sending…", failed: "Not sent" };

/** One's own message that is not in the log yet. */
export function Outgoing({ o, talk }) {
  const act = (label, f) => html`<button class="link" onClick=${() => f(o.clientMessageId)}>${label}</button>`;
  const discard = act("Discard", (id) => talk.discard(id));
  return html`<article class="message mine first pending" aria-label="Your message">
    <div class="body">
      ${o.content && html`<div class="bubble"><div class="plain" dir="auto">${o.content}</div><${Mark} as=${o.status} label=${outgoing[o.status]} /></div>`}
      ${o.input.attachments?.map((a) => html`<${Attachment} key=${a} url=${a} client=${talk.core} voice=${o.input.voice} />`)}
      ${o.status === "failed"
        ? html`<p class="failed" role="alert">Not sent. ${sentence(o.error)} ${act("Try again", (id) => talk.retry(id))} ${discard}</p>`
        : html`<p class="small">${(o.status === "queued" && busy(o.error)) || outgoing[o.status]} ${o.status === "queued" && discard}</p>`}
    </div></article>`;
}
