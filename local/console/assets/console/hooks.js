// Preact, as all files here use it, and what ties it to the stores of the client.
import { useEffect, useReducer, useState } from "./vendor/preact.js";
export { html, render, useState, useReducer, useEffect, useLayoutEffect, useRef, useMemo } from "./vendor/preact.js";

// However many frames come in, the page is drawn once for each of the screen's. (What one
// types and clicks oneself is drawn at once.) A page in the background has no frames of the
// screen.
const waiting = new Set();
let asked = false;

function soon(draw) {
  waiting.add(draw);
  if (asked) return;
  asked = true;
  const all = () => {
    asked = false;
    const now = [...waiting];
    waiting.clear();
    for (const f of now) f();
  };
  if (document.hidden) setTimeout(all, 50);
  else requestAnimationFrame(all);
}

// Frames of the screen that were asked for and do not come any more.
document.addEventListener("visibilitychange", () => {
  if (document.hidden && asked) { asked = false; const [f] = waiting; if (f) soon(f); }
});

/** The snapshot of a store, as it changes. */
export function useStore(store) {
  const [, changed] = useReducer((n) => n + 1, 0);
  useEffect(() => {
    changed();
    const off = store.subscribe(() => soon(changed));
    return () => { off(); waiting.delete(changed); };
  }, [store]);
  return store.getSnapshot();
}

/** Calls again every so many milliseconds while something is true. */
export function useTick(ms, on = true) {
  const [, tick] = useReducer((n) => n + 1, 0);
  useEffect(() => {
    if (!on) return;
    const timer = setInterval(tick, ms);
    return () => clearInterval(timer);
  }, [ms, on]);
}

/** A hook that gives what a file exports, once it is there. It is asked for when it is needed first, and anew until it comes. */
export function later(load) {
  let file, coming;
  const get = async () => {
    for (;;) {
      try {
        return (file = await load());
      } catch {
        await new Promise((done) => setTimeout(done, 2000));
      }
    }
  };
  return () => {
    const [, come] = useState(!!file);
    useEffect(() => { if (!file) (coming ??= get()).then(() => come(true)); }, []);
    return file;
  };
}

export const keyOf = (p) => `${p.type}:${p.id}`;

// What people do not call as the protocol does.
const called = { agentId: "the agent's id", id: "the id" };
const field = (name) => called[name] ?? name.replace(/[A-Z]/g, (c) => " " + c.toLowerCase());

/** One sentence for people: what is wrong, and what they can do. */
export function sentence(error) {
  if (!error) return "";
  // What a server of ours never answers makes the page stumble.
  if (error instanceof TypeError || error instanceof RangeError) return "The server answers what this page does not understand. Perhaps it is of another version.";
  const fields = error.code === "validation_failed" && error.details ? Object.entries(error.details).map(([k, v]) => `${field(k)} ${v}`).join("; ") : "";
  const text = fields || error.message || String(error);
  return (/^\w+:\/\//.test(text) ? text : text.charAt(0).toUpperCase() + text.slice(1)) + (/[.!?]$/.test(text) ? "" : ".");
}

/** The same of what is tried again by itself, where it was too much. */
export function busy(error) {
  if (error?.code !== "rate_limited") return undefined;
  return `Too much at once. It goes on by itself${error.retryAfterMs ? ` in ${Math.ceil(error.retryAfterMs / 1000)} s` : ""}.`;
}
