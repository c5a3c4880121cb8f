/** What must hold of a run over mutated policies, and what makes it worth something. */
import type { RoleMode } from "@tenantkeys/core";
import { expect } from "vitest";
import { compareMutants } from "./compare.ts";
import { MUTANTS_PER_ROLE_MODE, reportOf, SEED } from "./mutation-run.ts";

/** Documents that are no policies say nothing about our check. */
const REFUSED_SHARE_MAX = 0.25;
/** A check that refused everything would be safe, and so would one that is never put to the question. */
const VERDICT_SHARE_MIN = 0.15;
const SAFE_SHARE_MAX = 0.4;

export function expectAgreement(roleMode: RoleMode): void {
  const comparison = compareMutants(roleMode, MUTANTS_PER_ROLE_MODE, SEED);
  console.log(reportOf(`role mode ${roleMode}`, SEED, comparison));
  const { documents, unsafe, bothContained, bothViolated, safe, refused, changes } = comparison;
  expect(unsafe).toEqual([]);
  const share = (count: number) => count / documents;
  expect(share(bothContained)).toBeGreaterThan(VERDICT_SHARE_MIN);
  expect(share(bothViolated)).toBeGreaterThan(VERDICT_SHARE_MIN);
  expect(share([...safe.values()].reduce((sum, count) => sum + count, 0))).toBeLessThan(SAFE_SHARE_MAX);
  expect(share(refused.contained + refused.violated)).toBeLessThan(REFUSED_SHARE_MAX);
  expect([...changes.values()].every((count) => count > 0)).toBe(true);
}
