/** Simulations, in simulated time against a model of AWS: what they show of real quotas rests on the published numbers. */
import { beforeAll, describe, expect, test } from "vitest";
import { listerMemory } from "../support/lister-memory.ts";
import { LAMBDA_MEMORY_MIB, type SimulatedSweep, simulateSweep } from "../support/simulate-sweep.ts";

const TENANT_KEYS = 100_000;
const QUARTER_HOUR_SECONDS = 900;

describe("a simulated sweep of 100,000 tenant keys with the default settings", () => {
  let sweep: SimulatedSweep;

  beforeAll(async () => {
    sweep = await simulateSweep({ tenants: 5_000, keysEach: 20 });
  });

  test("ends complete within a quarter of an hour", () => {
    expect(sweep.sweep).toMatchObject({
      phase: "closed",
      shardsLost: 0,
      tenantKeys: TENANT_KEYS,
      tenantKeysVerified: TENANT_KEYS,
      tenantsVerified: 5_000,
      rounds: 13,
    });
    expect(sweep.seconds).toBeLessThan(QUARTER_HOUR_SECONDS);
    expect(sweep.recorded).toBe(TENANT_KEYS);
  });

  test("finds nothing wrong in a stage where all is in order", () => {
    expect(sweep.findings).toEqual([]);
  });

  test("never uses more than half of a published quota within a second", () => {
    const published = sweep.uses.filter(({ kind }) => kind === "published");
    expect(published.length).toBeGreaterThanOrEqual(7);
    for (const { operation, over, peakPerSecond, quotaPerSecond = 0 } of published) {
      expect.soft({ operation, over }).toEqual({ operation, over: 0 });
      expect.soft(peakPerSecond).toBeLessThanOrEqual(quotaPerSecond / 2);
    }
  });

  test("asks of each key what only KMS knows of it, once, and the rest in bulk or in rounds", () => {
    const calls = Object.fromEntries(sweep.uses.map(({ operation, calls }) => [operation, calls / TENANT_KEYS]));
    for (const operation of ["DescribeKey", "GetKeyPolicy", "GetKeyRotationStatus", "ListResourceTags"]) {
      expect.soft(calls[`kms:${operation}`]).toBe(1);
    }
    expect(calls["kms:ListAliases"]).toBe(0.01);
    expect(calls["kms:ListGrants"]).toBeLessThan(1 / 12);
    expect(calls["iam:GetRole"]).toBeUndefined();
  });
});

describe("a simulated sweep with the most functions and the largest share that the settings allow", () => {
  test("keeps to half of each published quota where every key needs the narrow ones as well", async () => {
    const settings = { verifyConcurrency: 40, sweepQuotaShare: 0.5 };
    const { uses, sweep } = await simulateSweep({ tenants: 250, keysEach: 4, settings });
    expect(sweep).toMatchObject({ phase: "closed", tenantKeysVerified: 1_000, rounds: 1 });
    const broken = uses.filter(({ kind, over }) => kind === "published" && over > 0);
    expect(broken.map(({ operation }) => operation)).toEqual([]);
  });
});

test("the sweep function lists 100,000 tenant keys in the memory that Lambda gives it", () => {
  const { tenantKeys, residentPeakMiB, shards } = listerMemory();
  expect({ tenantKeys, shards }).toEqual({ tenantKeys: TENANT_KEYS, shards: 500 });
  expect(residentPeakMiB).toBeLessThanOrEqual(LAMBDA_MEMORY_MIB);
});
