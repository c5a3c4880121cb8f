/** Values by key that are loaded once however many ask at the same time, and kept while they are fresh. */
import { createLru } from "./lru.ts";

export interface KeptValues<Value> {
  /** The kept value, or what is being loaded, where it is fresh; or what `load` gives. A load that fails is kept for nobody: the next one tries again. */
  get(key: string, isFresh: (value: Value) => boolean, load: () => Promise<Value>): Promise<Value>;
  /** What is being loaded meanwhile still reaches those who asked for it, and isn't kept. */
  forget(key: string): void;
  forgetWhere(test: (key: string) => boolean): void;
}

export function createKeptValues<Value>(entriesMax: number): KeptValues<Value> {
  const values = createLru<Value>(entriesMax);
  const loads = new Map<string, Promise<Value>>();
  const start = (key: string, load: () => Promise<Value>) => {
    const loading = load()
      .then((value) => {
        if (loads.get(key) === loading) values.set(key, value);
        return value;
      })
      .finally(() => {
        if (loads.get(key) === loading) loads.delete(key);
      });
    loads.set(key, loading);
    return loading;
  };
  const forget = (key: string) => {
    values.delete(key);
    loads.delete(key);
  };
  return {
    async get(key, isFresh, load) {
      const kept = values.get(key);
      if (kept !== undefined && isFresh(kept)) return kept;
      const underWay = loads.get(key);
      if (underWay === undefined) return start(key, load);
      const value = await underWay;
      if (isFresh(value)) return value;
      // Asked for before this call was made, and too old for it: what is loaded now began after it.
      return loads.get(key) ?? start(key, load);
    },
    forget,
    forgetWhere(test) {
      values.deleteWhere(test);
      for (const key of loads.keys()) if (test(key)) loads.delete(key);
    },
  };
}
