/**
 * Works through items side by side, `width` at a time. The source is asked for the next item only when somebody is free,
 * so that one of any length fits in memory.
 * @param work returns false where nothing more should be begun
 */
export async function inParallel<T>(
  items: AsyncIterable<T> | Iterable<T>,
  width: number,
  work: (item: T) => Promise<boolean>,
): Promise<void> {
  const iterator = Symbol.asyncIterator in items ? items[Symbol.asyncIterator]() : items[Symbol.iterator]();
  let goesOn = true;
  const worker = async () => {
    while (goesOn) {
      const next = await iterator.next();
      if (next.done === true) return;
      if (!(await work(next.value))) goesOn = false;
    }
  };
  try {
    await Promise.all(Array.from({ length: width }, worker));
  } finally {
    goesOn = false;
    await iterator.return?.();
  }
}
