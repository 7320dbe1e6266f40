// How it looks, and to whom.
import { after, before, test } from "node:test";
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import { browse, click, open, ready, say, serve, shot, until } from "./lib.mjs";

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
let server, browser, page;
before(async () => {
  server = await serve();
  browser = await browse();
  const c = await server.rest("POST", "conversations", { title: "Ein Gespräch", agentId: "demo-agent" });
  await server.rest("POST", "conversations", { title: "محادثة حول الطلب", agentId: "demo-agent" });
  const say = (content, more = {}, token) => server.rest("POST", "messages", { conversationId: c.id, content, ...more }, token);
  await say("Where is order **1042**? I need it before Friday.");
  await say("# It is on its way\n\nThe parcel left the depot *this morning*:\n\n1. packed\n2. handed over\n   - by [post](https://example.org/track)\n\n> It arrives on Friday.\n\n| day | place |\n|---|---|\n| Wed | depot |\n| Fri | your door |\n\n```js\nconst days = 2; // at most\n```\n\nAnything else, `1043` perhaps?", { usage: { promptTokens: 100, completionTokens: 60, totalTokens: 160 }, latency: 1300, thinking: { content: "They ask for an order. I look it up.", visible: true, duration: 900 } }, server.agentToken);
  await say("شكرا جزيلا! هل يمكنني تغيير العنوان؟ The new one is Main St. 5");
  await say("نعم، بالتأكيد. أرسل **العنوان الجديد** هنا.", { attachments: ["https://example.org/label.png", "document:invoice-1042"] }, server.agentToken);
  await say("", { type: "error", error: "The carrier does not answer." }, server.agentToken).catch(() => say("It broke.", { type: "error", error: "The carrier does not answer." }, server.agentToken));
});
after(async () => {
  await browser?.close();
  await server?.close();
});

async function accessible(where) {
  const client = await page.createCDPSession();
  await client.send("Page.setBypassCSP", { enabled: true });
  await page.evaluate(() => window.axe || undefined);
  const result = await client.send("Runtime.evaluate", { expression: axe + "; axe.run(document, { resultTypes: ['violations'] }).then((r) => JSON.stringify(r.violations))", awaitPromise: true, returnByValue: true });
  const found = JSON.parse(result.result.value).filter((v) => v.impact === "serious" || v.impact === "critical");
  assert.deepEqual(found.map((v) => `${where}: ${v.id}: ${v.nodes.map((n) => n.html.slice(0, 160) + " " + n.failureSummary).join(" | ")}`), []);
}

const looks = [["light", {}], ["dark", { dark: true }], ["phone", { width: 390, height: 800 }], ["phone-dark", { width: 390, height: 800, dark: true }]];

for (const [name, how] of looks) {
  test(`${name}: nothing serious is wrong for those who do not see it`, async () => {
    page = await open(browser, server.url, how);
    await until(page, "the list is there", () => document.querySelectorAll(".list li").length >= 2);
    await accessible(name + " list");
    await shot(page, `list-${name}`);
    await page.evaluate(() => { location.hash = [...document.querySelectorAll(".list li a")].find((a) => a.innerText.includes("Gespräch")).hash; });
    await until(page, "the talk is drawn", () => document.querySelector(".md table") && document.querySelector(".attachment"));
    await page.evaluate(() => { document.querySelector(".log").scrollTop = 0; });
    await new Promise((r) => setTimeout(r, 400));
    await shot(page, `talk-${name}`);
    await accessible(name + " talk");
    await page.evaluate(() => { document.querySelector(".log").scrollTop = 1e6; });
    await new Promise((r) => setTimeout(r, 300));
    await shot(page, `talk-end-${name}`);
    await accessible(name + " end");
    assert.deepEqual(page.troubles, []);
    await page.close();
  });
}

