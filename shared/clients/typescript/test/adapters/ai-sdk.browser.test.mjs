import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { openExample, openPage, startBrowser } from "./browser.mjs";
import { startServer } from "./server.mjs";

let server, browser;
before(async () => {
  [server, browser] = await Promise.all([startServer(), startBrowser()]);
});
after(() => Promise.all([browser?.close(), server?.stop()]));

test("useChat talks, stops, asks again, allows, and resumes after a reload", async (t) => {
  const page = await openExample(t, browser, "ai-sdk", server);
  await page.say("Hello #tokens 12 #think 5");
  await page.sees("You said: “Hello”");
  await page.rests();
  const first = await page.rows();
  assert.equal(first.length, 2);

  await page.press("Again");
  await page.waitForSelector("[aria-busy]");
  await page.rests();
  assert.deepEqual(await page.rows(), first, "the same question has the same answer, in its place");

  await page.say("#tokens 400 #slow 50");
  await page.waitForFunction(() => document.querySelectorAll("li").length === 4 && document.querySelector("li:last-child").textContent, { polling: 50 });
  // A page that is opened in the middle shows what is there, and what comes.
  const second = await openPage(browser, page.url());
  await second.waitForSelector("[aria-busy]");
  await second.press("Stop");
  await page.rests();

  await page.say('#tool shop__refund_order {"order":"5001"}');
  await page.press("Allow");
  await page.sees("said: Order 5001 is refunded (refund 1 of this order).");
  await page.rests();
  const all = await page.rows();
  await page.reload();
  await page.sees("said: Order 5001 is refunded");
  const again = await page.rows();
  assert.equal(again.at(-1), all.at(-1), "a reload shows the same");
  assert.equal(again.length, all.length + 1, "but for the answer that was asked for again");
  assert.deepEqual([...page.wrong, ...second.wrong], []);
});
