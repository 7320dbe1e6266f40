// The card of a tool call: how it stands with it, and what is decided there. This file is
// loaded with the first call.
import { html, useState, sentence } from "./hooks.js";
import { clean, code, exact, toolOf, verdict, verdicts } from "./text.js";

/** How it stands with a call, as far as the log and what is being written tell. */
function stateOf(call, entry, runs) {
  const { m, results, decisions, ended } = entry, decision = decisions.get(call?.id);
  const outcome = results.get(call?.id)?.toolResults?.[0];
  const waits = m.approval?.status === "pending" && !ended && m.toolCalls.some((c) => c?.approval !== false && !decisions.has(c?.id) && !results.has(c?.id));
  if (decision && decision.status !== "approved") return { text: verdicts[decision.status] ?? "", bad: decision.status === "denied" };
  if (results.has(call?.id)) return outcome?.isError ? { text: verdicts[outcome.outcome] ?? clean(outcome.outcome || "failed").replaceAll("_", " "), bad: true } : { text: "done" };
  if (m.status === "cancelled") return { text: "stopped" };
  if (m.status === "failed") return { text: "failed", bad: true };
  if (waits && call?.approval !== false && !decision) return { text: "waits for approval", asks: true }; // when it expires the backend decides, whose clock it is
  if (runs) return { text: "runs", runs };
  if (ended) return { text: "no answer", bad: true };
  return { text: waits ? "waits for the others" : decision ? "approved" : "no answer yet" };
}

export function Call({ call, entry, me, talk, runs }) {
  const { m } = entry, id = call?.id;
  const result = entry.results.get(id), decision = entry.decisions.get(id), { text, bad, asks, ...state } = stateOf(call, entry, runs);
  const name = toolOf(call);
  const title = html`<span class="what">${name}</span>${call?.server && html`<span class="small"> of ${clean(call.server)}</span>`}`;
  const args = decision?.arguments ?? call?.arguments ?? call;
  return html`<section class=${`tool card ${asks ? "asks" : ""}`} aria-label=${`Tool ${name}`}>
    <h3>${asks ? html`<span>May I use ${title}?</span>` : title}
      <span class=${`state ${bad ? "bad" : ""} ${state.runs ? "runs" : ""}`}>${text}</span></h3>
    ${asks
      ? html`<${Approval} id=${id} args=${args} me=${me} talk=${talk} until=${m.approval.expiresAt} />`
      : html`<details><summary>Arguments${decision?.arguments ? ", changed" : ""}${result ? " and result" : ""}</summary><pre tabindex="0" dir="ltr">${code(args)}</pre>${result && html`<pre tabindex="0" dir="auto">${code(result.content)}</pre>`}</details>`}
    ${decision && html`<p class="small" dir="auto">${verdict(decision)}</p>`}
  </section>`;
}

/** What somebody wrote in place of the arguments; throws what is wrong with it. */
function argumentsOf(text) {
  let value;
  try {
    value = JSON.parse(text, (name, v) => {
      if (Number.isInteger(v) && !Number.isSafeInteger(v)) throw new RangeError(`The number of “${name}” is too large to be sent exactly: make it a text, in quotes.`);
      return v;
    });
  } catch (e) {
    throw e instanceof RangeError ? e : new Error(`That is no JSON: ${e.message}.`);
  }
  if (!value || typeof value !== "object" || Array.isArray(value)) throw new Error('The arguments must be a JSON object, such as {"order": "1042"}.');
  return value;
}

function Approval({ id, args, me, talk, until }) {
  const asked = code(args), [edit, setEdit] = useState(), [reason, setReason] = useState(""), [state, set] = useState({});
  if (me?.type !== "user") return html`<pre tabindex="0" dir="ltr">${asked}</pre><p class="small">A user decides that.</p>`;
  const decide = async (approved, button) => {
    const around = button.closest(".talk");
    let changed;
    try {
      if (approved && edit !== undefined && edit !== asked) changed = argumentsOf(edit);
    } catch (e) {
      return set({ error: e.message, wrong: true });
    }
    set({ busy: true });
    try {
      await talk.approve(id, { approved, reason: reason.trim() || undefined, arguments: changed });
      (around?.querySelector(".composer textarea") ?? around?.querySelector(".composer button"))?.focus(); // the button goes, and the focus would with it
    } catch (e) {
      set({ error: sentence(e), wrong: !!e.details?.arguments });
    }
  };
  const known = edit !== undefined, described = `wrong-${id}`;
  return html`<div class="decide">
    ${known
      ? html`<textarea class="code" dir="ltr" spellcheck="false" autocapitalize="off" aria-label="Arguments, as JSON" aria-invalid=${!!state.wrong} aria-describedby=${state.wrong ? described : undefined} rows=${Math.min(16, edit.split("\n").length + 1)} value=${edit}
          onInput=${(e) => { setEdit(e.target.value); if (state.wrong) set({}); }}></textarea>`
      : html`<pre tabindex="0" dir="ltr">${asked}</pre>`}
    <button class="link" disabled=${state.busy} onClick=${() => { setEdit(known ? undefined : asked); set({}); }}>${known ? "Back to what it asked" : "Change the arguments"}</button>
    <label class="reason"><span class="small">Reason, if you like</span><input value=${reason} maxlength="1000" dir="auto" onInput=${(e) => setReason(e.target.value)} /></label>
    <div class="buttons"><button class="primary" disabled=${state.busy} onClick=${(e) => decide(true, e.currentTarget)}>${known && edit !== asked ? "Approve as changed" : "Approve"}</button><button disabled=${state.busy} onClick=${(e) => decide(false, e.currentTarget)}>Refuse</button></div>
    ${state.error && html`<p class="failed" role="alert" id=${described}>${state.error}</p>`}
    ${until && html`<p class="small">Nothing runs meanwhile. It expires ${exact(until)}.</p>`}
  </div>`;
}
