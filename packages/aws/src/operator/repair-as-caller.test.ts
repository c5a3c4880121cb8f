import {
  creationKeyPolicy,
  desiredTenantKey,
  type Finding,
  finding,
  type KeyRecord,
  parseAttemptId,
  parseKeyArn,
  parseStageSettings,
  parseTenantId,
  type RuleId,
  stageContext,
} from "@tenantkeys/core";
import { describe, expect, test } from "vitest";
import { ACME, awsError, CONTEXT, DEFAULT_KEY, DESIRED, FakeClock, fakeClients, runOn } from "../test-support.ts";
import { repairAsCaller } from "./repair-as-caller.ts";

const ADMINISTRATOR = "arn:aws:iam::111122223333:role/people/SecurityAdmin";
const SETTINGS = parseStageSettings({
  stage: "dev",
  applicationRoleArns: ["arn:aws:iam::111122223333:role/app/acme-web"],
  administratorRoleArns: [ADMINISTRATOR],
});
const STAGE = stageContext(SETTINGS, CONTEXT.accountId, CONTEXT.region);
const KEY_ARN = parseKeyArn("arn:aws:kms:eu-west-1:111122223333:key/1234");
const ROLE_ARN = "arn:aws:iam::111122223333:role/tenantkeys/dev/tk-dev-acme";
const RECORD = {
  tenantId: ACME,
  keyName: DEFAULT_KEY,
  state: "active",
  profile: "default",
  keyArn: KEY_ARN,
  attempts: [{ attemptId: parseAttemptId("attempt-1"), outcome: "created", keyArn: KEY_ARN }],
} as unknown as KeyRecord;
const [PROFILE] = Object.values(SETTINGS.profiles);
if (PROFILE === undefined) throw new Error("no profile");
const NEVER_ADMITTED = JSON.stringify(creationKeyPolicy(STAGE, PROFILE));

const about = (ruleId: RuleId, resource: string): Finding =>
  finding(ruleId, { tenantId: ACME, keyName: DEFAULT_KEY, resource, expected: "", seen: "" });

interface World {
  readonly tags?: Readonly<Record<string, string>>;
  readonly record?: KeyRecord | undefined;
  readonly policy?: string;
  /** How often KMS refuses a deletion before it knows of a policy that allows it. */
  readonly denials?: number;
}

function caller({ record, policy = NEVER_ADMITTED, tags = DESIRED.keyOwnership, denials = 0 }: World) {
  const calls: { name: string; input: Record<string, unknown> }[] = [];
  let denied = denials;
  const clients = fakeClients(({ name, input }) => {
    calls.push({ name, input: input as unknown as Record<string, unknown> });
    if (name === "GetKeyPolicy") return { Policy: policy };
    if (name === "GetResources") {
      const Tags = Object.entries(tags).map(([Key, Value]) => ({ Key, Value }));
      return { ResourceTagMappingList: [{ ResourceARN: KEY_ARN, Tags }] };
    }
    if (name === "ListRolePolicies") return { PolicyNames: ["key-default"] };
    if (name === "ScheduleKeyDeletion" && denied-- > 0) throw awsError("AccessDeniedException", 400);
    return {};
  });
  const registry = {
    get: async (_run: unknown, tenantId: string) => (record?.tenantId === tenantId ? record : undefined),
    getTenant: async () => undefined,
    keysOfTenant: async (_run: unknown, tenantId: string) => (record?.tenantId === tenantId ? [record] : []),
  } as unknown as Parameters<typeof repairAsCaller>[0]["registry"];
  const ports = { settings: SETTINGS, context: STAGE, registry, clientsIn: () => clients };
  const repair = (found: Finding, mayHoldData = false) =>
    repairAsCaller(ports, runOn(new FakeClock()), found, mayHoldData);
  return { repair, calls, names: () => calls.map(({ name }) => name) };
}

