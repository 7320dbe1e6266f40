import { unavailable } from "./error.js";

/** The most that waits: who asked for more has the means to find out what was lost. */
const maxWaiting = 2000;

/** @internal For who waits for what cannot be loaded. */
export function notLoaded(): never {
  throw unavailable("A part of the client cannot be loaded");
}

/**
 * @internal What only some need, and is loaded when they do. What is asked of it meanwhile
 * waits, and is done in its order; where it cannot be loaded, the next look tries it again.
 */
export class Later<T extends object> {
  /** Once it is there. */
  it?: T;
  /** Something needs it. */
  wanted = false;
  readonly #load: () => Promise<T>;
  #waiting: ((it: T) => void)[] = [];
  #loading = false;

  constructor(load: () => Promise<T>) {
    this.#load = load;
  }

  /** Does something with it. wanted: false is no reason to load it. */
  do(what: (it: T) => void, wanted = true): void {
    if (this.it) return what(this.it);
    if (this.#waiting.push(what) > maxWaiting) this.#waiting.shift();
    this.wanted ||= wanted;
    this.look();
  }

  /** Does something that matters only to what is there, or is about to be. */
  also(what: (it: T) => void): void {
    if (this.wanted) this.do(what);
  }

  look(): void {
    if (this.it) return (this.it as { look?(): void }).look?.();
    if (!this.wanted || this.#loading) return;
    this.#loading = true;
    this.#load().then(
      (it) => {
        for (const what of this.#waiting) {
          try {
            what(it); // which may ask for more: that is the last then
          } catch {
            // Of another server, or another version, as where it is there already.
          }
        }
        this.#waiting = [];
        this.it = it;
        this.look();
      },
      () => (this.#loading = false),
    );
  }
}
