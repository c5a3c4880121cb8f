import type { RoleDetail } from "@aws-sdk/client-iam";
import { beforeEach, describe, expect, test } from "vitest";
import { type AroundCall, InMemoryAws, portsOn } from "../in-memory-aws.test-support.ts";
import { provisionTenantKey } from "../provision-tenant-key.ts";
import { ACME, awsError, type Call, DEFAULT_KEY, DESIRED, FakeClock, fakeClients, runOn } from "../test-support.ts";
import { inspectedRoleOf, inspectRole } from "./inspect-role.ts";
import { verifyingOn } from "./verifying.test-support.ts";

let clock: FakeClock;
let aws: InMemoryAws;

beforeEach(async () => {
  clock = new FakeClock();
  aws = new InMemoryAws(clock);
  const declaration = { tenantId: ACME, keyName: DEFAULT_KEY, generation: 5, profile: "default", eventId: "event-1" };
  await provisionTenantKey(portsOn(aws), runOn(clock), declaration);
});

async function inspect(around?: AroundCall) {
  const { observing, quota, turns } = verifyingOn(aws, around);
  const found = await inspectRole(observing, { run: runOn(clock), quota }, DESIRED.role.name);
  return { found, turns };
}

const denying =
  (denied: string): AroundCall =>
  async (name, _signal, effect) => {
    if (name === denied) throw awsError("AccessDenied", 403);
    return effect();
  };

describe("a role", () => {
  test("is read whole: path, tags, trust, boundary and every policy", async () => {
    const { found, turns } = await inspect();
    const [key] = aws.keys;
    expect(found).toEqual({
      kind: "read",
      value: {
        arn: DESIRED.role.arn,
        path: DESIRED.role.path,
        tags: DESIRED.role.tags,
        trustPolicy: DESIRED.role.trustPolicy,
        boundaryArn: DESIRED.role.boundaryArn,
        policyNames: ["key-default"],
        inlinePolicies: { "key-default": DESIRED.rolePolicy(key?.arn as never) },
        attachedPolicyArns: [],
      },
    });
    expect(turns).toEqual(["iam:GetRole", "iam:ListRolePolicies", "iam:ListAttachedRolePolicies", "iam:GetRolePolicy"]);
  });

  test("that isn't there is no role", async () => {
    aws.roles.clear();
    expect((await inspect()).found).toEqual({ kind: "read", value: undefined });
  });

  test.each(["GetRole", "ListRolePolicies", "GetRolePolicy", "ListAttachedRolePolicies"])(
    "of which %s is refused is denied: nobody can say what it may do",
    async (name) => {
      expect((await inspect(denying(name))).found).toMatchObject({ kind: "denied" });
    },
  );

  test.each(["ListRolePolicies", "ListAttachedRolePolicies"])("of which %s is cut has failed", async (cut) => {
    const answer = ({ name, input }: Call) => {
      const whole = aws.answer(name, input) as object;
      return name === cut ? { ...whole, IsTruncated: true } : whole;
    };
    const reader = { run: runOn(clock), quota: verifyingOn(aws).quota };
    const found = await inspectRole(fakeClients(answer), reader, DESIRED.role.name);
    expect(found).toMatchObject({ kind: "failed", reason: expect.stringContaining("more") });
  });
});

test("a role of the account's bulk list is the same as one that was read by itself", async () => {
  const { found } = await inspect();
  const [key] = aws.keys;
  const policy = JSON.stringify(DESIRED.rolePolicy(key?.arn as never));
  const detail: RoleDetail = {
    Arn: DESIRED.role.arn,
    Path: DESIRED.role.path,
    RoleName: DESIRED.role.name,
    Tags: Object.entries(DESIRED.role.tags).map(([Key, Value]) => ({ Key, Value })),
    AssumeRolePolicyDocument: encodeURIComponent(JSON.stringify(DESIRED.role.trustPolicy)),
    PermissionsBoundary: { PermissionsBoundaryArn: DESIRED.role.boundaryArn },
    RolePolicyList: [{ PolicyName: "key-default", PolicyDocument: encodeURIComponent(policy) }],
    AttachedManagedPolicies: [],
  };
  expect({ kind: "read", value: inspectedRoleOf(detail) }).toEqual(found);
});
