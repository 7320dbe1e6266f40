// One who talks in many conversations, with a client of their own: in this process, or in a
// page of a browser.
import { watch } from "../support/watch.mjs";

export class Person {
  #client;
  #said = new Map();
  #faults = [];
  #snapshots = 0;

  constructor(ChatClient, { token, ...options }) {
    this.#client = new ChatClient({ getToken: () => token, ...options });
  }

  open(ids) {
    for (const id of ids) {
      const c = this.#client.conversation(id);
      this.#faults.push(watch(c));
      c.subscribe(() => this.#snapshots++);
      c.open();
    }
    this.#client.connect();
  }

  isIn(ids) {
    return ids.every((id) => this.#client.conversation(id).getSnapshot().state === "joined");
  }

  // say returns under which id it will be sent; nothing where too much waits already.
  say(id, text) {
    const c = this.#client.conversation(id);
    const { clientMessageId, error, done } = c.send(text);
    if (error?.code === "queue_full") return c.discard(clientMessageId);
    this.#said.set(clientMessageId, done);
    return clientMessageId;
  }

  // change does something to one of the messages that are seen: to any of them a reaction, and to one of one's own an edit, or its end.
  async change(id, at, what) {
    const c = this.#client.conversation(id);
    const { messages } = c.getSnapshot();
    const m = messages[Math.floor(at * messages.length)];
    if (!m || m.isDeleted) return false;
    const own = m.participantId === this.#client.getSnapshot().me?.id;
    try {
      if (what < 0.6 || !own) await c.react(m.id, ["👍", "🎉", ":party:"][Math.floor(at * 1000) % 3], what < 0.5);
      else if (what < 0.9) await c.edit(m.id, `${m.content.split("~")[0]}~${(m.edits ?? 0) + 1}`);
      else await c.deleteMessage(m.id);
      return true;
    } catch (e) {
      // The network was cut; or it was deleted, or edited under the same client's repeat, meanwhile.
      if (!e.retryable && e.code !== "not_found" && e.code !== "conflict") this.#faults.push([`${e.code}: ${e.message}`]);
      return false;
    }
  }

  // done waits until it is in the log. What was said before the page was reloaded has no promise any more.
  async done(id, clientMessageId) {
    const promise = this.#said.get(clientMessageId);
    if (promise) return void (await promise);
    const c = this.#client.conversation(id);
    await new Promise((resolve) => {
      const look = () => c.getSnapshot().messages.some((m) => m.clientMessageId === clientMessageId) && resolve(off());
      const off = c.subscribe(look);
      look();
    });
  }

  // view is what is seen of a conversation, from its beginning.
  async view(id) {
    const c = this.#client.conversation(id);
    while (c.getSnapshot().hasOlder) await c.loadOlder(100);
    const { lastSeq, messages, outgoing } = c.getSnapshot();
    return { lastSeq, messages, waiting: outgoing.length };
  }

  found() {
    return { faults: this.#faults.flat(), snapshots: this.#snapshots };
  }

  close() {
    this.#client.close();
  }
}
