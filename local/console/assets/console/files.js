// Files: those that are on their way, and those that messages have.
import { html, useEffect, useState, sentence } from "./hooks.js";
import { Icon } from "./message.js";
import { clean } from "./text.js";

const size = (n) => n < 1e6 ? `${Math.max(1, Math.round(n / 1e3))} kB` : `${(n / 1e6).toFixed(1)} MB`;
let made = 0;

/** Uploads files, and tells of each how far it is: change is given a function of what there is. */
export function add(files, { client, id, change }) {
  for (const file of files) {
    const key = ++made, end = new AbortController();
    const now = (what) => change((all) => all.map((f) => (f.key === key ? { ...f, ...what } : f)));
    const begin = () => {
      now({ error: undefined, part: 0 });
      client.upload(id, file, { signal: end.signal, onProgress: (sent, of) => now({ part: of ? sent / of : 0 }) }).then(
        ({ attachment }) => now({ attachment }),
        (e) => end.signal.aborted || now({ error: Object.values(e.details ?? {}).join("; ") || sentence(e) }),
      );
    };
    change((all) => [...all, { key, name: clean(file.name) || "file", size: file.size, part: 0, begin, drop: () => { end.abort(); change((now) => now.filter((f) => f.key !== key)); } }]);
    begin();
  }
}

/** What will go along with what is said next. */
export function Uploads({ files }) {
  return html`<ul class="uploads" aria-label="Files to send">${files.map((f) => html`<li key=${f.key} class=${f.error ? "bad" : ""}>
    <${Icon} name="page" /> <bdi>${f.name}</bdi> <span class="small" role=${f.error ? "alert" : undefined}>${f.error ?? size(f.size)}</span>
    ${!f.error && !f.attachment && html` <progress max="1" value=${f.part} aria-label=${`Uploading ${f.name}`}></progress>`}
    ${f.error && html` <button type="button" class="link" onClick=${f.begin}>Try again</button>`}
    <button type="button" class="icon quiet" aria-label=${`Remove ${f.name}`} onClick=${f.drop}><${Icon} name="close" /></button>
  </li>`)}</ul>`;
}

const shows = /^image\/(png|jpeg|gif|webp|avif)$/;

/** A file of a message. Pictures are drawn and sounds played; the rest is saved. */
export function Document({ url, client, voice }) {
  const [doc, known] = useState(), [src, show] = useState(), [why, say] = useState("");
  useEffect(() => {
    let on = true;
    (async () => {
      const d = await client.rest.document(url.slice("document:".length));
      const at = shows.test(d.type) || /^(audio|video)\//.test(d.type) ? d.url : undefined;
      if (on) { known(d); show(at); }
    })().catch((e) => on && say(e.code === "not_found" ? "It is not there any more." : sentence(e)));
    return () => { on = false; };
  }, [url, client]);
  // A link is good for minutes, a page for hours.
  const fresh = () => client.documentUrl(url);
  const save = () => fresh().then((to) => { location.href = to; }, (e) => say(sentence(e)));
  const again = () => fresh().then((to) => (to === src ? show() : show(to)), () => show());
  if (!doc) return html`<p class="attachment"><${Icon} name="page" /> <span class="small">${why || "A file…"}</span></p>`;
  const name = clean(doc.name), kind = doc.type.split("/")[0];
  return html`<div class="attachment">
    ${voice && html`<span class="small">Voice, ${Math.max(1, Math.round(voice.durationMs / 1000))} s</span> `}
    ${!voice && html`<${Icon} name="page" /> <button class="link" onClick=${save}><bdi>${name}</bdi></button> <span class="small">${size(doc.size)}</span>`}
    ${src && kind === "image" && html`<img src=${src} alt=${name} loading="lazy" onError=${again} />`}
    ${src && kind === "audio" && html`<audio controls preload="metadata" src=${src} aria-label=${name} onError=${again}></audio>`}
    ${src && kind === "video" && html`<video controls preload="metadata" src=${src} aria-label=${name} onError=${again}></video>`}
    ${why && html`<p class="small">${why}</p>`}
  </div>`;
}
