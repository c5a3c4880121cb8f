import { finding, type KeyRecord, parseKeyName, RULE_IDS, TenantKeysError } from "@tenantkeys/core";
import { beforeEach, describe, expect, test } from "vitest";
import { declaredState } from "../declared-state.ts";
import { type AroundCall, InMemoryAws, portsOn } from "../in-memory-aws.test-support.ts";
import { provisionTenantKey } from "../provision-tenant-key.ts";
import { ACME, awsError, DEFAULT_KEY, FakeClock, runOn } from "../test-support.ts";
import { type BulkFacts, inspectTenantKey } from "./inspect-tenant-key.ts";
import { verifyTenantKeyNow } from "./verify-tenant-key.ts";
import { type Verifying, verifyingOn } from "./verifying.test-support.ts";

const WHOLE = { grants: true, rotations: true } as const;
const CHEAP = { grants: false, rotations: false } as const;

let clock: FakeClock;
let aws: InMemoryAws;

beforeEach(async () => {
  clock = new FakeClock();
  aws = new InMemoryAws(clock);
  const declaration = { tenantId: ACME, keyName: DEFAULT_KEY, generation: 5, profile: "default", eventId: "event-1" };
  await provisionTenantKey(portsOn(aws), runOn(clock), declaration);
});

const theKey = () => {
  const [key] = aws.keys;
  if (key === undefined) throw new Error("no key was made");
  return key;
};
const record = (): KeyRecord => aws.tenantRecord() as KeyRecord;
const change = (changes: Partial<KeyRecord>) => aws.records.set("acme/default", { ...record(), ...changes });
const verify = (ports: Verifying, depth: { grants: boolean; rotations: boolean } = WHOLE, bulk?: BulkFacts) =>
  verifyTenantKeyNow(ports, runOn(clock), ACME, DEFAULT_KEY, depth, bulk);
const rulesOf = (findings: readonly { readonly ruleId: string }[]) => findings.map(({ ruleId }) => ruleId);

/** What a sweep read in bulk of the tenant as it is now. */
async function bulkFacts(ports: Verifying): Promise<BulkFacts> {
  const known = { record: record(), tenant: undefined };
  const { desired } = declaredState(ports, ACME, DEFAULT_KEY, known, clock.nowMs());
  const reader = { run: runOn(clock), quota: ports.quota };
  const { role, aliasTarget } = await inspectTenantKey(ports, reader, { desired, record: record(), depth: CHEAP });
  ports.turns.splice(0);
  if (role.kind !== "read" || aliasTarget.kind !== "read") throw new Error("the bulk facts can't be read");
  return { role: role.value, aliasTarget: aliasTarget.value };
}

describe("a key that is as declared", () => {
  test("has no findings, and what auditors ask of it is kept with the time", async () => {
    const ports = verifyingOn(aws);
    const { verdict, changes } = await verify(ports);
    expect(verdict).toMatchObject({ findings: [], unjudged: [] });
    expect(changes).toEqual({ opened: [], stillOpen: [], closed: [] });
    expect(await ports.statuses.get(runOn(clock), ACME, DEFAULT_KEY)).toMatchObject({
      verifiedAtMs: clock.nowMs(),
      grantsReadAtMs: clock.nowMs(),
      rotationsReadAtMs: clock.nowMs(),
      attributes: { keyArn: theKey().arn, nistState: "active" },
    });
  });

  test("takes four reads of AWS beside the bulk facts, and none of IAM", async () => {
    const ports = verifyingOn(aws);
    await verify(ports, CHEAP, await bulkFacts(ports));
    expect(ports.turns.toSorted()).toEqual([
      "kms:DescribeKey",
      "kms:GetKeyPolicy",
      "kms:GetKeyRotationStatus",
      "kms:ListResourceTags",
    ]);
    expect((await ports.statuses.get(runOn(clock), ACME, DEFAULT_KEY))?.grantsReadAtMs).toBeUndefined();
  });
});

