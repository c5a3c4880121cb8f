/**
 * The KMS calls that Prowler makes for the same keys before its five KMS checks (kms_cmk_rotation_enabled,
 * kms_cmk_not_deleted_unintentionally, kms_cmk_are_used, kms_cmk_not_multi_region, kms_key_not_publicly_accessible) look at
 * what it read. Not Prowler itself: its calls, read from prowler/providers/aws/services/kms/kms_service.py of
 * https://github.com/prowler-cloud/prowler at 3e000faa (2026-08-21): one after another, each key in each of four loops.
 */
import { type OperationUse, QuotaModel } from "./quota-model.ts";
import { VirtualClock } from "./virtual-clock.ts";

const KMS_MS = 20;
/** Pages of boto3's paginators where none is asked for: KMS's own defaults. */
const KEYS_PER_PAGE = 100;
const ALIASES_PER_PAGE = 50;

const PER_KEY = ["DescribeKey", "GetKeyRotationStatus", "GetKeyPolicy", "ListResourceTags"] as const;

export async function simulateProwler(
  keys: number,
): Promise<{ readonly seconds: number; readonly uses: readonly OperationUse[] }> {
  const clock = new VirtualClock(0);
  const model = new QuotaModel(clock);
  const times = async (operation: string, calls: number) => {
    for (let call = 0; call < calls; call++) await model.call(`kms:${operation}`, KMS_MS);
  };
  await clock.until(
    (async () => {
      await times("ListKeys", Math.ceil(keys / KEYS_PER_PAGE));
      for (const operation of PER_KEY) await times(operation, keys);
      await times("ListAliases", Math.ceil(keys / ALIASES_PER_PAGE));
    })(),
  );
  return { seconds: clock.nowMs() / 1_000, uses: model.uses() };
}
