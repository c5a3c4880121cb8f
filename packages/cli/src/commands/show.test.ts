import { finding, findingId, parseKeyArn, parseKeyName, parseTenantId } from "@tenantkeys/core";
import { expect, test } from "vitest";
import { fakeOperator, keptEvent, keyRecord, register, runCommand, tenantRecord } from "../test-support.ts";

const ARN = parseKeyArn("arn:aws:kms:eu-west-1:111122223333:key/1234");
const at = (text: string) => Date.parse(text);

const LEAVING = tenantRecord({
  suspension: register({ value: false, atMs: at("2026-11-01T08:00:00Z") }),
  leaving: register({ generation: 5, by: "AROAONE:ann", reason: "contract ended", atMs: at("2026-11-02T08:00:00Z") }),
  hold: register({ reason: "case 4711", by: "AROATWO:bob", atMs: at("2026-11-03T08:00:00Z") }),
  approvals: [
    { offboardingGeneration: 4, generation: 1, eventId: "e", by: "AROAOLD:x", atMs: 0 },
    { offboardingGeneration: 5, generation: 1, eventId: "e", by: "AROATWO:bob", atMs: at("2026-11-04T08:00:00Z") },
  ],
});

function lines(text: string): Record<string, string> {
  return Object.fromEntries(text.split("\n").map((line) => line.split(/ {2,}/).slice(0, 2)));
}

test("a tenant is shown with what is declared of it, who asked, and what each key waits for", async () => {
  const key = keyRecord({
    state: "pending-deletion",
    waitingFor: "deletion-window",
    nextCheckAtMs: at("2026-12-05T08:00:00Z"),
    deletionDateMs: at("2026-12-04T08:00:00Z"),
    offboardedAtMs: at("2026-11-02T08:00:01Z"),
    scheduledAtMs: at("2026-11-04T08:00:01Z"),
    lastUsedAtMs: at("2026-10-31T23:59:00Z"),
    rotation: { generation: 3, startedAtMs: 1, doneAtMs: at("2026-09-01T00:00:00Z") },
    materialExpiresAtMs: at("2027-01-01T00:00:00Z"),
  });
  const operator = fakeOperator({
    tenant: async () => LEAVING,
    keysOfTenant: async () => [key],
    listRefused: async () => [],
  });
  const { exitCode, out } = await runCommand(["show", "acme"], operator);
  expect(exitCode).toBe(0);
  expect(lines(out)).toMatchObject({
    suspended: "no, since 2026-11-01T08:00:00Z by nobody that AWS named",
    leaving: "yes, since 2026-11-02T08:00:00Z by AROAONE:ann: contract ended",
    approved: "2026-11-04T08:00:00Z by AROATWO:bob",
    "legal hold": "yes, since 2026-11-03T08:00:00Z by AROATWO:bob: case 4711",
    state: "pending-deletion",
    "waits for": "deletion-window until 2026-12-04T08:00:00Z",
    rotated: "2026-09-01T00:00:00Z",
    "material expires": "2027-01-01T00:00:00Z",
    "last used": "2026-10-31T23:59:00Z",
    "deletion date": "2026-12-04T08:00:00Z",
  });
  const json = await runCommand(["show", "acme", "--json"], operator);
  expect(JSON.parse(json.out)).toMatchObject({ tenant: LEAVING, keys: [key], destructions: [], refused: [] });
});

