/** Values by key, at most so many: the one that wasn't used for longest goes first. */
export interface Lru<Value> {
  /** Counts as a use. */
  get(key: string): Value | undefined;
  set(key: string, value: Value): void;
  delete(key: string): void;
  deleteWhere(test: (key: string, value: Value) => boolean): void;
  clear(): void;
  values(): Iterable<Value>;
}

/** @param onDropped told of each value that goes, however it goes; not of one that another takes the place of */
export function createLru<Value>(entriesMax: number, onDropped: (value: Value) => void = () => {}): Lru<Value> {
  // A Map keeps the order in which its entries were set: the first is the one that wasn't used for longest.
  const values = new Map<string, Value>();
  let newest: string | undefined;
  const set = (key: string, value: Value) => {
    values.delete(key);
    values.set(key, value);
    newest = key;
  };
  const drop = (key: string) => {
    const value = values.get(key);
    if (values.delete(key) && value !== undefined) onDropped(value);
  };
  return {
    get(key) {
      const value = values.get(key);
      // Asked for again and again it stays where it is: moving an entry costs more than finding it.
      if (value !== undefined && key !== newest) set(key, value);
      return value;
    },
    set(key, value) {
      set(key, value);
      const oldest = values.keys().next();
      if (values.size > entriesMax && oldest.done !== true) drop(oldest.value);
    },
    delete: drop,
    deleteWhere(test) {
      for (const [key, value] of values) if (test(key, value)) drop(key);
    },
    clear() {
      for (const key of [...values.keys()]) drop(key);
    },
    values: () => values.values(),
  };
}
