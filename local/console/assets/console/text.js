// What is shown of what others wrote. Nothing of it is trusted.

// What turns text around, or hides in it: embeddings, overrides, isolates, marks.
export const turning = /[\u202a-\u202e\u2066-\u2069\u200e\u200f\u061c]/g;
const hidden = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/g;

/** A name or title without what would turn its surroundings around. */
export const clean = (name) => String(name ?? "").replace(turning, "").trim();

/** JSON as people check it: nothing in it is invisible. */
export function code(value) {
  const text = typeof value === "string" ? value : JSON.stringify(value, null, 2) ?? "";
  return text.replace(hidden, (c) => "\\u" + c.charCodeAt(0).toString(16).padStart(4, "0"));
}

/** The address if it may be opened: http(s) and mailto. */
export function safeURL(text, schemes = /^(https?|mailto):$/) {
  try {
    const url = new URL(text);
    return schemes.test(url.protocol) ? url.href : undefined;
  } catch {
    return undefined;
  }
}

const clock = new Intl.DateTimeFormat(undefined, { hour: "numeric", minute: "2-digit" });
const date = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short" });
const full = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "medium" });

// What says no time has none.
const told = (format, at) => (Number.isNaN(+new Date(at)) ? "" : format.format(new Date(at)));

export const time = (at) => told(clock, at);
export const exact = (at) => told(full, at);

/** "14:05" of today, "3 Nov" of another day. */
export function ago(at) {
  const d = new Date(at);
  return told(d.toDateString() === new Date().toDateString() ? clock : date, d);
}

// Each message is looked at whenever one comes: ten thousand dates would take longer than the screen waits.
const days = new Map();
export function day(at) {
  const minute = String(at).slice(0, 16);
  if (!days.has(minute)) days.set(minute, new Date(at).toDateString());
  return days.get(minute);
}

export function today(at) {
  return day(at) === new Date().toDateString() ? "Today" : told(new Intl.DateTimeFormat(undefined, { weekday: "long", day: "numeric", month: "long" }), at);
}

/** The name of the tool that a call is of. */
export const toolOf = (call) => clean(call?.tool || call?.name || call?.function?.name || "tool");

export const verdicts = { approved: "approved", denied: "refused", expired: "expired", superseded: "overtaken by a newer question", stopped: "stopped" };

/** What was decided of a call, by whom and why. */
export function verdict(d) {
  const text = verdicts[d.status] ?? clean(d.status);
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}${d.status === "expired" ? ": nobody decided in time" : ""}${d.by ? ` by ${clean(d.by)}` : ""}${d.reason ? `: ${d.reason}` : ""}`;
}

/** Whether the agent of a conversation is there, as far as that is known. */
export function isOnline(view, agent) {
  const told = view.presence[`agent:${agent}`];
  return told ? told === "online" : view.agentOnline;
}

/** The name of the file that an attachment is. */
export function fileOf(url) {
  const href = safeURL(url, /^https?:$/);
  if (!href) return clean(String(url).replace(/^document:/, ""));
  const at = new URL(href), name = at.pathname.split("/").pop() || at.hostname;
  try { return clean(decodeURIComponent(name)); } catch { return clean(name); }
}

// The marks of Markdown that lines have most; of a text that was cut also those that have no end.
const marks = [[/^\s*(#{1,6}|>|[-*+]|\d+\.)\s+/gm, ""], [/```\w*|`/g, ""], [/!?\[([^\]]*)\]\([^)\s]*\)/g, "$1"], [/\*\*(?=\S)|(?<=\S)\*\*|~~/g, ""], [/(?<![\w*_])([*_])(?=\S)([^*_]+)(?<=\S)\1(?![\w*_])/g, "$2"], [/(?<!\w)__(?=\S)|(?<=\S)__(?!\w)/g, ""]];

/** The beginning of a message in a line. People write no Markdown. */
export function preview(last) {
  const text = clean(last?.content);
  return last?.role === "user" ? text : marks.reduce((t, [mark, by]) => t.replace(mark, by), text).trim();
}
