// A network that can be cut: a TCP proxy.
import { connect, createServer } from "node:net";

export class Proxy {
  #server;
  #sockets = new Set();
  connections = 0;
  refuse = false; // new ones are ended at once
  hang = false; // what comes goes nowhere, and nobody is told

  static async start(port) {
    const p = new Proxy();
    p.#server = createServer((near) => p.#accept(near, port)).listen(0, "127.0.0.1");
    await new Promise((resolve) => p.#server.once("listening", resolve));
    p.port = p.#server.address().port;
    p.url = `ws://127.0.0.1:${p.port}/ws`;
    p.restUrl = `http://127.0.0.1:${p.port}`;
    return p;
  }

  #accept(near, port) {
    this.connections++;
    if (this.refuse) return near.destroy();
    const far = connect(port, "127.0.0.1");
    for (const [one, other] of [
      [near, far],
      [far, near],
    ]) {
      this.#sockets.add(one);
      one.on("data", (chunk) => this.hang || other.write(chunk));
      one.on("error", () => {});
      one.on("close", () => {
        this.#sockets.delete(one);
        if (!this.hang) other.destroy();
      });
    }
  }

  // cut ends every connection.
  cut() {
    for (const s of this.#sockets) s.destroy();
  }

  async close() {
    this.hang = false;
    this.cut();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
