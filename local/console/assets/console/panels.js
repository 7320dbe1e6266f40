// What happens behind the talk. This file is loaded when somebody looks.
import { html, useEffect, useReducer, useRef, useState, sentence } from "./hooks.js";
import { local } from "./session.js";
import { Icon } from "./message.js";
import { code } from "./text.js";

export function Panels({ client, id, local: here, marks, close }) {
  const names = here ? ["Frames", "Meter", "Faults", "Functions"] : ["Frames"];
  const [tab, setTab] = useState("Frames"), tabs = useRef();
  // Where one is looking now; and back to the button where it began.
  useEffect(() => { tabs.current.querySelector("[aria-selected=true]").focus(); }, []);
  const key = (e) => {
    const by = { ArrowRight: 1, ArrowLeft: -1 }[e.key];
    if (!by) return;
    const next = names[(names.indexOf(tab) + by + names.length) % names.length];
    setTab(next);
    tabs.current.querySelector(`#tab-${next}`).focus();
  };
  return html`<aside class="drawer" aria-label="Panels" onKeyDown=${(e) => { if (e.key === "Escape") close(); }}>
    <header class="head"><div class="tabs" role="tablist" aria-label="Panels" ref=${tabs} onKeyDown=${key}>${names.map((n) => html`<button key=${n} role="tab" id=${"tab-" + n} aria-selected=${tab === n} aria-controls="panel" tabindex=${tab === n ? 0 : -1} onClick=${() => setTab(n)}>${n}</button>`)}</div>
      <button class="icon quiet" aria-label="Close the panels" onClick=${close}><${Icon} name="close" /></button></header>
    <div class="panel" role="tabpanel" id="panel" aria-labelledby=${"tab-" + tab}>
      ${tab === "Frames" ? html`<${Frames} client=${client} />` : tab === "Meter" ? html`<${Meter} key=${id} id=${id} marks=${marks} />` : tab === "Faults" ? html`<${Faults} />` : html`<${Functions} />`}
    </div></aside>`;
}

// usePolled asks the local server again and again.
function usePolled(path, ms, then) {
  const [state, set] = useState({});
  useEffect(() => {
    let busy = false;
    const ask = async () => {
      if (busy || document.hidden) return; // what is slow is not asked twice at once
      busy = true;
      try {
        const body = await local(typeof path === "function" ? path() : path);
        if (!body) throw new Error("The server does not answer");
        set({ body: then ? then(body) : body });
      } catch (e) {
        set((s) => ({ ...s, error: sentence(e) }));
      }
      busy = false;
    };
    ask();
    const timer = setInterval(ask, ms);
    return () => clearInterval(timer);
  }, []);
  return [state.body, state.error, (body) => set({ body })];
}

const stamp = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit", fractionalSecondDigits: 3 });
const shownFrames = 200;

function Frames({ client }) {
  const [search, setSearch] = useState(""), [held, setHeld] = useState(), [open, setOpen] = useState();
  const [, again] = useReducer((n) => n + 1, 0);
  useEffect(() => {
    let timer;
    const off = client.on("frame", () => { timer ??= setTimeout(() => { timer = undefined; again(); }, 100); });
    return () => { off(); clearTimeout(timer); };
  }, [client]);
  const all = held ?? client.frames.all;
  const needle = search.toLowerCase();
  const found = [];
  for (let i = all.length - 1; i >= 0 && found.length < shownFrames; i--) if (!needle || all[i].text.toLowerCase().includes(needle)) found.push(all[i]);
  const pretty = (t) => { try { return code(JSON.parse(t)); } catch { return code(t); } };
  return html`<div class="tools"><input type="search" aria-label="Search the frames" placeholder="Search" value=${search} onInput=${(e) => setSearch(e.target.value)} />
      <button class="quiet" aria-pressed=${!!held} onClick=${() => setHeld(held ? undefined : [...client.frames.all])}>Pause</button>
      <button class="quiet" onClick=${() => { client.frames.all = []; setHeld(undefined); again(); }}>Clear</button></div>
    ${needle && found.length === 0 && html`<p class="small" role="status">None of ${all.length} match.</p>`}
    <p class="small">${client.frames.n} frames went over the wire. The newest is first${found.length === shownFrames ? `; ${shownFrames} are shown` : ""}.</p>
    <ol class="frames">${found.map((f) => html`<li key=${f.n}><button aria-expanded=${open === f.n} onClick=${() => setOpen(open === f.n ? undefined : f.n)}><span class=${f.dir} aria-label=${f.dir === "in" ? "received" : "sent"}>${f.dir === "in" ? "↓" : "↑"}</span><time>${stamp.format(f.at)}</time><code>${code(f.text.slice(0, 160))}</code></button>${open === f.n && html`<pre tabindex="0" dir="ltr">${pretty(f.text)}</pre>`}</li>`)}</ol>`;
}

