// Reactions, edits and deletions on a real server, between two who talk.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Server, theLog, until } from "./support/server.mjs";

let server;
before(async () => void (server = await Server.start()));
after(() => server.close());

// talk gives two clients in one conversation, in which one of them has said some texts.
async function talk(...texts) {
  const [ann, bob] = ["ann", "bob"].map((id) => server.client(id));
  const { id } = await ann.rest.createConversation({ title: "changes", agentId: "nobody" });
  await ann.rest.addParticipant(id, { type: "user", id: "bob" });
  const [a, b] = [ann, bob].map((client) => client.conversation(id));
  const closes = [a, b].map((c) => c.open());
  for (const client of [ann, bob]) client.connect();
  const said = [];
  for (const text of texts) said.push(await a.send(text).done);
  await until(() => b.getSnapshot().messages.length === texts.length);
  return { ann, bob, a, b, closes, said, id };
}
const shown = (c) => c.getSnapshot().messages.map(({ content, isDeleted, reactions = [] }) => `${isDeleted ? "gone" : content}${reactions.map((r) => ` ${r.key}${r.count}${r.mine ? "!" : ""}`).join("")}`);

test("both see what the other changes, and each what is theirs", async () => {
  const { bob, a, b, said, id } = await talk("one", "two", "three");
  await b.react(said[0].id, "👍");
  await a.react(said[0].id, "👍");
  await a.react(said[0].id, ":party:");
  await b.react(said[1].id, "👀");
  await b.react(said[1].id, "👀", false);
  const edited = await a.edit(said[1].id, "two, better");
  assert.equal(edited.edits, 1);
  await a.deleteMessage(said[2].id);
  await until(() => shown(b).join() === "one 👍2! :party:1,two, better,gone");
  await until(() => shown(a).join() === "one 👍2! :party:1!,two, better,gone");
  await assert.rejects(b.edit(said[1].id, "not mine"), { code: "forbidden" });
  const { data } = await bob.rest.reactions(said[0].id);
  assert.deepEqual(data.map((r) => [r.id, r.key]), [["bob", "👍"], ["ann", "👍"], ["ann", ":party:"]]);
  const dateless = ({ updatedAt, ...m }) => m; // a frame does not say when it was deleted
  assert.deepEqual((await theLog(bob.rest, id)).map(dateless), b.getSnapshot().messages.map(dateless));
});

test("an edit of what was edited meanwhile is a conflict, which tells the text of now", async () => {
  const { ann, a, said } = await talk("one");
  const other = server.client("ann");
  await other.rest.editMessage(said[0].id, { content: "of the other device", edits: 0 });
  const stale = server.client("ann").conversation(a.id);
  stale.add(said[0]); // a device that has not heard of it
  stale.log.base(0);
  await assert.rejects(stale.edit(said[0].id, "of this one"), (e) => e.code === "conflict" && e.details.edits === 1 && e.details.content === "of the other device");
  await until(() => shown(a)[0] === "of the other device");
  assert.equal((await a.edit(said[0].id, "of this one")).edits, 2);
  assert.equal(ann.getSnapshot().state, "connected");
});

test("who was away sees what changed meanwhile, of however many messages", async () => {
  const texts = Array.from({ length: 60 }, (_, i) => `t${i}`);
  const { bob, a, b, said } = await talk(...texts);
  bob.close();
  await a.edit(said[1].id, "edited");
  await a.react(said[2].id, "🎉");
  await a.deleteMessage(said[3].id);
  assert.equal(shown(b)[1], "t1");
  bob.connect();
  await until(() => shown(b).slice(1, 4).join() === "edited,t2 🎉1,gone");
  await a.react(said[2].id, "🎉", false);
  await until(() => shown(b)[2] === "t2");
});

test("what one device reacts with, or takes back, is one's own on the other at once, and not the other's who talks with them", async () => {
  const { bob, a, b, said, id } = await talk("one");
  const desk = server.client("bob");
  const d = desk.conversation(id);
  d.open();
  desk.connect();
  await until(() => shown(d).join() === "one");
  await b.react(said[0].id, "👍");
  await until(() => shown(d).join() === "one 👍1!" && shown(a).join() === "one 👍1");
  await a.react(said[0].id, "👍");
  await until(() => shown(d).join() === "one 👍2!" && shown(b).join() === "one 👍2!" && shown(a).join() === "one 👍2!");
  await bob.rest.react(said[0].id, "🎉");
  await until(() => [b, d].every((c) => shown(c).join() === "one 👍2! 🎉1!") && shown(a).join() === "one 👍2! 🎉1");
  await d.react(said[0].id, "👍", false);
  await until(() => shown(b).join() === "one 👍1 🎉1!" && shown(a).join() === "one 👍1! 🎉1");
});
