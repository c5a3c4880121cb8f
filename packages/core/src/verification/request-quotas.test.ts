import { describe, expect, test } from "vitest";
import { AUDIT_ACTIONS } from "../key-actions.ts";
import { REQUEST_QUOTAS, ratePerSecond } from "./request-quotas.ts";

describe("the quotas of what verification reads", () => {
  test.each([
    ["kms:DescribeKey", 2_000],
    ["kms:GetKeyPolicy", 1_000],
    ["kms:GetKeyRotationStatus", 1_000],
    ["kms:ListAliases", 500],
    ["kms:ListGrants", 100],
    ["kms:ListKeyRotations", 100],
    ["kms:ListResourceTags", 2_000],
    ["sts:AssumeRole", 600],
  ])("%s has AWS's published %i a second", (operation, perSecond) => {
    expect(REQUEST_QUOTAS.get(operation)).toEqual({ perSecond, kind: "published" });
  });

  test("hold every action that key policies give the auditor", () => {
    expect(AUDIT_ACTIONS.filter((action) => !REQUEST_QUOTAS.has(action))).toEqual([]);
  });

  test("of IAM, Access Analyzer and the tagging API are our own, since none publishes any", () => {
    const assumed = [...REQUEST_QUOTAS].filter(([, { kind }]) => kind === "assumed").map(([operation]) => operation);
    expect(assumed.filter((operation) => !/^(access-analyzer|iam|tag):/.test(operation))).toEqual([]);
    expect([...REQUEST_QUOTAS.keys()].filter((operation) => /^(access-analyzer|iam|tag):/.test(operation))).toEqual(
      assumed,
    );
  });
});

describe("a worker's rate", () => {
  test("is its part of the share of a published quota", () => {
    expect(ratePerSecond("kms:GetKeyPolicy", 0.4, 10)).toBe(40);
    expect(ratePerSecond("kms:ListGrants", 0.4, 10)).toBe(4);
  });

  test("is its part of the whole of an assumed one", () => {
    expect(ratePerSecond("iam:GetRole", 0.4, 10)).toBe(2);
  });

  test("never adds up to more than half of a published quota, whatever the settings allow", () => {
    for (const [operation, { perSecond, kind }] of REQUEST_QUOTAS) {
      for (const workers of [2, 10, 100]) {
        const together = ratePerSecond(operation as "kms:GetKeyPolicy", 0.5, workers) * workers;
        expect(together).toBeLessThanOrEqual((kind === "published" ? perSecond / 2 : perSecond) + 1e-9);
      }
    }
  });
});