describe("a key that differs", () => {
  test("has a finding that opens, stays open while it differs, and closes when it doesn't", async () => {
    const ports = verifyingOn(aws);
    aws.aliases.clear();
    const first = await verify(ports);
    expect(rulesOf(first.changes.opened)).toEqual(["alias-missing"]);
    clock.advance(3_600_000);
    const second = await verify(ports);
    expect(rulesOf(second.changes.stillOpen)).toEqual(["alias-missing"]);
    aws.aliases.set("alias/tenantkeys/dev/acme/default", theKey().arn);
    const third = await verify(ports);
    expect(rulesOf(third.changes.closed)).toEqual(["alias-missing"]);
    expect(ports.findings.closed[0]).toMatchObject({ closedAtMs: clock.nowMs() });
  });

  test("by bulk facts is read again, and what they got wrong is no finding", async () => {
    const ports = verifyingOn(aws);
    const bulk = await bulkFacts(ports);
    const { changes } = await verify(ports, CHEAP, { ...bulk, aliasTarget: undefined, role: undefined });
    expect(changes.opened).toEqual([]);
    expect(ports.turns).toContain("kms:ListAliases");
    expect(ports.turns).toContain("iam:GetRole");
  });

  test("by bulk facts that are right is a finding after it was read again", async () => {
    const ports = verifyingOn(aws);
    aws.aliases.clear();
    const { changes } = await verify(ports, CHEAP, await bulkFacts(ports));
    expect(rulesOf(changes.opened)).toEqual(["alias-missing"]);
    expect(ports.turns).toContain("kms:ListAliases");
  });
});

test("what the key itself shows to be wrong is a finding without a second look: its role is read for no policy", async () => {
  const ports = verifyingOn(aws);
  theKey().rotationPeriodDays = undefined;
  const { changes } = await verify(ports, CHEAP, await bulkFacts(ports));
  expect(rulesOf(changes.opened)).toEqual(["rotation-off"]);
  expect(ports.turns.toSorted()).toEqual([
    "kms:DescribeKey",
    "kms:GetKeyPolicy",
    "kms:GetKeyRotationStatus",
    "kms:ListResourceTags",
  ]);
});

test("what can't be told of another key of the tenant has no narrow quota asked for this one", async () => {
  const ports = verifyingOn(aws);
  const about = { tenantId: ACME, keyName: parseKeyName("payroll"), resource: "r", expected: "", seen: "" };
  const ofAnother = finding("could-not-verify", about);
  await ports.findings.record(runOn(clock), { ...about, unjudged: [] }, [ofAnother]);
  await verify(ports, CHEAP, await bulkFacts(ports));
  expect(ports.turns).not.toContain("kms:ListGrants");
});

describe("a read that is refused", () => {
  const denying: AroundCall = async (name, _signal, effect) => {
    if (name === "GetKeyPolicy") throw awsError("AccessDeniedException", 400, "not authorized");
    return effect();
  };

  test("is a finding of its own, keeps open what it would have judged, and the rest is judged", async () => {
    const ports = verifyingOn(aws, denying);
    theKey().rotationPeriodDays = undefined;
    const open = finding("key-policy-differs", {
      tenantId: ACME,
      keyName: DEFAULT_KEY,
      resource: theKey().arn,
      expected: "",
      seen: "",
    });
    await ports.findings.record(runOn(clock), { tenantId: ACME, keyName: DEFAULT_KEY, unjudged: [] }, [open]);
    const { verdict, changes } = await verify(ports);
    expect(rulesOf(verdict.findings).toSorted()).toEqual(["could-not-verify", "rotation-off"]);
    expect(verdict.findings.find(({ ruleId }) => ruleId === "could-not-verify")?.seen).toContain("not authorized");
    expect(changes.closed).toEqual([]);
  });

  test("closes in the next check in which it is answered, though that check doesn't look so deep", async () => {
    const ports = verifyingOn(aws, denying);
    await verify(ports);
    expect(rulesOf([...ports.findings.open.values()])).toEqual(["could-not-verify"]);
    const answered = { ...verifyingOn(aws), findings: ports.findings };
    const { changes } = await verify(answered, CHEAP, await bulkFacts(answered));
    expect(rulesOf(changes.closed)).toEqual(["could-not-verify"]);
  });
});

