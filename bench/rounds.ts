/** Side-by-side measuring: rounds of every side in turn, so that what else the machine does strikes all of them. */

/** What one side measured in one round, by name. */
export type Readings = Readonly<Record<string, number>>;

export interface Side {
  readonly name: string;
  measure(round: number): Promise<Readings>;
}

export interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
  readonly rounds: readonly number[];
}

/** Every other round runs the sides in reverse, so that none always comes first. */
export async function interleave(
  rounds: number,
  sides: readonly Side[],
  onReading: (round: number, side: string, readings: Readings) => void,
): Promise<Readonly<Record<string, readonly number[]>>> {
  const collected: Record<string, number[]> = {};
  for (let round = 1; round <= rounds; round++) {
    for (const side of round % 2 === 1 ? sides : sides.toReversed()) {
      const readings = await side.measure(round);
      onReading(round, side.name, readings);
      for (const [name, value] of Object.entries(readings)) {
        collected[name] ??= [];
        collected[name].push(value);
      }
    }
  }
  return collected;
}

/** @param values at least one */
export function spreadOf(values: readonly number[]): Spread {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length / 2;
  const upper = sorted[Math.floor(middle)] ?? Number.NaN;
  const median = sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2;
  return { median, min: sorted[0] ?? Number.NaN, max: sorted.at(-1) ?? Number.NaN, rounds: values };
}
