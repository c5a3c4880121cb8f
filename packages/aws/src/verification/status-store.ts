/** When each key was last verified, what was read of it then, and what auditors ask of it. */
import { GetCommand, PutCommand } from "@aws-sdk/lib-dynamodb";
import type { KeyAttributes, KeyName, PolicyOpinion, TenantId } from "@tenantkeys/core";
import { EntityFormatter } from "dynamodb-toolbox/entity/actions/format";
import { EntityParser } from "dynamodb-toolbox/entity/actions/parse";
import type { Clients } from "../clients.ts";
import { narrowAwsError } from "../narrow-error.ts";
import { readItem } from "../registry.ts";
import { CHECKS_PREFIX, registryTable, VERIFIED_PREFIX, verifiedKeyEntity } from "../registry-table.ts";
import type { Run } from "../run.ts";
import { itemsOfTenant } from "../tenant-items.ts";

/** Times are epoch milliseconds. */
export interface VerificationStatus {
  readonly tenantId: TenantId;
  readonly keyName: KeyName;
  readonly verifiedAtMs: number;
  /** Grants and past rotations are read in fewer checks than the rest. */
  readonly grantsReadAtMs?: number | undefined;
  readonly rotationsReadAtMs?: number | undefined;
  /** Absent where there was no key to look at. */
  readonly attributes?: KeyAttributes | undefined;
  /** What IAM Access Analyzer said of the key's policy, where it was asked. */
  readonly policyOpinion?: PolicyOpinion | undefined;
}

export interface StatusStore {
  /** Takes in a check; what it didn't read stays as the last check that did read it left it. */
  record(run: Run, status: VerificationStatus): Promise<void>;
  get(run: Run, tenantId: TenantId, keyName: KeyName): Promise<VerificationStatus | undefined>;
  ofTenant(run: Run, tenantId: TenantId): Promise<readonly VerificationStatus[]>;
}

export function createStatusStore(clients: Clients, tableName: string): StatusStore {
  const entity = verifiedKeyEntity(registryTable(clients.documents, tableName));
  const toStatus = (item: Record<string, unknown>): VerificationStatus =>
    readItem(item, () => new EntityFormatter(entity).format(item) as unknown as VerificationStatus);
  const get: StatusStore["get"] = async (run, tenantId, keyName) => {
    const Key = { pk: `${CHECKS_PREFIX}${tenantId}`, sk: `${VERIFIED_PREFIX}${keyName}` };
    const command = new GetCommand({ TableName: tableName, Key });
    const { Item } = await clients.documents.send(command, { abortSignal: run.signal }).catch((error) => {
      throw narrowAwsError(error, "dynamodb:GetItem");
    });
    return Item === undefined ? undefined : toStatus(Item);
  };
  return {
    get,
    async ofTenant(run, tenantId) {
      return (await itemsOfTenant(clients, run, tableName, tenantId, VERIFIED_PREFIX, CHECKS_PREFIX)).map(toStatus);
    },
    async record(run, status) {
      const before = await get(run, status.tenantId, status.keyName);
      const { item } = entity.build(EntityParser).parse(mergeStatus(before, status) as never);
      const command = new PutCommand({ TableName: tableName, Item: item });
      await clients.documents.send(command, { abortSignal: run.signal }).catch((error) => {
        throw narrowAwsError(error, "dynamodb:PutItem");
      });
    },
  };
}

/** The newer status, with what the earlier one knows of the same key and this check didn't read. */
export function mergeStatus(before: VerificationStatus | undefined, status: VerificationStatus): VerificationStatus {
  const { attributes, grantsReadAtMs, rotationsReadAtMs } = status;
  if (attributes === undefined || before?.attributes?.keyArn !== attributes.keyArn) return status;
  const known = before.attributes;
  return {
    ...status,
    grantsReadAtMs: grantsReadAtMs ?? before.grantsReadAtMs,
    rotationsReadAtMs: rotationsReadAtMs ?? before.rotationsReadAtMs,
    policyOpinion: status.policyOpinion ?? before.policyOpinion,
    attributes: {
      ...attributes,
      lastRotatedAtMs: attributes.lastRotatedAtMs ?? known.lastRotatedAtMs,
      rotationsOnRequest: attributes.rotationsOnRequest ?? known.rotationsOnRequest,
      grants: attributes.grants ?? known.grants,
    },
  };
}
