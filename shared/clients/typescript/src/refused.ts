import type { Connection } from "./connection.js";
import { ChatError, unavailable } from "./error.js";

/** Handshakes that are refused in a row, while REST answers, before the address is thought wrong. */
const maxRefused = 8;

/** @internal Why a handshake was refused: a browser does not tell, REST does. Most handshakes are not. */
export async function whyRefused(c: Connection): Promise<ChatError> {
  const { rest, options } = c.host;
  await rest.check(c.token);
  if (++c.refused >= maxRefused) return new ChatError("wrong_url", `Nothing takes connections at ${options.url}`);
  return unavailable(`${options.url} refuses the connection`);
}
