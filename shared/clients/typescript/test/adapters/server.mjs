// A server for a file of tests, with what its greeting tells: the tokens and the model of
// the demo, to whose organisation the agent "assistant" belongs.
import { ChatClient } from "../../dist/index.js";
import { Server, until as untilTrue, WebSocket } from "../support/server.mjs";

export async function startServer() {
  const server = await Server.start();
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
    client(token = userToken) {
      const client = new ChatClient({ url: server.url, restUrl: server.restUrl, getToken: () => token, WebSocket });
      clients.push(client);
      return client;
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
