/** Drifts that only some profiles' keys can have: imported material, replicas. */
import { DeleteImportedKeyMaterialCommand, DisableKeyCommand, ScheduleKeyDeletionCommand } from "@aws-sdk/client-kms";
import { DAY_MS, parseKeyArn, parseRegion, replicaArn } from "@tenantkeys/core";
import { importByHand } from "../material.ts";
import { type DriftedKey, type KeyDrift, nothing } from "./drift.ts";

export const ABROAD = parseRegion("eu-central-1");

function replica({ keyArn }: DriftedKey): string {
  return replicaArn(parseKeyArn(keyArn), ABROAD);
}

export const PROFILE_DRIFTS: readonly KeyDrift[] = [
  {
    tenantId: "replica-gone",
    ruleIds: ["replica-missing"],
    profile: "abroad",
    aWindowBefore: ({ kmsIn }, key) =>
      kmsIn(ABROAD).send(new ScheduleKeyDeletionCommand({ KeyId: replica(key), PendingWindowInDays: 7 })),
    inject: nothing,
  },
  {
    tenantId: "replica-disabled",
    ruleIds: ["replica-differs"],
    profile: "abroad",
    inject: ({ kmsIn }, key) => kmsIn(ABROAD).send(new DisableKeyCommand({ KeyId: replica(key) })),
  },
  {
    tenantId: "material-deleted",
    ruleIds: ["key-pending-import"],
    profile: "byok",
    inject: async ({ stage }, { keyArn }) => {
      await stage.root.kms.send(new DeleteImportedKeyMaterialCommand({ KeyId: keyArn }));
    },
    byHand: ({ stage }, { keyArn }) => importByHand(stage, keyArn, "material-deleted"),
  },
  {
    tenantId: "material-expiring",
    ruleIds: ["material-expiring"],
    profile: "byok",
    inject: ({ stage }, { keyArn }) =>
      importByHand(stage, keyArn, "material-expiring", new Date(Date.now() + 20 * DAY_MS)),
    byHand: ({ stage }, { keyArn }) => importByHand(stage, keyArn, "material-expiring"),
  },
];
