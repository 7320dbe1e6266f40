/** @internal The token of the moment: asked for once by all who want it at the same time. */
export class Tokens {
  readonly #ask: () => string | Promise<string>;
  #asking?: Promise<string>;
  last?: string;

  constructor(ask: () => string | Promise<string>) {
    this.#ask = ask;
  }

  /** The last one, unless it is about to expire or fresh, which is for who knows that it is refused. */
  readonly get = (fresh = false): Promise<string> => {
    if (!fresh && this.last !== undefined && expiry(this.last) > Date.now() + 5000) return Promise.resolve(this.last);
    this.#asking ??= Promise.resolve()
      .then(this.#ask)
      .then((token) => (this.last = token))
      .finally(() => (this.#asking = undefined));
    return this.#asking;
  };
}

/** @internal When a JWT expires, as Date.now() counts; never, where it does not say so. */
export function expiry(token: string): number {
  try {
    const claims = token.split(".")[1]!.replace(/-/g, "+").replace(/_/g, "/");
    const { exp } = JSON.parse(atob(claims)) as { exp?: unknown };
    return typeof exp === "number" ? exp * 1000 : Infinity;
  } catch {
    return Infinity;
  }
}
