// Text of agents. It becomes a few elements of an allow-list, and never an instruction to
// the browser. This file is loaded with the first such text.
import { Marked, DOMPurify } from "./vendor/markdown.js";
import { turning } from "./text.js";

const escape = (s) => s.replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);

const marked = new Marked({
  gfm: true,
  breaks: true,
  renderer: {
    html: ({ text }) => escape(text), // as it was written
    image: ({ href, text }) => `<a href="${escape(href)}">${escape(text || href)}</a>`, // nothing is loaded unasked
    heading({ tokens, depth }) {
      const level = Math.min(6, depth + 2);
      return `<h${level}>${this.parser.parseInline(tokens)}</h${level}>`;
    },
  },
});

const allowed = {
  ALLOWED_TAGS: "p br strong em del code pre blockquote ul ol li h3 h4 h5 h6 hr table thead tbody tr th td a".split(" "),
  ALLOWED_ATTR: ["href", "start"],
  ALLOWED_URI_REGEXP: /^(?:https?|mailto):/i,
  ALLOW_DATA_ATTR: false,
  ALLOW_ARIA_ATTR: false,
  RETURN_DOM_FRAGMENT: true,
};

DOMPurify.addHook("afterSanitizeAttributes", (node) => {
  if (node.tagName === "A" && node.hasAttribute("href")) {
    node.setAttribute("rel", "noopener noreferrer nofollow");
    node.setAttribute("target", "_blank");
    for (const t of node.childNodes) if (t.nodeType === 3) t.data = t.data.replace(turning, "");
  } else if (/^(P|LI|H\d|BLOCKQUOTE|T[DH])$/.test(node.tagName)) {
    node.setAttribute("dir", "auto");
  } else if (node.tagName === "PRE" || node.tagName === "TABLE") {
    node.setAttribute("tabindex", "0"); // they scroll
  }
});

const made = new Map(); // the last ones: a list that scrolls shows them again and again
const kept = 200;

/** Markdown as a fragment of one's own. */
export function markdown(text, keep = true) {
  let fragment = made.get(text);
  if (!fragment) {
    try {
      fragment = DOMPurify.sanitize(marked.parse(text), allowed);
    } catch { // nested deeper than the stack: as text
      fragment = document.createDocumentFragment();
      fragment.append(Object.assign(document.createElement("p"), { textContent: text }));
    }
    if (!keep) return fragment;
    made.set(text, fragment);
    if (made.size > kept) made.delete(made.keys().next().value);
  }
  return fragment.cloneNode(true);
}