describe("a key that is worked on", () => {
  test("is looked at again when its worker is done", async () => {
    const ports = verifyingOn(aws);
    change({ leaseUntilMs: clock.nowMs() + 500 });
    const { verdict } = await verify(ports);
    expect(verdict.unjudged).toEqual([]);
    expect(clock.sleptMs).toEqual([1_000]);
  });

  test("for longer than three looks is left to the next sweep, and nothing is judged", async () => {
    const ports = verifyingOn(aws);
    change({ leaseUntilMs: clock.nowMs() + 60_000 });
    aws.aliases.clear();
    const { verdict, record: seen } = await verify(ports);
    expect(verdict).toEqual({ findings: [], unjudged: RULE_IDS, attributes: undefined });
    expect(seen).toMatchObject({ tenantId: "acme" });
    expect(ports.findings.records).toEqual([]);
    expect(ports.turns).toEqual([]);
  });

  test("while it is looked at is judged by how it was before and after, or not at all", async () => {
    let looks = 0;
    const repairing: AroundCall = async (name, _signal, effect) => {
      const answer = effect();
      // A worker puts right what this look has just seen, and is gone before it ends.
      if (name === "GetKeyRotationStatus" && ++looks === 1) {
        change({ fence: record().fence + 1 });
        theKey().rotationPeriodDays = 365;
      }
      return answer;
    };
    theKey().rotationPeriodDays = undefined;
    const ports = verifyingOn(aws, repairing);
    const { changes } = await verify(ports);
    expect(looks).toBe(2);
    expect(changes.opened).toEqual([]);
  });

  test("or has just been declared otherwise isn't said to have been verified", async () => {
    const ports = verifyingOn(aws);
    change({ state: "suspended", updatedAtMs: clock.nowMs() });
    await verify(ports);
    expect(await ports.statuses.get(runOn(clock), ACME, DEFAULT_KEY)).toBeUndefined();
  });

  test("without end is left to the next sweep", async () => {
    const ports = verifyingOn(aws, async (name, _signal, effect) => {
      if (name === "DescribeKey") change({ fence: record().fence + 1 });
      return effect();
    });
    const { verdict } = await verify(ports);
    expect(verdict.unjudged).toEqual(RULE_IDS);
    expect(ports.findings.records).toEqual([]);
  });
});

describe("a key of which nobody can say what it should be", () => {
  test("is a finding where the stage doesn't have its profile any more", async () => {
    const ports = verifyingOn(aws);
    change({ profile: "retired" });
    const { verdict, changes } = await verify(ports);
    expect(changes.opened).toMatchObject([{ ruleId: "could-not-verify", seen: expect.stringContaining('"retired"') }]);
    expect(verdict.unjudged).toEqual(RULE_IDS);
    expect(ports.turns).toEqual([]);
  });

  test("is a finding where its record can't be read", async () => {
    const ports = verifyingOn(aws);
    const invalid = async () => {
      throw new TenantKeysError("record_invalid", "the registry item TENANT#acme / KEY#default can't be read");
    };
    const registry = { ...ports.registry, get: invalid, keysOfTenant: invalid };
    const { changes } = await verify({ ...ports, registry });
    expect(changes.opened).toMatchObject([{ ruleId: "could-not-verify", resource: "registry: acme/default" }]);
  });

  test("is none where another key's record of the tenant can't be read: that is the other's finding", async () => {
    const ports = verifyingOn(aws);
    const keysOfTenant = async () => {
      throw new TenantKeysError("record_invalid", "the registry item TENANT#acme / KEY#payroll can't be read");
    };
    const { verdict } = await verify({ ...ports, registry: { ...ports.registry, keysOfTenant } });
    expect(verdict).toMatchObject({ findings: [], unjudged: [] });
  });

  test("is nothing where nothing is declared", async () => {
    const ports = verifyingOn(aws);
    aws.records.clear();
    const { record: seen, verdict } = await verify(ports);
    expect(seen).toBeUndefined();
    expect(verdict.findings).toEqual([]);
    expect(ports.findings.records).toEqual([]);
  });
});

test("a registry that doesn't answer ends the check: nothing is known then", async () => {
  const ports = verifyingOn(aws);
  const getTenant = async () => {
    throw new TenantKeysError("throttled", "dynamodb:GetItem: slow down");
  };
  await expect(verify({ ...ports, registry: { ...ports.registry, getTenant } })).rejects.toMatchObject({
    code: "throttled",
  });
});