test("panels, dialogs and both sides", async () => {
  page = await open(browser, server.url, { width: 1500, height: 900 });
  await until(page, "the list is there", () => document.querySelectorAll(".list li").length >= 2);
  await page.evaluate(() => { location.hash = [...document.querySelectorAll(".list li a")].find((a) => a.innerText.includes("Gespräch")).hash; });
  await ready(page);
  await click(page, "Panels");
  for (const panel of ["Frames", "Meter", "Faults", "Functions"]) {
    await click(page, panel, "[role=tab]");
    await until(page, panel + " has something", () => document.querySelector(".panel").innerText.length > 80);
    await new Promise((r) => setTimeout(r, 300));
    await accessible(panel);
    await shot(page, "panel-" + panel.toLowerCase());
  }
  await page.type(".panel input", "event");
  await until(page, "the log is searched", () => document.querySelectorAll(".panel .frames li").length > 0);
  await click(page, "Faults", "[role=tab]");
  await until(page, "the switches are there", () => document.querySelector("#fault-reorder"));
  await page.evaluate(() => { const r = document.querySelector("#fault-reorder"); r.value = "0.5"; r.dispatchEvent(new Event("change", { bubbles: true })); });
  await until(page, "the fault is set", () => document.querySelector(".panel").innerText.includes("misbehaves"));
  await click(page, "Turn all off");
  await until(page, "all is well again", () => document.querySelector(".panel").innerText.includes("All is well"));
  await page.click("[aria-label='Close the panels']");

  await click(page, "Two sides");
  await until(page, "the agent is signed in", () => document.querySelectorAll(".talk").length === 2 && document.querySelectorAll(".talk")[1].querySelector("h2").innerText.includes("demo-agent") && document.querySelectorAll(".talk")[1].querySelector("textarea"));
  const agent = (await page.$$(".talk textarea"))[1];
  await agent.focus();
  await page.keyboard.type("It is I, the agent.");
  await page.keyboard.press("Enter");
  await until(page, "both sides have it", () => [...document.querySelectorAll(".talk")].every((t) => [...t.querySelectorAll(".bubble")].some((b) => b.innerText.trim() === "It is I, the agent.")));
  await shot(page, "two-sides");
  await click(page, "Two sides");
  await until(page, "one side again", () => document.querySelectorAll(".talk").length === 1);

  for (const [label, name] of [["New", "dialog-new"], ["participants", "dialog-people"], ["Settings", "dialog-settings"]]) {
    await page.evaluate((l) => [...document.querySelectorAll("button")].find((b) => b.innerText.trim() === l || b.getAttribute("aria-label")?.includes(l)).click(), label);
    await until(page, label + " is open", () => document.querySelector("dialog[open]"));
    await new Promise((r) => setTimeout(r, 250));
    await accessible(label);
    await shot(page, name);
    await page.keyboard.press("Escape");
    await until(page, label + " is closed", () => !document.querySelector("dialog"));
  }
  assert.deepEqual(page.troubles, []);
});

for (const [name, how] of [["light", { width: 1280, height: 900 }], ["phone-dark", { width: 390, height: 800, dark: true }]]) {
  test(`${name}: a card that asks, while its arguments are changed, is for everybody`, async () => {
    const { id } = await server.rest("POST", "conversations", { title: `A card, ${name}`, agentId: "assistant" });
    const before = page;
    page = await open(browser, server.url + "#" + id, how);
    await until(page, "it is open", () => document.querySelector(".composer textarea"));
    await say(page, 'Pay it back. #tool shop__refund_order {"order": "1042"}');
    await click(page, "Change the arguments", ".asks button");
    await page.evaluate(() => { const e = document.querySelector(".asks textarea"); e.value = "[1]"; e.dispatchEvent(new Event("input", { bubbles: true })); });
    await click(page, "Approve as changed");
    await until(page, "it is refused", () => document.querySelector(".asks p.failed"));
    await page.evaluate(() => { const log = document.querySelector(".log"); log.scrollTop = log.scrollHeight; });
    await new Promise((r) => setTimeout(r, 300));
    await accessible("a card");
    await shot(page, `approval-edit-${name}`);
    await click(page, "Refuse");
    await until(page, "it is decided", () => !document.querySelector(".asks, .stream"), null, 60_000);
    await accessible("a decided card");
    assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth));
    await page.close();
    page = before;
  });
}

test("a conversation is begun, renamed, archived, opened again and deleted by keys and clicks", async () => {
  await click(page, "New");
  await until(page, "the agents are listed", () => document.querySelectorAll("dialog .choice").length >= 2);
  await page.focus("dialog input:not([type])");
  await page.keyboard.type("A new one");
  await page.keyboard.press("Enter");
  await until(page, "it is open", () => document.querySelector(".title h2")?.innerText === "A new one" && document.activeElement.tagName === "TEXTAREA");
  await say(page, "hello #tokens 4");
  await until(page, "it leads the list", () => document.querySelector(".list li").innerText.includes("A new one"));
  await page.keyboard.down("Alt");
  await page.keyboard.press("ArrowDown");
  await page.keyboard.up("Alt");
  await until(page, "the next one is open", () => document.querySelector(".title h2")?.innerText !== "A new one" && document.activeElement.tagName === "TEXTAREA");
  await page.keyboard.down("Alt");
  await page.keyboard.press("ArrowUp");
  await page.keyboard.up("Alt");
  await until(page, "it is open again", () => document.querySelector(".title h2")?.innerText === "A new one");
  const menu = async (item) => {
    await page.click("[aria-label=More]");
    await click(page, item, ".menu button");
  };
  await menu("Rename");
  await page.waitForSelector("dialog input");
  await page.keyboard.type(" indeed");
  await page.keyboard.press("Enter");
  await until(page, "it is renamed", () => /indeed/.test(document.querySelector(".title h2")?.innerText) && !document.querySelector("dialog"));
  await menu("Archive");
  await until(page, "it takes no messages", () => /takes no messages/.test(document.querySelector(".composer").innerText));
  await click(page, "Archived");
  await until(page, "it is on that shelf", () => [...document.querySelectorAll(".list li")].some((e) => /indeed/.test(e.innerText)));
  await click(page, "Reopen it");
  await until(page, "it takes messages", () => document.querySelector("textarea"));
  await click(page, "Open");
  await until(page, "it is back", () => [...document.querySelectorAll(".list li")].some((e) => /indeed/.test(e.innerText)));
  await menu("Delete…");
  await click(page, "Delete", "dialog button");
  await until(page, "it is gone", () => !document.querySelector("dialog") && ![...document.querySelectorAll(".list li")].some((e) => /indeed/.test(e.innerText)));
  assert.deepEqual(page.troubles, []);
});