const count = new Intl.NumberFormat(), money = (d) => (d === 0 ? "$0" : d < 5e-8 ? "< $0.0000001" : "$" + (d < 0.01 ? d.toFixed(7).replace(/0+$/, "") : d.toFixed(4)));

function Meter({ id, marks }) {
  const [now, error] = usePolled("meter", 1500), [, again] = useReducer((n) => n + 1, 0);
  if (!now) return html`<p class="small">${error ?? "Counting…"}</p>`;
  if (!marks.get(id)) marks.set(id, now);
  let from = marks.get(id);
  if (now.charges.some((c, i) => c.pieces < from.charges[i].pieces)) marks.set(id, (from = { ...now, framesIn: 0, framesOut: 0, redisTrips: 0, redisCommands: 0, mongoTrips: 0, charges: now.charges.map((c) => ({ ...c, pieces: 0 })), functions: [] })); // it was started again
  const lines = now.charges.map((c, i) => ({ ...c, pieces: c.pieces - from.charges[i].pieces })).map((c) => ({ ...c, cost: (c.pieces / c.per) * c.price }));
  const before = new Map(from.functions.map((f) => [f.name, f]));
  const functions = now.functions.map((f) => ({ ...f, invocations: f.invocations - (before.get(f.name)?.invocations ?? 0), gbSeconds: f.gbSeconds - (before.get(f.name)?.gbSeconds ?? 0) })).filter((f) => f.invocations > 0);
  const total = lines.reduce((n, l) => n + l.cost, 0);
  return html`<div class="tools"><p class="total"><b>${money(total)}</b> <span class="small">since you opened this conversation, at the list prices of AWS and Upstash</span></p><button class="quiet" onClick=${() => { marks.set(id, now); again(); }}>Count from here</button></div>
    ${error && html`<p class="failed">${error}</p>`}
    <table><caption class="hidden">What it costs</caption><thead><tr><th scope="col">What</th><th scope="col">Number</th><th scope="col">Cost</th></tr></thead>
      <tbody>${lines.map((l) => html`<tr key=${l.name}><td>${l.what.replace(/, (million|[\d,]+) /, ", ").replace(/(\d) (KB|MB|GB)\b/g, "$1\u00a0$2")}${l.unverified ? " (unverified)" : ""}</td><td>${count.format(l.pieces)}</td><td>${money(l.cost)}</td></tr>`)}</tbody></table>
    <table><caption>What was done</caption><tbody>
      <tr><td>Frames in, each begun 32 KB</td><td>${count.format(now.framesIn - from.framesIn)}</td></tr><tr><td>Frames out</td><td>${count.format(now.framesOut - from.framesOut)}</td></tr>
      ${now.databases ? html`<tr><td>Round trips to MongoDB</td><td>${count.format(now.mongoTrips - from.mongoTrips)}</td></tr><tr><td>Round trips to Redis</td><td>${count.format(now.redisTrips - from.redisTrips)}</td></tr><tr><td>Commands to Redis</td><td>${count.format(now.redisCommands - from.redisCommands)}</td></tr>` : html`<tr><td colspan="2">What is asked of the databases cannot be counted here: they are real ones, or the functions are processes of their own.</td></tr>`}</tbody></table>
    <table><caption>Functions</caption><thead><tr><th scope="col">Function</th><th scope="col">Invocations</th><th scope="col">GB-seconds</th></tr></thead><tbody>${functions.map((f) => html`<tr key=${f.name}><td>${f.name} <span class="small">${f.memory} MB</span></td><td>${count.format(f.invocations)}</td><td>${f.gbSeconds.toFixed(4)}</td></tr>`)}</tbody></table>
    <p class="small">It counts all that this server does meanwhile, whoever asks for it. Left out are minutes of connections, logs, data out, and what a database costs by the hour.</p>`;
}

