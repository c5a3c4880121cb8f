import { describe, expect, it } from "vitest";
import { DAY_MS } from "../offboarding.ts";
import { exampleProfile } from "../test-support.ts";
import { type Changes, denied, exampleDesired, exampleInput, KEY_ARN, NOW_MS, read, SKIPPED } from "./test-support.ts";
import { verifyTenantKey } from "./verify-tenant-key.ts";

const attributes = (changes: Changes = {}) => verifyTenantKey(exampleInput(changes)).attributes;
const BYOK = exampleDesired(exampleProfile({ origin: "EXTERNAL" }));

describe("NIST SP 800-57 state", () => {
  const never = { activeAtMs: undefined };
  it.each([
    ["an enabled key", "active", {}],
    ["a disabled key", "suspended", { target: "disabled" }],
    ["a key whose store isn't connected", "suspended", { description: { state: "Unavailable" } }],
    [
      "a key that waits for its first material",
      "pre-activation",
      { desired: BYOK, record: { state: "awaiting-material", ...never }, description: { state: "PendingImport" } },
    ],
    ["a key that lost its material", "suspended", { desired: BYOK, description: { state: "PendingImport" } }],
    ["a key that is being made", "pre-activation", { record: { state: "provisioning", ...never } }],
    ["a key that is pending deletion", "deactivated", { target: "deleted" }],
    [
      "a key that waits for its replicas to go",
      "deactivated",
      { target: "deleted", description: { state: "PendingReplicaDeletion" } },
    ],
    ["a key that is gone", "destroyed", { target: "deleted", key: "absent" }],
  ] as const satisfies readonly (readonly [string, string, Changes])[])("of %s is %s", (_, state, changes) => {
    expect(attributes(changes)?.nistState).toBe(state);
  });
});

it.each([
  ["AWS_KMS", "FIPS 140-3 level 3"],
  ["EXTERNAL", "FIPS 140-3 level 3"],
  ["AWS_CLOUDHSM", "level 3, by its CloudHSM cluster"],
  ["EXTERNAL_KEY_STORE", undefined],
])("the FIPS level of a key of origin %s is %s", (origin, level) => {
  expect(attributes({ description: { origin } })?.fipsLevel).toBe(level);
});

it("says when a key was and will be rotated, how often on request, and how many grants it has", () => {
  const rotations = read([
    { atMs: NOW_MS - 30 * DAY_MS, type: "ON_DEMAND" as const },
    { atMs: NOW_MS - 40 * DAY_MS, type: "AUTOMATIC" as const },
  ]);
  expect(attributes({ key: { rotations } })).toEqual({
    keyArn: KEY_ARN,
    nistState: "active",
    fipsLevel: "FIPS 140-3 level 3",
    lastRotatedAtMs: NOW_MS - 30 * DAY_MS,
    nextRotationAtMs: NOW_MS + 265 * DAY_MS,
    rotationsOnRequest: 1,
    grants: 0,
  });
});

it("says nothing of what wasn't read", () => {
  expect(
    attributes({ key: { rotation: SKIPPED, rotations: SKIPPED, grants: denied("kms:ListGrants") } }),
  ).toMatchObject({
    lastRotatedAtMs: undefined,
    nextRotationAtMs: undefined,
    rotationsOnRequest: undefined,
    grants: undefined,
  });
  expect(attributes({ key: { description: denied("kms:DescribeKey") } })).toBeUndefined();
  expect(attributes({ record: { state: "failed", keyArn: undefined } })).toBeUndefined();
});
