// What one does to a message that is there: reactions to it, and other words for it.
import { html, useEffect, useRef, useState, sentence } from "./hooks.js";
import { clean } from "./text.js";

const offered = ["👍", "❤️", "😂", "🎉", "😮", "😢", "🙏", "👀"];

/** How many have reacted with what: a click does, and undoes, the same. picks: something else may be chosen. */
export function Reactions({ m, talk, tell, closed, picks, done }) {
  const box = useRef(), [name, setName] = useState("");
  useEffect(() => { if (picks) box.current.querySelector(".picker button").focus(); }, [picks]);
  const react = (key, on) => talk.react(m.id, key, on).catch((e) => tell(sentence(e)));
  const pick = (key) => { react(key, true); setName(""); done(); };
  return html`<div class="reactions" ref=${box} onKeyDown=${(e) => { if (picks && e.key === "Escape") { e.stopPropagation(); done(); } }}>
    ${m.reactions?.map(({ key, count, mine }) => html`<button key=${key} class="chip" disabled=${closed} aria-pressed=${!!mine} aria-label=${`${clean(key)}: ${count}${mine ? ", also yours" : ""}`} onClick=${() => react(key, !mine)}><bdi>${clean(key)}</bdi> ${count}</button>`)}
    ${picks && html`<form class="picker" aria-label="React" onSubmit=${(e) => { e.preventDefault(); if (name.trim()) pick(name.trim()); }}>
      ${offered.map((key) => html`<button type="button" key=${key} class="chip" aria-label=${`React with ${key}`} onClick=${() => pick(key)}>${key}</button>`)}
      <input aria-label="Another emoji, or a name such as :party:" placeholder=":name:" maxlength="64" value=${name} onInput=${(e) => setName(e.target.value)} />
      <button type="button" class="link" onClick=${done}>Cancel</button></form>`}</div>`;
}

/** Above the composer: that one edits, and what others have made of it meanwhile. */
export function Editing({ editing, cancel }) {
  return html`<div class="reason">${editing.conflict
    ? html`<p class="failed" role="alert">It was edited meanwhile. Save again to replace what it says now:</p><blockquote class="plain small" dir="auto">${editing.m.content}</blockquote>`
    : html`<span class="small">You edit what you said.</span>`} <button type="button" class="link" onClick=${cancel}>Cancel</button></div>`;
}
