/** @internal Listeners that are told in a microtask, once for whatever happens before it. */
export class Listeners {
  readonly #all = new Set<() => void>();
  #due = false;

  readonly add = (listener: () => void): (() => void) => {
    const own = () => listener(); // so that one listener may be added twice
    this.#all.add(own);
    return () => void this.#all.delete(own);
  };

  tell(): void {
    if (this.#due || this.#all.size === 0) return;
    this.#due = true;
    queueMicrotask(() => {
      this.#due = false;
      for (const listener of [...this.#all]) if (this.#all.has(listener)) guarded(listener); // one may remove another
    });
  }
}

/** @internal Calls a listener, whose failure is no failure of the client: it is reported as one that nobody caught. */
export function guarded(call: () => void): void {
  try {
    call();
  } catch (error) {
    queueMicrotask(() => {
      throw error;
    });
  }
}