test("on a static host the same files ask for addresses and a token", async () => {
  const files = fileURLToPath(new URL("../assets/", import.meta.url));
  const media = { html: "text/html", js: "text/javascript", css: "text/css", svg: "image/svg+xml" };
  const host = createServer((q, r) => {
    const name = q.url.split(/[?#]/)[0].replace(/^\/chat\/$/, "/chat/index.html").replace(/^\/chat\//, "");
    try {
      const text = readFileSync(files + name);
      r.writeHead(200, { "content-type": media[name.split(".").pop()] ?? "text/plain" }).end(text);
    } catch {
      r.writeHead(403, { "content-type": "application/xml" }).end("<Error><Code>AccessDenied</Code></Error>"); // as S3
    }
  });
  await new Promise((done) => host.listen(0, "127.0.0.1", done));
  const p = await open(browser, `http://127.0.0.1:${host.address().port}/chat/`);
  p.troubles.length = 0;
  await until(p, "it asks", () => document.querySelector(".welcome form"));
  await shot(p, "welcome");
  const fields = await p.$$(".welcome input");
  for (const [i, text] of [server.url.replace("http", "ws") + "ws", server.url.slice(0, -1), server.token].entries()) await fields[i].type(text);
  await click(p, "Connect");
  await until(p, "it is connected", () => document.querySelector(".foot .dot.on") && document.querySelectorAll(".list li").length >= 2);
  await p.reload();
  await until(p, "it remembers", () => document.querySelector(".foot .dot.on") && document.querySelectorAll(".list li").length >= 2);
  await click(p, "Panels");
  await until(p, "there are frames", () => document.querySelectorAll(".panel .frames li").length > 0);
  assert.deepEqual(await p.evaluate(() => [...document.querySelectorAll("[role=tab]")].map((t) => t.innerText)), ["Frames"]);
  assert.deepEqual(p.troubles, []);
  await p.close();
  await new Promise((done) => host.close(done));
});

test("the local page says why it cannot talk to another backend", async () => {
  await page.click("[aria-label=Settings]");
  await page.waitForSelector("dialog input");
  await page.evaluate(() => { for (const [i, v] of ["wss://a.example/prod", "https://b.example"].entries()) { const e = document.querySelectorAll("dialog input")[i]; e.value = v; e.dispatchEvent(new Event("input", { bubbles: true })); } });
  await click(page, "Connect", "dialog button");
  await until(page, "it is said", () => /talks to 127\.0\.0\.1:\d+ alone/.test(document.querySelector("dialog .failed")?.innerText ?? ""));
  await page.keyboard.press("Escape");
  await until(page, "the dialog is closed", () => !document.querySelector("dialog"));
  assert.deepEqual(page.elsewhere, []);
});

test("an address that is wrong and a token that is refused are told in one sentence", async () => {
  for (const [set, said] of [[{ token: "x.y.z" }, /token was refused/i], [{ restUrl: server.url + "docs", token: "" }, /chat|address|answers/i]]) {
    await page.evaluate((s) => {
      sessionStorage.setItem("aiwm-console-token", s.token);
      if (s.restUrl) localStorage.setItem("aiwm-console", JSON.stringify({ restUrl: s.restUrl }));
    }, set);
    let tries = 0;
    page.on("request", (r) => { if (/conversations|\/ws/.test(r.url())) tries++; });
    await page.reload();
    if (!set.restUrl) {
      await until(page, "it is said", (s) => new RegExp(s, "i").test(document.querySelector(".banner")?.innerText ?? ""), said.source);
      const after = tries;
      await new Promise((r) => setTimeout(r, 1500));
      assert.ok(tries - after <= 1, "it tries no more");
      await shot(page, "refused");
    } else {
      await until(page, "it is said", (s) => new RegExp(s, "i").test(document.querySelector(".list .failed, .banner:not(.none)")?.innerText ?? ""), said.source);
    }
  }
});
