/** The settings of a run over mutated policies, and its result in words. */
import type { Comparison } from "./compare.ts";

/** Another seed makes other policies: TENANTKEYS_ORACLE_SEED=7 npm test -- oracle */
export const SEED = Number(process.env.TENANTKEYS_ORACLE_SEED ?? 20_261_124);

/** Of 10,000 policies one half is made for each role mode, so that two cores share them. */
export const MUTANTS_PER_ROLE_MODE = 5_000;

export function reportOf(title: string, seed: number, comparison: Comparison): string {
  const { documents, unsafe, bothContained, bothViolated, safe, refused } = comparison;
  const safeCount = [...safe.values()].reduce((sum, count) => sum + count, 0);
  return [
    `${title}, seed ${seed}: ${documents} mutated policies`,
    `  ${bothContained} contained for both`,
    `  ${bothViolated} violated for both`,
    `  ${unsafe.length} unsafe: we say contained, the engine lets somebody do more`,
    `  ${safeCount} safe: we say violated, the engine lets nobody do more, because`,
    ...[...safe].sort(([, a], [, b]) => b - a).map(([reason, count]) => `    ${String(count).padStart(5)} ${reason}`),
    `  ${refused.contained + refused.violated} no policies for the engine: we say contained of ${refused.contained}`,
  ].join("\n");
}
