/** What a function remembers between its runs: for a while, and never more than so much. */

export interface Memory<Value> {
  get(name: string, nowMs: number): Value | undefined;
  set(name: string, value: Value, nowMs: number): void;
  forget(name: string): void;
}

/** @param entriesMax when it is full, the oldest goes first */
export function createMemory<Value>(lifetimeMs: number, entriesMax: number): Memory<Value> {
  const entries = new Map<string, { readonly value: Value; readonly untilMs: number }>();
  return {
    get(name, nowMs) {
      const entry = entries.get(name);
      return entry !== undefined && nowMs < entry.untilMs ? entry.value : undefined;
    },
    set(name, value, nowMs) {
      entries.delete(name);
      const [oldest] = entries.keys();
      if (oldest !== undefined && entries.size >= entriesMax) entries.delete(oldest);
      entries.set(name, { value, untilMs: nowMs + lifetimeMs });
    },
    forget(name) {
      entries.delete(name);
    },
  };
}
