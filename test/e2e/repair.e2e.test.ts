/** A repair on the real stacks: everything about a tenant's key ruined by hand, and put right by the worker under its own rights. */
import { GetRoleCommand } from "@aws-sdk/client-iam";
import { DescribeKeyCommand } from "@aws-sdk/client-kms";
import { REPAIRABLE_RULES } from "@tenantkeys/core";
import type { LocalStage } from "@tenantkeys/local";
import { beforeAll, describe, expect, it } from "vitest";
import { publish, readRecord, tapReplies, tenantEnvelope } from "../support/events.ts";
import { keptEvents, livesOn, type Person, person, say } from "../support/life.ts";
import { aliasOf, keyPolicyOf, roleOf, ruinKey, ruinRole } from "../support/ruin.ts";
import { sharedStage } from "../support/shared-stage.ts";

let stage: LocalStage;
let lives: ReturnType<typeof livesOn>;
let alice: Person;

beforeAll(async () => {
  stage = await sharedStage();
  lives = livesOn(stage, await tapReplies(stage));
  alice = await person(stage, "alice");
}, 120_000);

const policyOf = (keyArn: string) => keyPolicyOf(stage, keyArn);

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
    await ruinKey(stage, "ruined", keyArn);
    await ruinRole(stage, "ruined");

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
    await ruinKey(stage, "left", keyArn);
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