test("a key is shown as it was verified last, and a tenant with its open findings", async () => {
  const about = { tenantId: parseTenantId("acme"), keyName: parseKeyName("default"), resource: ARN };
  const open = (["alias-missing", "key-open"] as const).map((ruleId) => {
    const one = finding(ruleId, { ...about, expected: "x", seen: "y" });
    return { ...one, findingId: findingId(one), firstSeenAtMs: at("2026-11-24T08:00:00Z"), lastSeenAtMs: 0 };
  });
  const attributes = {
    keyArn: ARN,
    nistState: "active",
    fipsLevel: "FIPS 140-3 level 3",
    lastRotatedAtMs: at("2026-03-01T00:00:00Z"),
    nextRotationAtMs: at("2027-03-01T00:00:00Z"),
  } as const;
  const status = { ...about, verifiedAtMs: at("2026-11-24T09:00:00Z"), attributes };
  const operator = fakeOperator({
    keysOfTenant: async () => [keyRecord(), keyRecord({ keyName: parseKeyName("payroll") })],
    listRefused: async () => [],
    openFindingsOfTenant: async () => open,
    verifications: async () => [status],
  });
  const { out } = await runCommand(["show", "acme"], operator);
  expect(lines(out.slice(0, out.indexOf("payroll")))).toMatchObject({
    verified: "2026-11-24T09:00:00Z",
    "NIST state": "active",
    "FIPS 140": "FIPS 140-3 level 3",
    "last rotation": "2026-03-01T00:00:00Z",
    "next rotation": "2027-03-01T00:00:00Z",
  });
  expect(lines(out)).toMatchObject({ verified: "never" });
  expect(out).toContain("open findings, the severest first:\nSEVERITY");
  const { findings, verifications } = JSON.parse((await runCommand(["show", "acme", "--json"], operator)).out);
  expect(findings).toMatchObject([{ ruleId: "key-open", repairer: "automatic" }, { ruleId: "alias-missing" }]);
  expect(verifications).toEqual([JSON.parse(JSON.stringify(status))]);
});

test("what stays of a destroyed key is shown, with who stands behind it", async () => {
  const destruction = {
    tenantId: parseTenantId("acme"),
    keyName: parseKeyName("default"),
    keyArn: ARN,
    offboardingGeneration: 5,
    offboardingEventId: "event-5",
    requestedBy: "AROAONE:ann",
    reason: "contract ended",
    approvedBy: ["AROATWO:bob"],
    offboardedAtMs: 1,
    scheduledAtMs: 2,
    deletionDateMs: 3,
    deletionWindowDays: 30,
    confirmedGoneAtMs: at("2026-12-05T08:00:00Z"),
  };
  const operator = fakeOperator({
    keysOfTenant: async () => [keyRecord({ state: "destroyed" })],
    destructionsOfTenant: async () => [destruction],
    listRefused: async () => [],
  });
  const { out } = await runCommand(["show", "acme"], operator);
  expect(lines(out)).toMatchObject({
    destroyed: "key default, confirmed by KMS at 2026-12-05T08:00:00Z",
    "asked by": "AROAONE:ann, event event-5",
    reason: "contract ended",
    "approved by": "AROATWO:bob",
  });
});

test("a tenant of which only a declaration is known is shown", async () => {
  const operator = fakeOperator({
    tenant: async () => LEAVING,
    keysOfTenant: async () => [],
    listRefused: async () => [],
  });
  expect(await runCommand(["show", "acme"], operator)).toMatchObject({ exitCode: 0 });
});

test("the list says what a key waits for", async () => {
  const waiting = [
    keyRecord({ state: "offboarding", waitingFor: "legal-hold" }),
    keyRecord({ state: "offboarding", waitingFor: "watch-period", nextCheckAtMs: at("2026-12-01T00:00:00Z") }),
    keyRecord(),
  ];
  async function* listKeys() {
    yield* waiting;
  }
  const { out } = await runCommand(["list"], fakeOperator({ listKeys }));
  const column = out.split("\n").map((line) => line.split(/ {2,}/)[3]);
  expect(column).toEqual(["WAITS FOR", "legal-hold", "watch-period until 2026-12-01T00:00:00Z", "-", undefined]);
});

test("a reason can't move the terminal's cursor", async () => {
  const tenant = tenantRecord({ hold: register({ reason: "case\u001b[2J 1" }) });
  const operator = fakeOperator({
    tenant: async () => tenant,
    keysOfTenant: async () => [],
    listRefused: async () => [keptEvent()],
  });
  expect((await runCommand(["show", "acme"], operator)).out).not.toContain("\u001b");
});
