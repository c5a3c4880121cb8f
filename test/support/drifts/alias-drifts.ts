/** Drifts of aliases: gone, or leading elsewhere. */
import { DeleteAliasCommand, ScheduleKeyDeletionCommand, UpdateAliasCommand } from "@aws-sdk/client-kms";
import type { DriftBench, DriftedKey, KeyDrift } from "./drift.ts";

async function lead({ stage }: DriftBench, { desired }: DriftedKey, TargetKeyId: string): Promise<void> {
  await stage.root.kms.send(new UpdateAliasCommand({ AliasName: desired.aliasName, TargetKeyId }));
}

export const ALIAS_DRIFTS: readonly KeyDrift[] = [
  {
    tenantId: "alias-gone",
    ruleIds: ["alias-missing"],
    inject: async ({ stage }, { desired }) => {
      await stage.root.kms.send(new DeleteAliasCommand({ AliasName: desired.aliasName }));
    },
  },
  {
    tenantId: "alias-on-foreign-key",
    ruleIds: ["alias-on-another-key"],
    inject: async (bench, key) => lead(bench, key, await bench.foreignKey()),
  },
  {
    tenantId: "alias-on-dying-key",
    ruleIds: ["alias-on-dying-key"],
    inject: async (bench, key) => {
      const KeyId = await bench.foreignKey();
      await lead(bench, key, KeyId);
      await bench.stage.root.kms.send(new ScheduleKeyDeletionCommand({ KeyId }));
    },
  },
];
