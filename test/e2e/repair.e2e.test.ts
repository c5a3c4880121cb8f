/** A repair on the real stacks: everything about a tenant's key ruined by hand, and put right by the worker under its own rights. */
import {
  DeleteRolePermissionsBoundaryCommand,
  DeleteRolePolicyCommand,
  GetRoleCommand,
  UntagRoleCommand,
  UpdateAssumeRolePolicyCommand,
} from "@aws-sdk/client-iam";
import {
  CreateGrantCommand,
  CreateKeyCommand,
  DescribeKeyCommand,
  DisableKeyRotationCommand,
  GetKeyPolicyCommand,
  PutKeyPolicyCommand,
  ScheduleKeyDeletionCommand,
  UpdateAliasCommand,
} from "@aws-sdk/client-kms";
import { REPAIRABLE_RULES } from "@tenantkeys/core";
import type { LocalStage } from "@tenantkeys/local";
import { beforeAll, describe, expect, it } from "vitest";
import { publish, readRecord, tapReplies, tenantEnvelope } from "../support/events.ts";
import { keptEvents, livesOn, type Person, person, say } from "../support/life.ts";
import { sharedStage } from "../support/shared-stage.ts";

let stage: LocalStage;
let lives: ReturnType<typeof livesOn>;
let alice: Person;

beforeAll(async () => {
  stage = await sharedStage();
  lives = livesOn(stage, await tapReplies(stage));
  alice = await person(stage, "alice");
}, 120_000);

const roleOf = (tenantId: string) => `tk-local-${tenantId}`;
const aliasOf = (tenantId: string) => `alias/tenantkeys/local/${tenantId}/default`;

async function policyOf(KeyId: string): Promise<{ Statement: { Sid?: string }[] }> {
  const { Policy } = await stage.root.kms.send(new GetKeyPolicyCommand({ KeyId, PolicyName: "default" }));
  return JSON.parse(Policy ?? "{}");
}

/** As the root user, which may put a policy by which it may do the rest. */
async function ruinKey(tenantId: string, KeyId: string): Promise<void> {
  const { kms } = stage.root;
  const policy = await policyOf(KeyId);
  const everybody = {
    Sid: "Open",
    Effect: "Allow",
    Principal: { AWS: `arn:aws:iam::${stage.accountId}:root` },
    Action: "kms:*",
    Resource: "*",
  };
  const Policy = JSON.stringify({ ...policy, Statement: [...policy.Statement, everybody] });
  await kms.send(new PutKeyPolicyCommand({ KeyId, Policy }));
  await kms.send(new DisableKeyRotationCommand({ KeyId }));
  const GranteePrincipal = `arn:aws:iam::${stage.accountId}:root`;
  await kms.send(new CreateGrantCommand({ KeyId, GranteePrincipal, Operations: ["Decrypt"] }));
  const { KeyMetadata: foreign } = await kms.send(new CreateKeyCommand({ Description: "somebody else's" }));
  await kms.send(new UpdateAliasCommand({ AliasName: aliasOf(tenantId), TargetKeyId: foreign?.KeyId }));
  await kms.send(new ScheduleKeyDeletionCommand({ KeyId, PendingWindowInDays: 30 }));
}

async function ruinRole(tenantId: string): Promise<void> {
  const RoleName = roleOf(tenantId);
  const trust = {
    Version: "2012-10-17",
    Statement: [{ Effect: "Allow", Principal: { Service: "ec2.amazonaws.com" }, Action: "sts:AssumeRole" }],
  };
  const { iam } = stage;
  await iam.send(new DeleteRolePermissionsBoundaryCommand({ RoleName }));
  await iam.send(new UntagRoleCommand({ RoleName, TagKeys: ["tenantkeys:tenant"] }));
  await iam.send(new UpdateAssumeRolePolicyCommand({ RoleName, PolicyDocument: JSON.stringify(trust) }));
  await iam.send(new DeleteRolePolicyCommand({ RoleName, PolicyName: "key-default" }));
}

async function stateOf(tenantId: string, KeyId: string) {
  const { kms } = stage.root;
  const [{ KeyMetadata }, aliased, { Role }] = await Promise.all([
    kms.send(new DescribeKeyCommand({ KeyId })),
    kms.send(new DescribeKeyCommand({ KeyId: aliasOf(tenantId) })),
    stage.iam.send(new GetRoleCommand({ RoleName: roleOf(tenantId) })),
  ]);
  return { state: KeyMetadata?.KeyState, aliasTarget: aliased.KeyMetadata?.Arn, role: Role };
}

describe("a tenant's key and role that somebody ruined", () => {
  it("are put right by the worker when a person asks, the stranger shut out before the key is enabled", async () => {
    const keyArn = await lives.signUp("ruined");
    const before = await policyOf(keyArn);
    await ruinKey("ruined", keyArn);
    await ruinRole("ruined");

    await say(alice, stage, "TenantKeyRepairRequested", {
      tenantId: "ruined",
      keyName: "default",
      rules: REPAIRABLE_RULES,
    });
    const { detail } = await lives.replyOf("TenantKeyRepaired", "ruined");

    expect(detail).toMatchObject({ withheld: [], automatic: false, state: "active" });
    expect(detail.actions).toEqual(
      expect.arrayContaining([
        ...["tag-role", "put-role-boundary", "update-trust-policy", "revoke-grant", "put-role-policy", "admit-tenant"],
        ...["cancel-deletion", "enable-key", "enable-rotation", "move-alias"],
      ]),
    );
    expect(await policyOf(keyArn)).toEqual(before);
    const { state, aliasTarget, role } = await stateOf("ruined", keyArn);
    expect([state, aliasTarget]).toEqual(["Enabled", keyArn]);
    expect(role?.PermissionsBoundary?.PermissionsBoundaryArn).toContain("tenant-boundary");
    expect(role?.Tags).toContainEqual({ Key: "tenantkeys:tenant", Value: "ruined" });
    expect(await readRecord(stage, "ruined")).toMatchObject({ state: "active", leaseUntilMs: 0 });
  });

  it("stay as they are where the request comes over the bus, or names another rule", async () => {
    const keyArn = await lives.signUp("left");
    await ruinKey("left", keyArn);
    await publish(
      stage,
      tenantEnvelope("TenantKeyRepairRequested", { tenantId: "left", keyName: "default", rules: ["key-disabled"] }),
    );
    await say(alice, stage, "TenantKeyRepairRequested", {
      tenantId: "left",
      keyName: "default",
      rules: ["replica-missing"],
    });
    const { detail } = await lives.replyOf("TenantKeyRepaired", "left");
    expect(detail.actions).toEqual([]);
    expect(await lives.stateInKms(keyArn)).toBe("PendingDeletion");
    expect(await keptEvents(stage, "left")).toEqual([]);
  });
});
