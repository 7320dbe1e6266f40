// A list of any length that draws what is on the screen.
//
// Heights are guessed until they are measured. What is at the top of the screen stays
// there while what is above it gets another height, or more comes before it; who reads the
// end stays at the end.
import { html, useReducer, useLayoutEffect, useEffect, useRef } from "./hooks.js";

const guess = 76, beyond = 600; // pixels

export function Scroll({ items, draw, older, onOlder, onEnd, label, control }) {
  const box = useRef(), inner = useRef();
  const state = useRef({ heights: new Map(), anchor: null, end: true, asked: false, top: 0, height: 800 }).current;
  const [, again] = useReducer((n) => n + 1, 0);

  // It may have been scrolled, and the event of it is still to come.
  if (box.current && Math.abs(box.current.scrollTop - state.top) > 1) look();

  // Where each one begins.
  const offsets = new Float64Array(items.length + 1);
  for (let i = 0; i < items.length; i++) offsets[i + 1] = offsets[i] + (state.heights.get(items[i].key) ?? guess);
  const total = offsets[items.length];
  state.offsets = offsets;
  state.items = items;

  // Where the screen will be once this is drawn.
  let top = state.top;
  if (state.end) top = Math.max(0, total - state.height);
  else if (state.anchor) {
    const i = indexOf(items, state.anchor);
    if (i >= 0) top = offsets[i] + state.anchor.delta;
  }
  const first = Math.max(0, at(offsets, top - beyond)), last = Math.min(items.length, at(offsets, top + state.height + beyond) + 1);

  // The event may come when the talk has been left.
  function scrolled() {
    if (!box.current) return;
    look();
    again();
  }

  function look() {
    const el = box.current;
    if (!el) return; // it has been scrolled, and is gone since
    state.top = el.scrollTop;
    state.height = el.clientHeight;
    state.end = el.scrollHeight - el.scrollTop - el.clientHeight < 24;
    const i = Math.min(at(state.offsets, state.top), state.items.length - 1);
    state.anchor = i < 0 ? null : { key: state.items[i].key, index: i, delta: state.top - state.offsets[i] };
    more();
  }

  function more() {
    if (!older || state.asked || state.top > 800) return;
    state.asked = true;
    const done = () => { state.asked = false; again(); };
    // Not at once: what came has to be drawn first, and what failed is to be left alone.
    Promise.resolve(onOlder()).then(() => setTimeout(done, 30), () => setTimeout(done, 2000));
  }

  useEffect(() => {
    const measure = new ResizeObserver((entries) => {
      let changed = false;
      for (const e of entries) {
        if (e.target === box.current) {
          changed ||= state.height !== box.current.clientHeight;
          state.height = box.current.clientHeight;
          continue;
        }
        const key = e.target.dataset.key, height = e.borderBoxSize[0].blockSize;
        if (e.target.isConnected && key && Math.abs((state.heights.get(key) ?? -1) - height) > 0.5) {
          state.heights.set(key, height);
          changed = true;
        }
      }
      if (changed) again();
    });
    state.measure = measure;
    measure.observe(box.current);
    for (const el of inner.current.children) measure.observe(el);
    return () => measure.disconnect();
  }, []);

  useLayoutEffect(() => {
    const el = box.current;
    const want = state.end ? el.scrollHeight - el.clientHeight : top;
    if (Math.abs(el.scrollTop - want) > 1) {
      el.scrollTop = want;
      state.top = el.scrollTop;
    }
    if (state.measure) {
      const seen = (state.seen ??= new Set()), now = new Set(inner.current.children);
      for (const e of now) if (!seen.has(e)) state.measure.observe(e);
      for (const e of seen) if (!now.has(e)) state.measure.unobserve(e);
      state.seen = now;
    }
    onEnd(state.end);
    more();
  });

  if (control) control.current = {
    toEnd() { state.end = true; again(); },
    page(by) { box.current?.scrollBy({ top: by * box.current.clientHeight * 0.9 }); },
  };

  const shown = [];
  for (let i = first; i < last; i++) shown.push(html`<div class="row" key=${items[i].key} data-key=${items[i].key}>${draw(items[i])}</div>`);
  return html`<div class="log" ref=${box} onScroll=${scrolled} role="log" aria-live="off" aria-label=${label} tabindex="0">
    <div class="whole" style=${{ height: Math.max(total, 0) + "px" }}>
      <div class="window" ref=${inner} style=${{ transform: `translateY(${offsets[first] ?? 0}px)` }}>${shown}</div>
    </div>
  </div>`;
}

// indexOf finds an item again, mostly near where it was.
function indexOf(items, anchor) {
  if (items[anchor.index]?.key === anchor.key) return anchor.index;
  const i = items.findIndex((x) => x.key === anchor.key);
  if (i >= 0) anchor.index = i;
  return i;
}

/** The last one that begins at a position or before it. */
function at(offsets, y) {
  let low = 0, high = offsets.length - 1;
  while (low < high) {
    const mid = (low + high + 1) >> 1;
    if (offsets[mid] <= y) low = mid;
    else high = mid - 1;
  }
  return low;
}
