/** Time that passes only when everybody waits: hours of a simulation in seconds, and the same each time. */
import type { Clock } from "@tenantkeys/aws";

export class VirtualClock implements Clock {
  #nowMs: number;
  readonly #waiting = new Map<number, (() => void)[]>();
  /** The times in `#waiting`, as a binary heap. */
  readonly #times: number[] = [];

  constructor(startMs: number) {
    this.#nowMs = startMs;
  }

  nowMs(): number {
    return this.#nowMs;
  }

  /** To the next whole millisecond, so that many who wait wake together. */
  sleep(durationMs: number): Promise<void> {
    const atMs = Math.ceil(this.#nowMs + Math.max(0, durationMs));
    return new Promise((resolve) => {
      const others = this.#waiting.get(atMs);
      if (others !== undefined) others.push(resolve);
      else {
        this.#waiting.set(atMs, [resolve]);
        push(this.#times, atMs);
      }
    });
  }

  /** Lets time pass until the work is done. @throws Error where nobody waits for a time and the work isn't done */
  async until<T>(work: Promise<T>): Promise<T> {
    let ended = false;
    const mark = () => {
      ended = true;
    };
    work.then(mark, mark);
    for (;;) {
      // Whatever doesn't wait for a time goes on as far as it comes.
      await new Promise((resolve) => setImmediate(resolve));
      if (ended) return work;
      const atMs = pop(this.#times);
      if (atMs === undefined) throw new Error("the simulation stands still: nobody waits for a time");
      this.#nowMs = atMs;
      const wakeUps = this.#waiting.get(atMs) ?? [];
      this.#waiting.delete(atMs);
      for (const wakeUp of wakeUps) wakeUp();
    }
  }
}

function push(heap: number[], value: number): void {
  let index = heap.push(value) - 1;
  while (index > 0) {
    const parent = (index - 1) >> 1;
    if ((heap[parent] as number) <= value) break;
    heap[index] = heap[parent] as number;
    index = parent;
  }
  heap[index] = value;
}

function pop(heap: number[]): number | undefined {
  const [least] = heap;
  const last = heap.pop();
  if (heap.length === 0 || last === undefined) return least;
  let index = 0;
  for (;;) {
    let child = 2 * index + 1;
    if (child >= heap.length) break;
    if (child + 1 < heap.length && (heap[child + 1] as number) < (heap[child] as number)) child += 1;
    if ((heap[child] as number) >= last) break;
    heap[index] = heap[child] as number;
    index = child;
  }
  heap[index] = last;
  return least;
}
