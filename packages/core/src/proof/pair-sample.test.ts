import fc from "fast-check";
import { expect, test } from "vitest";
import { samplePairs } from "./pair-sample.ts";

/** Each tenant has one key or more. */
const stages = fc
  .array(fc.integer({ min: 1, max: 3 }), { minLength: 2, maxLength: 40 })
  .map((keys) => keys.flatMap((count, tenant) => Array.from({ length: count }, () => tenant)));
const tenantsOf = (owners: readonly number[]) => Math.max(...owners) + 1;

test("50 tenants with a key each are 2,450 pairs", () => {
  const owners = Array.from({ length: 50 }, (_, index) => index);
  const { pairs, total } = samplePairs(50, owners, 10_000);
  expect([pairs.length, total]).toEqual([2450, 2450]);
});

test("nobody is tried against their own key, and no pair comes twice", () => {
  fc.assert(
    fc.property(stages, fc.integer({ min: 1, max: 5_000 }), (owners, pairsMax) => {
      const { pairs, total } = samplePairs(tenantsOf(owners), owners, pairsMax);
      expect(pairs.every(({ session, key }) => owners[key] !== session)).toBe(true);
      expect(new Set(pairs.map(({ session, key }) => `${session}/${key}`)).size).toBe(pairs.length);
      expect(pairs.length).toBeLessThanOrEqual(Math.max(pairsMax, owners.length));
      expect(total <= pairsMax ? pairs.length : total).toBe(total);
    }),
  );
});

test("a sample, however small, touches every tenant as a session and every key", () => {
  fc.assert(
    fc.property(stages, fc.integer({ min: 1, max: 200 }), (owners, pairsMax) => {
      const { pairs } = samplePairs(tenantsOf(owners), owners, pairsMax);
      expect(new Set(pairs.map(({ session }) => session)).size).toBe(tenantsOf(owners));
      expect(new Set(pairs.map(({ key }) => key)).size).toBe(owners.length);
    }),
  );
});

test("it is the same each time, and nothing where there is nobody else", () => {
  const owners = [0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9];
  expect(samplePairs(10, owners, 30)).toEqual(samplePairs(10, owners, 30));
  expect(samplePairs(1, [0], 10)).toEqual({ pairs: [], total: 0 });
  expect(samplePairs(0, [], 10)).toEqual({ pairs: [], total: 0 });
});
