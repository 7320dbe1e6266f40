// A button, and what can be done once it is clicked.
import { html, useLayoutEffect, useRef, useState } from "./hooks.js";

/** items: [label, what it does, whether it cannot be undone] each. The list lies above all else, for a log would cut it. */
export function Menu({ label, icon, items }) {
  const [open, setOpen] = useState(false), box = useRef(), list = useRef();
  const button = () => box.current?.querySelector("button");
  useLayoutEffect(() => {
    if (!open) return;
    const el = list.current;
    const place = () => {
      const at = button().getBoundingClientRect(), { offsetWidth: width, offsetHeight: height } = el;
      const rtl = getComputedStyle(el).direction === "rtl", below = at.bottom + 5;
      el.style.left = Math.max(8, Math.min(innerWidth - width - 8, rtl ? at.left : at.right - width)) + "px";
      el.style.top = Math.max(8, below + height > innerHeight - 8 ? at.top - 5 - height : below) + "px";
    };
    const away = (e) => { if (!box.current.contains(e.target)) setOpen(false); };
    el.showPopover();
    place();
    el.querySelector("button").focus({ preventScroll: true });
    const listen = [["scroll", place], ["resize", place], ["click", away], ["focusin", away]];
    for (const [name, f] of listen) addEventListener(name, f, true);
    return () => { for (const [name, f] of listen) removeEventListener(name, f, true); };
  }, [open]);
  // Where it began: what is clicked goes, and the focus would with it.
  const close = () => { button()?.focus({ preventScroll: true }); setOpen(false); };
  const key = (e) => { if (open && e.key === "Escape") { close(); e.stopPropagation(); } };
  return html`<div class="has-menu" ref=${box} onKeyDown=${key}><button class="quiet icon" aria-expanded=${open} aria-label=${label} onClick=${() => setOpen(!open)}>${icon}</button>
    ${open && html`<div class="menu" popover="manual" ref=${list}>${items.filter(Boolean).map(([text, act, danger]) => html`<button key=${text} class=${danger ? "danger" : ""} onClick=${() => { close(); act(); }}>${text}</button>`)}</div>`}</div>`;
}
