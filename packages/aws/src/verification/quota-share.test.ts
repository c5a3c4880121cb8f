import { expect, test } from "vitest";
import { FakeClock, runOn, START_MS } from "../test-support.ts";
import { createQuotaShare } from "./quota-share.ts";

test("an operation is taken at its share of the published quota and no faster", async () => {
  const clock = new FakeClock();
  const quota = createQuotaShare(0.4, 10);
  const run = runOn(clock);
  for (let call = 0; call < 41; call++) await quota.takeTurn(run, "kms:GetKeyPolicy");
  // 1,000 a second, 40 % of them, for one of ten workers: 40 a second.
  expect(clock.nowMs() - START_MS).toBe(1_000);
});

test("operations don't wait for each other: AWS counts each by itself", async () => {
  const clock = new FakeClock();
  const quota = createQuotaShare(0.1, 10);
  const run = runOn(clock);
  await quota.takeTurn(run, "kms:ListGrants");
  await quota.takeTurn(run, "kms:DescribeKey");
  await quota.takeTurn(run, "iam:GetRole");
  expect(clock.sleptMs).toEqual([]);
});

test("a turn that would come after the run's time is refused instead of waited for", async () => {
  const clock = new FakeClock();
  const quota = createQuotaShare(0.01, 100);
  const run = runOn(clock, 5_000);
  await quota.takeTurn(run, "kms:ListGrants");
  await expect(quota.takeTurn(run, "kms:ListGrants")).rejects.toMatchObject({ code: "rate_limited" });
});

test("a call whose quota nobody wrote down gets no turn", async () => {
  const quota = createQuotaShare(0.4, 10);
  await expect(quota.takeTurn(runOn(new FakeClock()), "kms:Decrypt")).rejects.toThrow("kms:Decrypt: no quota is known");
});

test("what AWS publishes no quota of may be divided among fewer, and only that", async () => {
  const clock = new FakeClock();
  const quota = createQuotaShare(0.4, 10, 1);
  const run = runOn(clock);
  for (let call = 0; call < 21; call++) await quota.takeTurn(run, "iam:GetRolePolicy");
  // All of the 20 a second, where a worker of ten has 2.
  expect(clock.nowMs() - START_MS).toBe(1_000);
  for (let call = 0; call < 41; call++) await quota.takeTurn(run, "kms:GetKeyPolicy");
  expect(clock.nowMs() - START_MS).toBe(2_000);
});
