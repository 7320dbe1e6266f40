import { unavailable } from "./error.js";

/** @internal The token of the moment: asked for once by all who want it at the same time. */
export class Tokens {
  readonly #ask: () => string | Promise<string>;
  readonly #limit: number;
  #asking?: Promise<string>;
  last?: string;
  #until = 0; // when another is asked for

  /** limit: in ms, how long is waited for one; nothing else would end a wait for what never comes. */
  constructor(ask: () => string | Promise<string>, limit = 30_000) {
    this.#ask = ask;
    this.#limit = limit;
  }

  /** The last one, unless it is about to expire or fresh, which is for who knows that it is refused. */
  readonly get = (fresh = false): Promise<string> => {
    if (!fresh && this.last !== undefined && this.#until > Date.now()) return Promise.resolve(this.last);
    return (this.#asking ??= this.#begin());
  };

  /** The next is asked for anew: perhaps somebody else signs in. */
  forget(): void {
    this.last = this.#asking = undefined;
  }

  #got(token: string): void {
    const early = expiry(token) - 5000;
    this.last = token;
    // One that is over when it comes is so by the clock here, which may be wrong: the server decides.
    this.#until = early > Date.now() ? early : Date.now() + 60_000;
  }

  #begin(): Promise<string> {
    let timer: ReturnType<typeof setTimeout>;
    const late = new Promise<never>((_, reject) => (timer = setTimeout(() => reject(unavailable("getToken does not answer")), this.#limit)));
    const own = Promise.race([Promise.resolve().then(this.#ask), late])
      .then((token) => {
        if (this.#asking === own) this.#got(token);
        return token;
      })
      .finally(() => {
        clearTimeout(timer);
        if (this.#asking === own) this.#asking = undefined;
      });
    return own;
  }
}

/** @internal When a JWT expires, as Date.now() counts; never, where it does not say so. */
export function expiry(token: string): number {
  const { exp } = claims(token);
  return typeof exp === "number" ? exp * 1000 : Infinity;
}

let read: { token?: string; says: Record<string, unknown> } = { says: {} }; // the last one: each snapshot asks

/** @internal What a JWT says; nothing, where it is none. Its text is left as bytes: it is only compared. */
export function claims(token = ""): Record<string, unknown> {
  if (read.token !== token) read = { token, says: decoded(token) };
  return read.says;
}

function decoded(token: string): Record<string, unknown> {
  try {
    return JSON.parse(atob(token.split(".")[1]!.replace(/-/g, "+").replace(/_/g, "/"))) ?? {};
  } catch {
    return {};
  }
}
