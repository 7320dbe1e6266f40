// A server for a file of tests, with what its greeting tells: the tokens and the model of
// the demo, to whose organisation the agent "assistant" belongs.
import { ChatClient } from "../../dist/index.js";
import { Server, token, until as untilTrue, WebSocket } from "../support/server.mjs";

/** All that the emulator can do wrong, but for what takes long. */
export const faults = { flags: ["-reorder", "0.1", "-duplicate", "0.1", "-drop-disconnect", "0.1", "-throttle", "0.05", "-post-error", "0.05"], env: { LIMIT_USER_MESSAGES: "0", LOG_LEVEL: "error" } };

/** What is lost there is noticed soon. */
export const noticing = { timing: { ackTimeout: 2000, backoffBase: 100, backoffMax: 1000, pingEvery: 3000, gapPatience: 500 } };

export async function startServer(options) {
  const server = await Server.start(options);
  const value = (name) => new RegExp(`^ *${name} +(\\S+)`, "m").exec(server.greeting)[1];
  const clients = [];
  const userToken = value("User token");
  return {
    url: server.url,
    restUrl: server.restUrl,
    model: value("Model"),
    userToken,
    agentToken: value("Agent token"),
    /** A client of the demo user, or of who has the token. */
    client(token = userToken, more = {}) {
      const client = new ChatClient({ url: server.url, restUrl: server.restUrl, getToken: () => token, WebSocket, ...more });
      clients.push(client);
      return client;
    },
    /** The token of a user, or of an agent, of the demo's organisation. */
    token: (id, more) => token(id, { org: "default", ...more }),
    /** A client of another user, who is added to a page's conversation. */
    async other(id, { client, id: conversationId, threadId = conversationId }) {
      await client.rest.addParticipant(threadId, { type: "user", id });
      return this.client(token(id, { org: "default" }));
    },
    async stop() {
      for (const client of clients) client.close();
      await server.close();
    },
  };
}

/** Waits until something is so. */
export function until(what, is) {
  return untilTrue(is, { what, within: 30_000 });
}
