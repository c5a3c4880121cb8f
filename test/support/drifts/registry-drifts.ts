/** What the registry and AWS don't both know: orphans, and records that lead nowhere. */
import { CreateRoleCommand } from "@aws-sdk/client-iam";
import { CreateAliasCommand, CreateKeyCommand } from "@aws-sdk/client-kms";
import { DeleteCommand, PutCommand, UpdateCommand } from "@aws-sdk/lib-dynamodb";
import {
  aliasName,
  completeKeyProfile,
  creationKeyPolicy,
  DAY_MS,
  KEY_TAG,
  ownershipTags,
  parseKeyName,
  parseTenantId,
  stageNames,
  tenantRoleName,
  tenantRolePath,
} from "@tenantkeys/core";
import { makeKeyOlder } from "@tenantkeys/local";
import { deliver, signUpEnvelope, untilActive } from "../events.ts";
import type { DriftBench, KeyDrift, OrphanDrift } from "./drift.ts";

function keyItem(bench: DriftBench, tenantId: string) {
  const TableName = stageNames(bench.stage.settings.stage).registryTable;
  return { TableName, Key: { pk: `TENANT#${tenantId}`, sk: "KEY#default" } };
}

async function makeKey({ stage }: DriftBench, tenantId: string): Promise<void> {
  const tags = { ...ownershipTags(stage.settings.stage, parseTenantId(tenantId)), [KEY_TAG]: "default" };
  const Tags = Object.entries(tags).map(([TagKey, TagValue]) => ({ TagKey, TagValue }));
  // As a lost attempt leaves it: nobody was ever let in, so an administrator may delete it without being asked twice.
  const Policy = JSON.stringify(creationKeyPolicy(stage.context, completeKeyProfile()));
  const { KeyMetadata } = await stage.root.kms.send(new CreateKeyCommand({ Tags, Policy }));
  // KMS's time is a deletion window ahead by now.
  await makeKeyOlder(stage.at.endpoint, KeyMetadata?.Arn ?? "", 10 * DAY_MS);
}

async function makeAlias(bench: DriftBench, tenantId: string): Promise<void> {
  const AliasName = aliasName(bench.stage.settings.stage, parseTenantId(tenantId), parseKeyName("default"));
  const TargetKeyId = await bench.foreignKey();
  await bench.stage.root.kms.send(new CreateAliasCommand({ AliasName, TargetKeyId }));
}

async function makeRole({ stage }: DriftBench, tenantId: string): Promise<void> {
  const name = stage.settings.stage;
  const Principal = { AWS: stage.applicationRoleArn };
  const Tags = Object.entries(ownershipTags(name, parseTenantId(tenantId))).map(([Key, Value]) => ({ Key, Value }));
  await stage.iam.send(
    new CreateRoleCommand({
      RoleName: tenantRoleName(name, parseTenantId(tenantId)),
      Path: tenantRolePath(name),
      Tags,
      AssumeRolePolicyDocument: JSON.stringify({
        Version: "2012-10-17",
        Statement: [{ Effect: "Allow", Principal, Action: "sts:AssumeRole" }],
      }),
    }),
  );
}

export const ORPHAN_DRIFTS: readonly OrphanDrift[] = [
  { tenantId: "orphan-key", ruleIds: ["orphan-key"], make: (bench) => makeKey(bench, "orphan-key") },
  { tenantId: "orphan-alias", ruleIds: ["orphan-alias"], make: (bench) => makeAlias(bench, "orphan-alias") },
  { tenantId: "orphan-role", ruleIds: ["orphan-role"], make: (bench) => makeRole(bench, "orphan-role") },
];

/** Items that were deleted. */
const lost: Record<string, unknown>[] = [];

export const RECORD_DRIFTS: readonly KeyDrift[] = [
  {
    tenantId: "record-lost",
    ruleIds: ["orphan-key", "orphan-alias", "orphan-role"],
    inject: async (bench, { keyArn }) => {
      const { TableName, Key } = keyItem(bench, "record-lost");
      const { documents } = bench.stage.root;
      for (const sk of [Key.sk, "TENANT"]) {
        const { Attributes } = await documents.send(
          new DeleteCommand({ TableName, Key: { ...Key, sk }, ReturnValues: "ALL_OLD" }),
        );
        lost.push({ ...Attributes });
      }
      await makeKeyOlder(bench.stage.at.endpoint, keyArn, DAY_MS);
    },
    // As from a backup of the table.
    byHand: async (bench) => {
      const { TableName } = keyItem(bench, "record-lost");
      for (const Item of lost.splice(0)) await bench.stage.root.documents.send(new PutCommand({ TableName, Item }));
    },
  },
  {
    tenantId: "record-stuck",
    ruleIds: ["record-stuck"],
    inject: async (bench) => {
      await bench.stage.root.documents.send(
        new UpdateCommand({
          ...keyItem(bench, "record-stuck"),
          UpdateExpression: "SET #state = :state, updatedAtMs = :before",
          ExpressionAttributeNames: { "#state": "state" },
          ExpressionAttributeValues: { ":state": "provisioning", ":before": Date.now() - 2 * DAY_MS },
        }),
      );
    },
    byHand: async ({ stage }) => {
      await deliver(stage, { ...signUpEnvelope("record-stuck"), time: new Date().toISOString() });
      await untilActive(stage, "record-stuck");
    },
  },
];
