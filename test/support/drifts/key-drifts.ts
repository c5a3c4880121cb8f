/** Drifts of keys: their state, rotation, policy, grants and tags. */
import {
  CancelKeyDeletionCommand,
  CreateGrantCommand,
  DisableKeyCommand,
  DisableKeyRotationCommand,
  EnableKeyCommand,
  EnableKeyRotationCommand,
  PutKeyPolicyCommand,
  ScheduleKeyDeletionCommand,
  TagResourceCommand,
  UntagResourceCommand,
} from "@aws-sdk/client-kms";
import { DeleteCommand } from "@aws-sdk/lib-dynamodb";
import { STAGE_TAG, stageNames, TENANT_TAG } from "@tenantkeys/core";
import type { LocalStage } from "@tenantkeys/local";
import { publish, tenantEnvelope, untilActive } from "../events.ts";
import type { DriftBench, DriftedKey, KeyDrift } from "./drift.ts";
import { nothing } from "./drift.ts";

/** As root would in the console: nothing checks whether it locks itself out. */
export async function putKeyPolicy({ kmsIn }: DriftBench, KeyId: string, Statement: readonly unknown[]): Promise<void> {
  await kmsIn(KeyId.split(":")[3] ?? "").send(
    new PutKeyPolicyCommand({
      KeyId,
      PolicyName: "default",
      Policy: JSON.stringify({ Version: "2012-10-17", Statement }),
      BypassPolicyLockoutSafetyCheck: true,
    }),
  );
}

function widened(bench: DriftBench, { keyArn, desired }: DriftedKey, Principal: unknown): Promise<void> {
  const added = { Sid: "Added", Effect: "Allow", Principal, Action: "kms:*", Resource: "*" };
  return putKeyPolicy(bench, keyArn, [...desired.admittedPolicy.Statement, added]);
}

/** @returns the policy without what lets its tenant use the key */
function shutOut({ desired }: DriftedKey): readonly unknown[] {
  const { principalArn, admittedPolicy } = desired;
  return admittedPolicy.Statement.filter((statement) => !JSON.stringify(statement).includes(`"${principalArn}"`));
}

export const KEY_DRIFTS: readonly KeyDrift[] = [
  {
    tenantId: "key-disabled",
    ruleIds: ["key-disabled"],
    inject: ({ stage }, { keyArn }) => stage.root.kms.send(new DisableKeyCommand({ KeyId: keyArn })),
  },
  {
    tenantId: "deletion-by-hand",
    ruleIds: ["key-pending-deletion-unintended"],
    inject: ({ stage }, { keyArn }) => stage.root.kms.send(new ScheduleKeyDeletionCommand({ KeyId: keyArn })),
  },
  {
    tenantId: "opened-while-suspended",
    ruleIds: ["key-open"],
    life: "suspended",
    inject: ({ stage }, { keyArn }) => stage.root.kms.send(new EnableKeyCommand({ KeyId: keyArn })),
  },
  {
    tenantId: "deletion-taken-back",
    ruleIds: ["key-deletion-overdue"],
    profile: "brief",
    life: "pending-deletion",
    inject: ({ stage }, { keyArn }) => stage.root.kms.send(new CancelKeyDeletionCommand({ KeyId: keyArn })),
  },
  {
    tenantId: "key-gone",
    ruleIds: ["key-missing"],
    aWindowBefore: ({ stage }, { keyArn }) =>
      stage.root.kms.send(new ScheduleKeyDeletionCommand({ KeyId: keyArn, PendingWindowInDays: 7 })),
    inject: nothing,
    byHand: ({ stage }) => startAnew(stage, "key-gone"),
  },
  {
    tenantId: "rotation-off",
    ruleIds: ["rotation-off"],
    inject: ({ stage }, { keyArn }) => stage.root.kms.send(new DisableKeyRotationCommand({ KeyId: keyArn })),
  },
  {
    tenantId: "rotation-period",
    ruleIds: ["rotation-period-differs"],
    inject: ({ stage }, { keyArn }) =>
      stage.root.kms.send(new EnableKeyRotationCommand({ KeyId: keyArn, RotationPeriodInDays: 2_000 })),
  },
  {
    tenantId: "policy-opened-to-account",
    ruleIds: ["key-policy-not-contained"],
    inject: (bench, key) => widened(bench, key, { AWS: `arn:aws:iam::${bench.stage.accountId}:root` }),
  },
  {
    tenantId: "policy-opened-to-everybody",
    ruleIds: ["key-policy-not-contained"],
    inject: (bench, key) => widened(bench, key, "*"),
  },
  {
    tenantId: "policy-without-tenant",
    ruleIds: ["key-policy-differs"],
    inject: (bench, key) => putKeyPolicy(bench, key.keyArn, shutOut(key)),
  },
  {
    tenantId: "grant",
    ruleIds: ["grant-foreign"],
    inject: ({ stage }, { keyArn }) =>
      stage.root.kms.send(
        new CreateGrantCommand({
          KeyId: keyArn,
          GranteePrincipal: stage.applicationRoleArn,
          Operations: ["Decrypt"],
        }),
      ),
  },
  {
    tenantId: "key-untagged",
    ruleIds: ["key-tags-differ"],
    inject: ({ stage }, { keyArn }) =>
      stage.root.kms.send(new UntagResourceCommand({ KeyId: keyArn, TagKeys: [TENANT_TAG] })),
  },
  {
    tenantId: "stage-of-another",
    ruleIds: ["stage-mismatch"],
    inject: ({ stage }, { keyArn }) => stage.root.kms.send(stageTag(keyArn, "elsewhere")),
    byHand: ({ stage }, { keyArn }) => stage.root.kms.send(stageTag(keyArn, stage.settings.stage)),
  },
];

function stageTag(KeyId: string, TagValue: string): TagResourceCommand {
  return new TagResourceCommand({ KeyId, Tags: [{ TagKey: STAGE_TAG, TagValue }] });
}

/** A person's decision, as no command is to make it: a new key reads nothing of what the old one encrypted. */
async function startAnew(stage: LocalStage, tenantId: string): Promise<void> {
  const TableName = stageNames(stage.settings.stage).registryTable;
  await stage.root.documents.send(
    new DeleteCommand({ TableName, Key: { pk: `TENANT#${tenantId}`, sk: "KEY#default" } }),
  );
  await publish(stage, tenantEnvelope("TenantSignedUp", { tenantId }));
  await untilActive(stage, tenantId);
}
