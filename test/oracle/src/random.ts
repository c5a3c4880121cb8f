/** Chance that repeats: the same seed gives the same run on every machine. */

export interface Random {
  /** A whole number from 0 to `max - 1`. */
  below(max: number): number;
  oneOf<T>(items: readonly T[]): T;
  /** `count` of the items, or all, each at most once. */
  some<T>(items: readonly T[], count: number): readonly T[];
}

/** Mulberry32: small, and good enough to choose mutations by. */
export function randomOf(seed: number): Random {
  let state = seed >>> 0;
  const below = (max: number) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % max;
  };
  const oneOf = <T>(items: readonly T[]): T => {
    if (items.length === 0) throw new Error("nothing to choose from");
    return items[below(items.length)] as T;
  };
  const some = <T>(items: readonly T[], count: number): readonly T[] => {
    const left = [...items];
    const taken: T[] = [];
    while (taken.length < count && left.length > 0) taken.push(...left.splice(below(left.length), 1));
    return taken;
  };
  return { below, oneOf, some };
}
