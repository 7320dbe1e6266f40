// Text of agents. What the lexer finds in it becomes elements one by one: no HTML is made
// of it on the way, so there is none that would have to be cleaned, and the policy of the
// page forbids to make any. This file is loaded with the first such text.
import { Lexer } from "./vendor/markdown.js";
import { h } from "./vendor/preact.js";
import { safeURL, turning } from "./text.js";

const deepest = 50; // what is nested deeper is shown as it was written
const own = { paragraph: "p", blockquote: "blockquote", strong: "strong", em: "em", del: "del", hr: "hr", br: "br" };
const around = { dir: "auto" }, scrolls = { tabindex: "0" };

// Of the names of HTML those that people write; the lexer has read the numbers.
const names = { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'", nbsp: "\u00a0", hellip: "…", ndash: "–", mdash: "—", times: "×", rarr: "→", larr: "←", copy: "©", euro: "€", deg: "°" };
const read = (text) => text.replace(/&(\w+);/g, (whole, name) => (Object.hasOwn(names, name) ? names[name] : whole));

function elements(tokens, depth, link) {
  return tokens.map((t) => element(t, depth, link));
}

function element(t, depth, link) {
  const say = (text) => (link ? text.replace(turning, "") : text); // an address seems to be no other
  if (depth > deepest) return say(t.raw);
  const inner = () => elements(t.tokens ?? [], depth + 1, link);
  switch (t.type) {
    case "space": case "def": return null;
    case "text": return t.tokens ? inner() : say(read(t.text));
    case "escape": return say(t.text);
    case "codespan": return h("code", null, say(t.text));
    case "code": return h("pre", scrolls, h("code", null, t.text));
    case "html": return /^<br\s*\/?>$/i.test(t.text) ? h("br") : t.block ? h("p", { ...around, class: "plain" }, t.text.trimEnd()) : say(t.text); // as it was written
    case "heading": return h("h" + Math.min(6, t.depth + 2), around, inner());
    case "list": return h(t.ordered ? "ol" : "ul", t.ordered ? { start: t.start } : null, t.items.map((item) => h("li", around, elements(item.tokens, depth + 1, link))));
    case "checkbox": return t.checked ? "☑ " : "☐ ";
    case "table": return h("table", scrolls, h("thead", null, row("th", t.header, depth, link)), h("tbody", null, t.rows.map((cells) => row("td", cells, depth, link))));
    case "link": case "image": return address(t, depth); // no picture is loaded unasked
    default: return own[t.type] ? h(own[t.type], t.type === "paragraph" || t.type === "blockquote" ? around : null, t.tokens && inner()) : say(t.raw);
  }
}

const row = (tag, cells, depth, link) => h("tr", null, cells.map((c) => h(tag, { ...around, class: c.align ?? undefined }, elements(c.tokens, depth + 1, link))));

function address(t, depth) {
  const href = safeURL(t.autolink ? t.href : read(t.href));
  const text = t.autolink ? t.text.replace(turning, "") : t.type === "image" && !t.text ? t.href : elements(t.tokens ?? [], depth + 1, true);
  return href ? h("a", { href, rel: "noopener noreferrer nofollow", target: "_blank" }, text) : text;
}

const lexed = new Map(); // the last ones: a list that scrolls shows them again and again
const kept = 200;

/** Markdown as elements; keep says whether this very text will be shown again. */
export function markdown(text, keep = true) {
  let tokens = lexed.get(text);
  if (!tokens) {
    try {
      tokens = new Lexer({ gfm: true, breaks: true }).lex(text);
    } catch { // nested deeper than the stack
      tokens = [{ type: "html", block: true, text }];
    }
    if (keep) {
      lexed.set(text, tokens);
      if (lexed.size > kept) lexed.delete(lexed.keys().next().value);
    }
  }
  return elements(tokens, 0, false);
}
