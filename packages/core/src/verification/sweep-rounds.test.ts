import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { parseKeyName, parseTenantId } from "../ids.ts";
import { hasItsTurn, roundsOf } from "./sweep-rounds.ts";

const DEFAULT_KEY = parseKeyName("default");

describe("rounds", () => {
  test.each([
    [0, 1],
    [1, 1],
    [8_000, 1],
    [8_001, 2],
    [100_000, 13],
  ])("of %i tenant keys at 40 percent of the quotas are %i", (tenantKeys, rounds) => {
    expect(roundsOf(tenantKeys, 0.4)).toBe(rounds);
  });

  test("leave each sweep no more narrow calls than 200 seconds of its share", () => {
    fc.assert(
      fc.property(fc.nat(2_000_000), fc.double({ min: 0.01, max: 0.5, noNaN: true }), (tenantKeys, share) => {
        expect(tenantKeys / roundsOf(tenantKeys, share)).toBeLessThanOrEqual(100 * share * 200);
      }),
    );
  });

  test("don't go back and forth with a key more and a key less", () => {
    expect(roundsOf(8_001, 0.4, 1)).toBe(2);
    expect(roundsOf(8_000, 0.4, 2)).toBe(2);
    expect(roundsOf(8_000, 0.4, 3)).toBe(1);
  });
});

describe("a key's turn", () => {
  test("comes exactly once in as many sweeps as there are rounds, whenever they begin", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 50 }), fc.nat(1_000_000), fc.nat(10_000), (rounds, first, tenant) => {
        const sweeps = Array.from({ length: rounds }, (_, index) => first + index);
        const turns = sweeps.filter((number) => hasItsTurn(parseTenantId(`t-${tenant}`), DEFAULT_KEY, number, rounds));
        expect(turns).toHaveLength(1);
      }),
    );
  });

  test("is spread evenly: of 100,000 keys in 13 rounds none has a tenth more than its part", () => {
    const perRound = Array.from({ length: 13 }, () => 0);
    for (let tenant = 0; tenant < 100_000; tenant++) {
      const id = parseTenantId(`tenant-${tenant}`);
      const round = perRound.findIndex((_, number) => hasItsTurn(id, DEFAULT_KEY, number, 13));
      perRound[round] = (perRound[round] ?? 0) + 1;
    }
    expect(Math.max(...perRound)).toBeLessThan((100_000 / 13) * 1.1);
  });
});
