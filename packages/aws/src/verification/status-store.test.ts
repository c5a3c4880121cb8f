import { parseKeyArn } from "@tenantkeys/core";
import { expect, test } from "vitest";
import { ACME, DEFAULT_KEY, KEY_ARN, START_MS } from "../test-support.ts";
import { mergeStatus, type VerificationStatus } from "./status-store.ts";

const LATER_MS = START_MS + 3_600_000;
const BEFORE: VerificationStatus = {
  tenantId: ACME,
  keyName: DEFAULT_KEY,
  verifiedAtMs: START_MS,
  grantsReadAtMs: START_MS,
  rotationsReadAtMs: START_MS,
  attributes: {
    keyArn: KEY_ARN,
    nistState: "active",
    fipsLevel: "FIPS 140-3 Level 3",
    lastRotatedAtMs: 1,
    nextRotationAtMs: 2,
    rotationsOnRequest: 3,
    grants: 4,
  },
};
const NOW: VerificationStatus = {
  tenantId: ACME,
  keyName: DEFAULT_KEY,
  verifiedAtMs: LATER_MS,
  attributes: { keyArn: KEY_ARN, nistState: "suspended", fipsLevel: "FIPS 140-3 Level 3" },
};

test("what a check didn't read stays as it was read last, with the time of that", () => {
  expect(mergeStatus(BEFORE, NOW)).toEqual({
    ...NOW,
    grantsReadAtMs: START_MS,
    rotationsReadAtMs: START_MS,
    attributes: { ...NOW.attributes, lastRotatedAtMs: 1, rotationsOnRequest: 3, grants: 4 },
  });
});

test("what it read is new, and the date of a next rotation that isn't any more is gone", () => {
  const attributes = { keyArn: KEY_ARN, nistState: "active", fipsLevel: "level", grants: 0 } as const;
  const merged = mergeStatus(BEFORE, { ...NOW, grantsReadAtMs: LATER_MS, attributes });
  expect(merged).toMatchObject({ grantsReadAtMs: LATER_MS, attributes: { grants: 0 } });
  expect(merged.attributes?.nextRotationAtMs).toBeUndefined();
});

test("of another key nothing is kept", () => {
  const other = parseKeyArn("arn:aws:kms:eu-west-1:111122223333:key/2");
  const status: VerificationStatus = { ...NOW, attributes: { keyArn: other, nistState: "active", fipsLevel: "level" } };
  expect(mergeStatus(BEFORE, status)).toEqual(status);
  expect(mergeStatus(undefined, NOW)).toEqual(NOW);
});
