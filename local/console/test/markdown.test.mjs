// What Markdown of agents becomes.
import { after, before, test } from "node:test";
import assert from "node:assert/strict";
import { browse, open, ready, serve } from "./lib.mjs";

let server, browser, page;
before(async () => {
  server = await serve();
  browser = await browse();
  page = await open(browser, server.url);
  await ready(page);
});
after(async () => {
  await browser?.close();
  await server?.close();
});

/** The elements that it becomes, as HTML that only this test makes. */
const shown = (text) => page.evaluate(async (t) => {
  const { markdown } = await import("/console/markdown.js");
  const { html, render } = await import("/console/vendor/preact.js");
  const box = document.createElement("div");
  render(html`<div>${markdown(t)}</div>`, box);
  for (const e of box.querySelectorAll("[dir=auto]")) e.removeAttribute("dir");
  for (const e of box.querySelectorAll("[tabindex]")) e.removeAttribute("tabindex");
  return box.firstChild.innerHTML;
}, text);

const link = (href, text) => `<a href="${href}" rel="noopener noreferrer nofollow" target="_blank">${text}</a>`;

for (const [name, text, want] of [
  ["paragraphs and breaks", "one\ntwo\n\nthree", "<p>one<br>two</p><p>three</p>"],
  ["emphasis", "*a* **b** ~~c~~ ***d*** `e*f*`", "<p><em>a</em> <strong>b</strong> <del>c</del> <em><strong>d</strong></em> <code>e*f*</code></p>"],
  ["headings, below those of the page", "# a\n## b\n##### c", "<h3>a</h3><h4>b</h4><h6>c</h6>"],
  ["a tight list", "- a\n- b\n  1. c", "<ul><li>a</li><li>b<ol start=\"1\"><li>c</li></ol></li></ul>"],
  ["a loose list that begins at 3", "3. a\n\n4. b", "<ol start=\"3\"><li><p>a</p></li><li><p>b</p></li></ol>"],
  ["tasks", "- [x] done\n- [ ] open", "<ul><li>☑ done</li><li>☐ open</li></ul>"],
  ["code, to the letter", "```js\na < b && `c` &amp; d\n```", "<pre><code>a &lt; b &amp;&amp; `c` &amp;amp; d</code></pre>"],
  ["code in a line, to the letter", "`&lt;b&gt;`", "<p><code>&amp;lt;b&amp;gt;</code></p>"],
  ["a quotation", "> a\n> > b", "<blockquote><p>a</p><blockquote><p>b</p></blockquote></blockquote>"],
  ["a table", "|a|b|\n|-|-:|\n|1<br>2|**3**|", "<table><thead><tr><th>a</th><th class=\"right\">b</th></tr></thead><tbody><tr><td>1<br>2</td><td class=\"right\"><strong>3</strong></td></tr></tbody></table>"],
  ["a rule", "a\n\n---\n\nb", "<p>a</p><hr><p>b</p>"],
  ["names and numbers of characters", "&lt;b&gt; &amp; &#60;i&#62; &copy; &mdash; &nothing; AT&T & co", "<p>&lt;b&gt; &amp; &lt;i&gt; © — &amp;nothing; AT&amp;T &amp; co</p>"],
  ["what has names of JavaScript", "&constructor; &toString; &valueOf;", "<p>&amp;constructor; &amp;toString; &amp;valueOf;</p>"],
  ["what is escaped", "\\*a\\* \\&lt; \\<b>", "<p>*a* &amp;lt; &lt;b&gt;</p>"],
  ["links", "[a *b*](https://example.org/?x=1&amp;y=2) <https://example.org/z?p=1&amp=2> me@example.org", `<p>${link("https://example.org/?x=1&amp;y=2", "a <em>b</em>")} ${link("https://example.org/z?p=1&amp;amp=2", "https://example.org/z?p=1&amp;amp=2")} ${link("mailto:me@example.org", "me@example.org")}</p>`],
  ["links by reference", "[a][1]\n\n[1]: https://example.org/one", `<p>${link("https://example.org/one", "a")}</p>`],
  ["links to what is not opened", "[a](javascript:x) [b](/here) [c](data:text/html,x) [d](java&#115;cript:x)", "<p>a b c d</p>"],
  ["a picture, as a link", "![a cat](https://example.org/cat.png) ![](https://example.org/b.png)", `<p>${link("https://example.org/cat.png", "a cat")} ${link("https://example.org/b.png", "https://example.org/b.png")}</p>`],
  ["HTML, as it was written", "a <b onclick=x>b</b>\n\n<div>\n  c\n</div>", "<p>a &lt;b onclick=x&gt;b&lt;/b&gt;</p><p class=\"plain\">&lt;div&gt;\n  c\n&lt;/div&gt;</p>"],
  ["nothing", "", ""],
]) {
  test(name, async () => assert.equal(await shown(text), want));
}

test("what is nested for no reader is shown as it was written", async () => {
  for (const text of [">".repeat(3000) + " deep", "- ".repeat(2000) + "deep", "[".repeat(3000) + "deep", "**a ".repeat(2000) + "deep", "~~*".repeat(1000) + "deep"]) {
    const start = Date.now();
    assert.match(await shown(text), /deep/);
    assert.ok(Date.now() - start < 20_000, `${text.slice(0, 10)}… takes ${Date.now() - start} ms`);
  }
});

test("no HTML can be made of a text on this page, by whomever", async () => {
  const refused = await page.evaluate(() => {
    const tries = [() => { document.createElement("div").innerHTML = "<b>"; }, () => document.body.insertAdjacentHTML("beforeend", "<b>"), () => new DOMParser().parseFromString("<b>", "text/html"), () => window.trustedTypes.createPolicy("dompurify", {})];
    return tries.map((f) => { try { f(); return false; } catch { return true; } });
  });
  assert.deepEqual(refused, [true, true, true, true]);
});

test("what is being written keeps what is there: nothing of it is made anew", async () => {
  const is = await page.evaluate(async () => {
    const { markdown } = await import("/console/markdown.js");
    const { html, render } = await import("/console/vendor/preact.js");
    const box = document.createElement("div");
    const draw = (t) => render(html`<div>${markdown(t, false)}</div>`, box);
    draw("first\n\nsec");
    const first = box.querySelector("p");
    draw("first\n\nsecond **bo");
    draw("first\n\nsecond **bold**\n\n- x");
    return { same: box.querySelector("p") === first, text: box.textContent };
  });
  assert.deepEqual(is, { same: true, text: "firstsecond boldx" });
  assert.deepEqual(page.troubles.filter((t) => !/trusted/i.test(t)), []);
});