describe("a caller with rights of their own", () => {
  test("puts back the tags of a key that the registry names, with the attempt that made it", async () => {
    const { repair, calls } = caller({ record: RECORD });
    await expect(repair(about("key-tags-differ", KEY_ARN))).resolves.toMatchObject({ kind: "done" });
    const Tags = Object.entries(DESIRED.keyTags(parseAttemptId("attempt-1"))).map(([TagKey, TagValue]) => ({
      TagKey,
      TagValue,
    }));
    expect(calls.map(({ name }) => name)).toEqual(["GetKeyPolicy", "GetResources", "TagResource"]);
    expect(calls.at(-1)?.input).toEqual({ KeyId: KEY_ARN, Tags });
  });

  test.each<RuleId>(["key-tags-differ", "key-policy-differs"])(
    "does nothing for %s of a key that the registry doesn't name",
    async (ruleId) => {
      for (const record of [
        undefined,
        { ...RECORD, keyArn: parseKeyArn(`${KEY_ARN}5`) },
        { ...RECORD, ownKeyArn: KEY_ARN },
      ]) {
        const { repair, calls } = caller({ record });
        await expect(repair(about(ruleId, KEY_ARN))).resolves.toEqual({ kind: "left", why: "no-longer-so" });
        expect(calls).toEqual([]);
      }
    },
  );

  test("puts the policy that the worker was shut out of", async () => {
    const { repair, calls } = caller({ record: RECORD });
    await repair(about("key-policy-not-contained", KEY_ARN));
    expect(calls.map(({ name }) => name)).toEqual(["GetResources", "PutKeyPolicy"]);
    expect(JSON.stringify(calls[1]?.input.Policy)).toContain("UseByTenant");
    expect(JSON.stringify(calls[1]?.input.Policy)).toContain("AdministerByProvisioner");
  });

  test("deletes names of this stage that no record has, and no others", async () => {
    const alias = "arn:aws:kms:eu-west-1:111122223333:alias/tenantkeys/dev/acme/default";
    const { repair, names } = caller({});
    await expect(repair(about("orphan-alias", alias))).resolves.toMatchObject({ kind: "done" });
    await expect(repair(about("orphan-alias", alias.replace("/dev/", "/production/")))).resolves.toMatchObject({
      kind: "left",
    });
    await expect(caller({ record: RECORD }).repair(about("orphan-alias", alias))).resolves.toMatchObject({
      kind: "left",
    });
    expect(names()).toEqual(["DeleteAlias"]);
  });

  test("deletes a role of this stage's path whose tenant has no key, with its inline policies", async () => {
    const { repair, names } = caller({});
    await expect(repair(about("orphan-role", ROLE_ARN))).resolves.toMatchObject({ kind: "done" });
    expect(names()).toEqual(["ListRolePolicies", "DeleteRolePolicy", "DeleteRole"]);
    const kept = caller({ record: RECORD });
    await expect(kept.repair(about("orphan-role", ROLE_ARN))).resolves.toMatchObject({ kind: "left" });
    await expect(repair(about("orphan-role", "arn:aws:iam::111122223333:role/admin"))).resolves.toMatchObject({
      kind: "left",
    });
    expect(kept.calls).toEqual([]);
  });

  test("condemns an orphan key in 30 days that never let anybody in, and another only where a person says so", async () => {
    const spare = caller({});
    await expect(spare.repair(about("orphan-key", KEY_ARN))).resolves.toMatchObject({ kind: "done" });
    expect(spare.calls.at(-1)).toEqual({
      name: "ScheduleKeyDeletion",
      input: { KeyId: KEY_ARN, PendingWindowInDays: 30 },
    });
    const used = caller({ policy: JSON.stringify(DESIRED.departingPolicy) });
    await expect(used.repair(about("orphan-key", KEY_ARN))).resolves.toEqual({ kind: "left", why: "may-hold-data" });
    expect(used.names()).toEqual(["GetResources", "GetKeyPolicy"]);
    await expect(used.repair(about("orphan-key", KEY_ARN), true)).resolves.toMatchObject({ kind: "done" });
  });

  test("never condemns a key that a record of its tenant names, whatever a person says", async () => {
    const { repair, calls } = caller({ record: RECORD });
    await expect(repair(about("orphan-key", KEY_ARN), true)).resolves.toEqual({ kind: "left", why: "no-longer-so" });
    expect(calls).toEqual([]);
  });

  test("lets administrators delete it by its policy first where that doesn't, and waits until KMS goes by it", async () => {
    const { repair, calls, names } = caller({ denials: 2 });
    await expect(repair(about("orphan-key", KEY_ARN))).resolves.toMatchObject({ kind: "done" });
    expect(names()).toEqual([
      "GetResources",
      "GetKeyPolicy",
      "ScheduleKeyDeletion",
      "PutKeyPolicy",
      "ScheduleKeyDeletion",
      "ScheduleKeyDeletion",
    ]);
    const put = JSON.parse(String(calls[3]?.input.Policy));
    expect(put.Statement).toHaveLength(JSON.parse(NEVER_ADMITTED).Statement.length + 1);
    expect(put.Statement.at(-1)).toMatchObject({
      Action: "kms:ScheduleKeyDeletion",
      Condition: { ArnEquals: { "aws:PrincipalArn": [ADMINISTRATOR] } },
    });
  });

  describe("whom a changed registry or an invented finding would mislead", () => {
    const OTHER = { ...DESIRED.keyOwnership, "tenantkeys:tenant": "umbrella" };
    const ofOther = JSON.stringify(DESIRED.admittedPolicy).replaceAll("tk-dev-acme", "tk-dev-umbrella");

    test.each([
      ["another tenant's key by its tags", { tags: OTHER }],
      ["a key without tags", { tags: {} }],
    ])("puts no tenant's policy on %s", async (_, world) => {
      const { repair, names } = caller({ record: RECORD, ...world });
      for (const ruleId of ["key-policy-not-contained", "key-policy-differs", "dead-principal"] as const) {
        await expect(repair(about(ruleId, KEY_ARN))).resolves.toEqual({ kind: "left", why: "whose-is-unclear" });
      }
      expect(names()).not.toContain("PutKeyPolicy");
    });

    test.each([
      ["that lets in another tenant", { tags: {}, policy: ofOther }],
      ["that another tenant left, by its tags", { tags: OTHER, policy: JSON.stringify(DESIRED.departingPolicy) }],
    ])("puts no tenant's tags on a key %s", async (_, world) => {
      const { repair, names } = caller({ record: RECORD, ...world });
      await expect(repair(about("key-tags-differ", KEY_ARN))).resolves.toEqual({
        kind: "left",
        why: "whose-is-unclear",
      });
      expect(names()).not.toContain("TagResource");
    });

    test("puts back tags that name another tenant on a key that lets in its own alone", async () => {
      if (PROFILE === undefined) throw new Error("no profile");
      const policy = JSON.stringify(desiredTenantKey(STAGE, ACME, DEFAULT_KEY, PROFILE).admittedPolicy);
      const { repair } = caller({ record: RECORD, tags: OTHER, policy });
      await expect(repair(about("key-tags-differ", KEY_ARN))).resolves.toMatchObject({ kind: "done" });
    });

    test.each<[RuleId, string]>([
      ["orphan-alias", "arn:aws:kms:eu-west-1:111122223333:alias/tenantkeys/dev/acme/default"],
      ["orphan-role", ROLE_ARN],
      ["orphan-role", ROLE_ARN.replace("acme", "ACME")],
      ["orphan-key", KEY_ARN],
    ])("takes nothing from a tenant for an %s that names another, or none", async (ruleId, resource) => {
      const { repair, names } = caller({ record: RECORD });
      for (const tenantId of [undefined, parseTenantId("umbrella")]) {
        const invented = finding(ruleId, { tenantId, keyName: DEFAULT_KEY, resource, expected: "", seen: "" });
        await expect(repair(invented, true)).resolves.toEqual({ kind: "left", why: "no-longer-so" });
      }
      expect(names().filter((name) => name !== "GetResources")).toEqual([]);
    });

    test("condemns no key of another stage, nor one that was never tagged as ours", async () => {
      for (const tags of [{}, { ...DESIRED.keyOwnership, "tenantkeys:stage": "production" }]) {
        const { repair, names } = caller({ tags });
        await expect(repair(about("orphan-key", KEY_ARN), true)).resolves.toEqual({
          kind: "left",
          why: "not-for-the-caller",
        });
        expect(names()).toEqual(["GetResources"]);
      }
    });

    test("deletes no role but one right under the stage's path in its account", async () => {
      const { repair, calls } = caller({});
      for (const resource of [ROLE_ARN.replace("111122223333", "444455556666"), `x${ROLE_ARN}`, `${ROLE_ARN}/admin`]) {
        await expect(repair(about("orphan-role", resource))).resolves.toMatchObject({ kind: "left" });
      }
      expect(calls).toEqual([]);
    });
  });

  test("leaves what is the worker's", async () => {
    const { repair, calls } = caller({ record: RECORD });
    await expect(repair(about("rotation-off", KEY_ARN))).resolves.toEqual({ kind: "left", why: "not-for-the-caller" });
    expect(calls).toEqual([]);
  });
});
