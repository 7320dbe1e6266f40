/** How pieces of an answer follow each other: the first at once, then so often that it reads as if each word came by itself, then so often that it still does. */
const atFirst = 100;
const later = 250;
const laterAt = 2000; // after the first piece
const slowest = 4000;
const repairsEvery = 5000;

/** @internal When pieces of an answer are sent: what comes in between is put together, because each frame is billed, for each device. */
export class Pace {
  /** When something was sent last. */
  last = 0;
  #first = 0;
  #repaired = 0;
  #widened = 0;

  /** When the next piece may be sent. */
  get due(): number {
    if (!this.#first) return 0;
    const every = this.last - this.#first >= laterAt ? later : atFirst;
    return this.last + Math.min(every * 2 ** this.#widened, slowest);
  }

  /** Whether the piece that is sent now should be the whole part: it costs the same, and heals what was lost. */
  repairs(now: number): boolean {
    return this.#first > 0 && now - this.#repaired >= repairsEvery;
  }

  sent(now: number, whole: boolean): void {
    if (!this.#first) this.#first = this.#repaired = now;
    this.last = now;
    if (whole) this.#repaired = now;
  }

  /** For who is told to send less. */
  widen(): void {
    this.#widened = Math.min(this.#widened + 1, 5);
  }
}
