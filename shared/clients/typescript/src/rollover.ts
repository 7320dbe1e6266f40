import type { Connection } from "./connection.js";
import { unavailable } from "./error.js";
import type { Link } from "./link.js";
import { sleep } from "./timing.js";

/** Between two changes of connection for the sake of the token, whatever it seems to say. */
export const rollsEvery = 60_000;

/** @internal Make before break: what is open is joined on a second link before the first is let go. Most pages are closed before that. */
export async function rollOver(c: Connection, old: Link): Promise<void> {
  const { host, run } = c;
  const { timing, tokens } = host;
  const token = await tokens.get(true);
  if (run !== c.run || c.link !== old) return;
  if (token === c.token && Date.now() < c.due) return c.rollIn(Math.min(rollsEvery, c.due - Date.now()));
  c.token = token;
  const link = (c.next = c.dial());
  try {
    while (!link.open && !link.closed) await sleep(20);
    if (!link.closed) await host.enter(link);
    if (run !== c.run || link.closed) throw unavailable("The connection was lost");
    if (c.link !== old) return; // it was lost meanwhile
    c.take(link);
    for (const until = Date.now() + 60 * timing.ackTimeout; !old.idle && !old.closed && Date.now() < until; ) await sleep(50);
    old.close();
  } catch (e) {
    link.close();
    throw e;
  }
}
