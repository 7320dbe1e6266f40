// What others write does nothing.
import { after, before, test } from "node:test";
import assert from "node:assert/strict";
import { browse, open, ready, serve, shot, until } from "./lib.mjs";

let server, browser, page, id;
const evil = "https://evil.example";
const table = "|" + "a|".repeat(60) + "\n|" + "-|".repeat(60) + "\n" + ("|" + "x|".repeat(60) + "\n").repeat(60);
const hostile = [
  `<script>alert(1)</script><img src=x onerror=alert(2)><svg onload=alert(3)><a href="javascript:alert(4)">a</a>`,
  `[click](javascript:alert(5)) [data](data:text/html,<script>alert(6)</script>) [ok](${evil}/ok) ![picture](${evil}/picture.png)`,
  `<iframe src="${evil}/frame"></iframe><style>@import "${evil}/style.css"; * { display: none }</style><link rel=stylesheet href="${evil}/l.css"><base href="${evil}/">`,
  `<svg><a xlink:href="javascript:alert(7)"><text>x</text></a><use href="${evil}/x.svg#a"/></svg><math><mtext><table><mglyph><style><img src=x onerror=alert(8)>`,
  `<form action="${evil}/form"><input name=a><button>go</button></form><meta http-equiv=refresh content="0;url=${evil}/meta"><object data="${evil}/o"></object>`,
  "innocent \u202egnp.exe\u202c and [\u202emoc.elgoog](" + evil + "/bidi) then \u2066open isolate",
  `\`\`\`html\n<img src=x onerror=alert(9)>\n\`\`\`\n\n<details open ontoggle=alert(10)>x</details><a id=location href="${evil}">clobber</a><img name=getElementById>`,
  ">".repeat(4000) + " deep", "[".repeat(5000), "*".repeat(5000) + "a", table, "W".repeat(6000), "\u0000\u0007 control \u001b[31m",
];

before(async () => {
  server = await serve([], { LIMIT_AGENT_MESSAGES: "0" });
  browser = await browse();
  ({ id } = await server.rest("POST", "conversations", { title: "bad \u202etitle\u202c <img src=x onerror=alert(0)>", agentId: "demo-agent" }));
  for (const content of hostile) await server.rest("POST", "messages", { conversationId: id, content: content.replace(/\u0000|\u0007|\u001b/g, "?") }, server.agentToken);
  await server.rest("POST", "messages", { conversationId: id, content: hostile[0] });
  await server.rest("POST", "messages", {
    conversationId: id, content: "", type: "tool_call", toolCalls: [{ id: "c1", tool: "<img src=x onerror=alert(11)>", arguments: { "a\u202e": "\u2066<script>alert(12)</script>" } }, { odd: ["text", 7, null] }],
    attachments: [`${evil}/a%22onerror=alert(13).png`, "document:x"], thinking: { content: "<img src=x onerror=alert(14)>", visible: true },
  }, server.agentToken);
});
after(async () => {
  await browser?.close();
  await server?.close();
});

test("a hostile message does nothing", async () => {
  page = await open(browser, server.url + "#" + id);
  await ready(page);
  await until(page, "the last one is there", () => document.querySelector(".attachment"));
  for (let i = 0; i < 12; i++) { // all of them are drawn once
    await page.evaluate((n) => { const log = document.querySelector(".log"); log.scrollTop = (log.scrollHeight * n) / 11; }, i);
    await new Promise((r) => setTimeout(r, 120));
    const found = await page.evaluate(() => {
      const bad = [];
      for (const e of document.querySelectorAll(".talk .body *")) {
        if (!e.closest(".icon-of") && /^(SCRIPT|IMG|SVG|IFRAME|STYLE|LINK|BASE|FORM|META|OBJECT|MATH|EMBED)$/i.test(e.tagName)) bad.push(e.outerHTML.slice(0, 200));
        for (const a of e.attributes) if (/^on|^style$|^srcdoc$|^name$/i.test(a.name) || /^\s*(javascript|data|vbscript):/i.test(a.value)) bad.push(`${e.tagName} ${a.name}=${a.value}`);
        if (e.tagName === "A" && e.hasAttribute("href") && (e.rel !== "noopener noreferrer nofollow" || e.target !== "_blank" || !/^(https?|mailto):/.test(e.href))) bad.push(e.outerHTML);
        if (e.tagName === "A" && /[\u202a-\u202e\u2066-\u2069]/.test(e.textContent)) bad.push("turned link");
      }
      return bad;
    });
    assert.deepEqual(found, []);
  }
  await shot(page, "hostile");
  await page.evaluate(() => { for (const d of document.querySelectorAll("details")) d.open = true; });
  await new Promise((r) => setTimeout(r, 300));
  assert.deepEqual(page.troubles, []);
  assert.deepEqual(page.elsewhere, []);
  assert.deepEqual(await page.evaluate(() => window.violations ?? []), []);
});

test("names turn nothing around, and what is to be approved hides nothing", async () => {
  const title = await page.evaluate(() => document.querySelector(".title h2").innerText + document.querySelector(".list li").innerText + document.title);
  assert.doesNotMatch(title, /[\u202a-\u202e\u2066-\u2069]/);
  const pre = await page.evaluate(() => [...document.querySelectorAll(".card pre")].map((e) => e.textContent).join("\n"));
  assert.match(pre, /\\u202e/);
  assert.match(pre, /\\u2066<script>/);
  assert.equal(await page.evaluate(() => ["P", "LI"].every((t) => [...document.querySelectorAll(".md " + t)].every((e) => e.dir === "auto"))), true);
});

test("the page stays as wide as the screen", async () => {
  await page.setViewport({ width: 390, height: 800 });
  await new Promise((r) => setTimeout(r, 400));
  assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth && document.querySelector(".log").scrollWidth <= document.querySelector(".log").clientWidth + 1));
  await shot(page, "hostile-phone");
});

test("a picture is loaded when somebody asks for it, and tells nobody where it is", async () => {
  await page.evaluate(() => { const log = document.querySelector(".log"); log.scrollTop = log.scrollHeight; });
  await until(page, "the picture can be asked for", () => [...document.querySelectorAll(".attachment button")].some((b) => b.innerText === "Show picture"));
  await page.setRequestInterception(true);
  const asked = [];
  page.on("request", (r) => { if (r.url().startsWith(evil)) { asked.push(r.headers()); r.abort(); } else r.continue(); });
  await page.evaluate(() => [...document.querySelectorAll(".attachment button")].at(-1).click());
  await until(page, "it cannot be shown", () => /cannot be shown/.test(document.querySelector(".log").innerText));
  assert.equal(asked.length, 1);
  assert.ok(!asked[0].referer, asked[0].referer);
});
