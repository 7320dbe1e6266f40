// Files: picked, dropped and pasted, sent and seen by the other side.
import { after, before, test } from "node:test";
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { browse, open, ready, serve, shot, until } from "./lib.mjs";

let server, browser, page, other, id, dir;
before(async () => {
  dir = mkdtempSync(path.join(tmpdir(), "console-files-"));
  // A picture of one green point.
  writeFileSync(path.join(dir, "Grün <b>.png"), Buffer.from("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==", "base64"));
  writeFileSync(path.join(dir, "notes.txt"), "a note");
  writeFileSync(path.join(dir, "page.html"), "<script>alert(1)</script>");
  server = await serve([], { LIMIT_AGENT_MESSAGES: "0", LIMIT_USER_MESSAGES: "0" });
  browser = await browse();
  ({ id } = await server.rest("POST", "conversations", { title: "Files", agentId: "demo-agent" }));
  page = await open(browser, server.url + "#" + id);
  await ready(page);
  other = await open(browser, server.url + "#" + id);
  await ready(other);
});
after(async () => {
  await browser?.close();
  await server?.close();
  rmSync(dir, { recursive: true, force: true });
});

const pick = async (...names) => (await page.$(".composer input[type=file]")).uploadFile(...names.map((n) => path.join(dir, n)));
// What is behind another page draws seldom, and loads no picture.
const front = (p) => p.bringToFront();
const waiting = () => document.querySelectorAll(".uploads li").length;

test("what is picked is uploaded, sent with what is said, and drawn on both sides", async () => {
  await front(page);
  await pick("Grün <b>.png", "notes.txt");
  await until(page, "both are there", () => document.querySelectorAll(".uploads li").length === 2 && !document.querySelector(".uploads progress"));
  assert.equal(await page.evaluate(() => document.querySelector(".uploads bdi").innerText), "Grün <b>.png");
  await shot(page, "files-to-send");
  await page.focus("textarea");
  await page.keyboard.type("Look");
  await page.keyboard.press("Enter");
  for (const p of [page, other]) {
    await front(p);
    await until(p, "the picture is drawn", () => { const img = document.querySelector(".attachment img"); return img?.complete && img.naturalWidth === 1 && !document.querySelector(".pending"); });
    assert.equal(await p.evaluate(() => document.querySelector(".attachment img").alt), "Grün <b>.png");
    assert.match(await p.evaluate(() => [...document.querySelectorAll(".attachment")].map((a) => a.innerText).join()), /notes\.txt/);
  }
  assert.equal(await page.evaluate(waiting), 0);
  await front(page);
  await shot(page, "files-sent");
});

test("what is dropped and what is pasted is uploaded too, and may be sent with no word", async () => {
  await page.evaluate(() => {
    const of = (name, type, text) => { const data = new DataTransfer(); data.items.add(new File([text], name, { type })); return data; };
    const log = document.querySelector(".talk .scroll, .talk");
    log.dispatchEvent(new DragEvent("drop", { dataTransfer: of("dropped.txt", "text/plain", "x"), bubbles: true, cancelable: true }));
    document.querySelector(".composer textarea").dispatchEvent(new ClipboardEvent("paste", { clipboardData: of("pasted.csv", "text/csv", "a,b"), bubbles: true, cancelable: true }));
  });
  await until(page, "both are there", () => document.querySelectorAll(".uploads li").length === 2 && !document.querySelector(".uploads progress"));
  await page.evaluate(() => document.querySelector("[aria-label='Remove dropped.txt']").click());
  await until(page, "one is left", () => document.querySelectorAll(".uploads li").length === 1);
  await page.evaluate(() => document.querySelector(".composer .send").click());
  await front(other);
  await until(other, "it is seen", () => /pasted\.csv/.test(document.querySelector(".talk").innerText));
  assert.doesNotMatch(await other.evaluate(() => document.querySelector(".talk").innerText), /dropped/);
});

test("what is refused says why, and holds up nothing once it is removed", async () => {
  await front(page);
  await pick("page.html");
  await until(page, "it says why", () => /must be one of/.test(document.querySelector(".uploads .bad")?.innerText));
  assert.equal(await page.evaluate(() => document.querySelector(".composer .send").disabled), true);
  await page.evaluate(() => document.querySelector(".uploads [aria-label^=Remove]").click());
  await until(page, "it is gone", () => !document.querySelector(".uploads li"));
});

test("once its message is deleted it is not there any more", async () => {
  const { data } = await server.rest("GET", `messages?conversationId=${id}`);
  const document_ = data[0].attachments[0].slice("document:".length);
  await server.rest("DELETE", "messages/" + data[0].id);
  await front(other);
  await until(other, "it is gone", () => !document.querySelector(".attachment img"));
  await assert.rejects(server.rest("GET", "documents/" + document_), /404|no such document/);
});

test("the page's policy lets all of that through, and nothing is asked for elsewhere", async () => {
  for (const p of [page, other]) assert.deepEqual([p.troubles, p.elsewhere, await p.evaluate(() => window.violations)], [[], [], undefined]);
});
