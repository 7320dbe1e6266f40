import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { answerOf, assertAsHistory, openChat, shown, textOf, toolsOf } from "./ai-sdk.page.mjs";
import { faults, noticing, startServer, until } from "./server.mjs";

let server;
before(async () => {
  server = await startServer(faults);
});
after(() => server?.stop());

const client = () => server.client(undefined, noticing);

test("with all that goes wrong each answer ends, and what is shown is the log", { timeout: 240_000 }, async () => {
  const talk = async (n) => {
    const p = await openChat(client());
    for (let i = 0; i < 4; i++) {
      const order = `${n}${i}`;
      await p.chat.sendMessage({ text: `${n}.${i} #tokens 40 #think 5` });
      assert.deepEqual(p.chat.errors, []);
      await p.chat.sendMessage({ text: `#tool shop__get_order {"order":"1042"} #tool shop__refund_order {"order":"70${order}"}` });
      const ask = toolsOf(p.chat.lastMessage).find((part) => part.state === "approval-requested");
      await p.chat.addToolApprovalResponse({ id: ask.approval.id, approved: i % 2 === 0 });
      await until("the answer", () => p.chat.status === "ready" && textOf(p.chat.lastMessage));
      assert.deepEqual(p.chat.errors, []);
      await assertAsHistory(p);
    }
    // A page that is opened in the middle.
    let before = p.chat.lastMessage;
    const asked = p.chat.sendMessage({ text: "#tokens 60 #slow 20" });
    await until("some text", () => p.chat.lastMessage.id !== before.id && answerOf(p.chat));
    const second = await openChat(client(), p.id);
    await second.chat.resumeStream();
    await asked;
    assert.deepEqual([...p.chat.errors, ...second.chat.errors], []);
    assert.deepEqual(shown(second.chat.messages).at(-1), shown(p.chat.messages).at(-1));
    await assertAsHistory(p);
    await assertAsHistory(second);
    // Stopped.
    before = p.chat.lastMessage;
    const stopped = p.chat.sendMessage({ text: "#tokens 400 #slow 50" });
    await until("some text", () => p.chat.lastMessage.id !== before.id && answerOf(p.chat));
    await p.chat.stop();
    await stopped;
    await until("the end", async () => (await p.log()).at(-1).status === "cancelled");
  };
  await Promise.all([1, 2, 3].map(talk));
});
