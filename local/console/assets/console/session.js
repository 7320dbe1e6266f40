// Who one is and where: from the local server, or from the settings.
import { ChatClient } from "./chat.js";

const settingsKey = "aiwm-console", tokenKey = "aiwm-console-token";

const read = (store, key) => { try { return store.getItem(key); } catch { return null; } };
const write = (store, key, value) => { try { value == null ? store.removeItem(key) : store.setItem(key, value); } catch { /* a browser without memory */ } };

export function settings() {
  try {
    return { ...JSON.parse(read(localStorage, settingsKey) || "{}"), token: read(sessionStorage, tokenKey) || "" };
  } catch {
    return { token: "" };
  }
}

export function saveSettings(s) {
  write(localStorage, settingsKey, s && JSON.stringify({ url: s.url, restUrl: s.restUrl }));
  write(sessionStorage, tokenKey, s && s.token); // it is gone with the tab
}

/** What the local server says below console/; undefined where there is none. */
export async function local(path, init = {}) {
  let r;
  try {
    r = await fetch("console/" + path, { ...init, headers: { "x-console": "1", ...init.headers }, cache: "no-store" });
  } catch {
    return undefined;
  }
  if (!(r.headers.get("content-type") || "").includes("json")) return undefined;
  const body = await r.json();
  if (!r.ok) throw new Error(body.message || `HTTP ${r.status}`);
  return body;
}

/** The session: {client, frames, local, …}, or what is missing for one: {asks}. */
export async function start() {
  const own = settings();
  const here = await local("session").catch(() => undefined);
  const url = own.url || here?.webSocketUrl, restUrl = own.restUrl || here?.restUrl;
  const elsewhere = !!own.url && own.url !== here?.webSocketUrl;
  if (!url || !restUrl || (!own.token && (elsewhere || !here?.token))) return { asks: { url: url || "", restUrl: restUrl || "", token: own.token }, local: !!here };
  let last = here;
  const fresh = async (which) => {
    if (own.token) return own.token;
    const now = await local("session").catch(() => undefined);
    if (now) last = now; // a server that was started again may have another key
    return last[which];
  };
  const demo = !own.token && !!here?.token;
  return {
    client: newClient(url, restUrl, () => fresh("token"), "aiwm-chat"),
    second: demo ? () => newClient(url, restUrl, () => fresh("agentToken"), "aiwm-chat-second") : undefined,
    local: !!here?.local, demo, assistant: demo ? here.assistant : undefined, agent: demo ? here.agent : undefined,
    url, restUrl, marks: new Map(),
  };
}

const keptFrames = 2000;

function newClient(url, restUrl, getToken, storageKey) {
  let storage;
  try { storage = localStorage; } catch { /* in memory */ }
  const timing = new URLSearchParams(location.search).get("timing"); // for tests with -timescale
  const client = new ChatClient({ url, restUrl, getToken, storage, storageKey, timing: timing ? JSON.parse(timing) : undefined });
  // The Frames panel is opened later than the frames come.
  const frames = { all: [], n: 0 };
  client.on("frame", (f) => {
    frames.all.push({ ...f, n: ++frames.n });
    if (frames.all.length > keptFrames + 200) frames.all.splice(0, frames.all.length - keptFrames);
  });
  client.frames = frames;
  client.connect();
  return client;
}
