/** The product beside what it is measured against, and the target for the ratio of the two. */
import { type Spread, spreadOf } from "./rounds.ts";

/** Of the ratio, unless it says `product`: then of the product's own value. */
export type Target = ({ readonly atMost: number } | { readonly atLeast: number }) & { readonly of?: "product" };

export interface Comparison {
  readonly name: string;
  /** Of the two sides, such as `ms per sign-up`; the ratio has none. */
  readonly unit: string;
  readonly product: Spread;
  readonly baseline: Spread;
  /** Product by baseline, of each round. */
  readonly ratio: Spread;
  /** Absent: shown to be read beside the others, not judged. */
  readonly target?: Target;
  readonly met?: boolean;
}

export function compare(
  name: string,
  unit: string,
  product: readonly number[] | undefined,
  baseline: readonly number[] | undefined,
  target?: Target,
): Comparison {
  if (product === undefined || baseline === undefined) throw new Error(`${name}: a side measured nothing`);
  const ratio = spreadOf(product.map((value, round) => value / (baseline[round] ?? Number.NaN)));
  const sides = { name, unit, product: spreadOf(product), baseline: spreadOf(baseline), ratio };
  if (target === undefined) return sides;
  return { ...sides, target, met: isMet((target.of === "product" ? sides.product : ratio).median, target) };
}

function isMet(value: number, target: Target): boolean {
  return "atMost" in target ? value <= target.atMost : value >= target.atLeast;
}

export function targetText(target: Target | undefined): string {
  if (target === undefined) return "";
  const limit = "atMost" in target ? `≤ ${target.atMost}` : `≥ ${target.atLeast}`;
  return target.of === "product" ? limit : `${limit}x`;
}