function Faults() {
  const [now, error, set] = usePolled("faults", 2000), [failed, setFailed] = useState(), [held, hold] = useState({});
  const change = async (to) => {
    try {
      const told = await local("faults", { method: "PUT", headers: { "content-type": "application/json" }, body: JSON.stringify(to) });
      if (!told) throw new Error("The server does not answer");
      set(told);
      setFailed(undefined);
    } catch (e) {
      setFailed(sentence(e));
    }
    hold({});
  };
  const at = (f) => held[f.kind] ?? f.probability; // what the server says does not take a slider out of one's hand
  if (!now) return html`<p class="small">${error ?? "…"}</p>`;
  const on = now.faults.some((f) => f.probability > 0);
  return html`<div class="tools"><p>${on ? html`The server misbehaves: <b>${count.format(now.happened)}</b> times so far.` : "All is well. Make it go wrong, and see what people notice."}</p><button class="quiet" disabled=${!on} onClick=${() => change(Object.fromEntries(now.faults.map((f) => [f.kind, 0])))}>Turn all off</button></div>
    ${(failed ?? error) && html`<p class="failed" role="alert">${failed ?? error}</p>`}
    <ul class="faults">${now.faults.map((f) => html`<li key=${f.kind}><label for=${"fault-" + f.kind}><b>${f.kind}</b><span class="small block">${f.text}</span></label>
      <input type="range" id=${"fault-" + f.kind} min="0" max="1" step="0.05" value=${at(f)} aria-valuetext=${Math.round(at(f) * 100) + " percent"} onInput=${(e) => hold({ [f.kind]: Number(e.target.value) })} onChange=${(e) => change({ [f.kind]: Number(e.target.value) })} /><output>${Math.round(at(f) * 100)} %</output></li>`)}</ul>`;
}

function Functions() {
  const lines = useRef([]), [search, setSearch] = useState("");
  const [now, error] = usePolled("meter", 2000);
  const [all] = usePolled(() => "log?after=" + (lines.current.at(-1)?.n ?? 0), 1000, (body) => (lines.current = [...lines.current, ...body.lines].slice(-500)));
  const found = (all ?? []).filter((l) => l.text.toLowerCase().includes(search.toLowerCase())).slice(-200).reverse();
  const used = (now?.functions ?? []).filter((f) => f.invocations > 0);
  return html`${error && html`<p class="failed">${error}</p>`}
    <table><caption>Latency of the last invocations, ms</caption><thead><tr><th scope="col">Function</th><th scope="col">Count</th><th scope="col">Median</th><th scope="col">95 %</th><th scope="col">Slowest</th></tr></thead>
      <tbody>${used.map((f) => html`<tr key=${f.name}><td>${f.name}</td><td>${count.format(f.invocations)}${f.failed ? html` <span class="bad">${f.failed} failed</span>` : ""}</td><td>${f.median.toFixed(1)}</td><td>${f.p95.toFixed(1)}</td><td>${f.slowest.toFixed(1)}</td></tr>`)}</tbody></table>
    <div class="tools"><input type="search" aria-label="Search the log" placeholder="Search the log" value=${search} onInput=${(e) => setSearch(e.target.value)} /></div>
    <ol class="frames" aria-label="Log, the newest first">${found.map((l) => html`<li key=${l.n} class=${l.level.toLowerCase()}><code>${code(l.text)}</code></li>`)}</ol>`;
}
