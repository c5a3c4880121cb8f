/** The ledger of repairs that nobody asked for, in the registry: one item, written under its version. */
import { GetCommand, PutCommand } from "@aws-sdk/lib-dynamodb";
import { NO_REPAIRS, type RepairLedger } from "@tenantkeys/core";
import { EntityFormatter } from "dynamodb-toolbox/entity/actions/format";
import { EntityParser } from "dynamodb-toolbox/entity/actions/parse";
import type { Clients } from "../clients.ts";
import { errorName, narrowAwsError } from "../narrow-error.ts";
import { readItem } from "../registry.ts";
import { REPAIR_LEDGER_KEY, registryTable, repairLedgerEntity } from "../registry-table.ts";
import type { Run } from "../run.ts";

type Documents = Pick<Clients, "documents">;

export async function readRepairLedger({ documents }: Documents, run: Run, tableName: string): Promise<RepairLedger> {
  const command = new GetCommand({ TableName: tableName, Key: REPAIR_LEDGER_KEY, ConsistentRead: true });
  const { Item } = await documents.send(command, { abortSignal: run.signal }).catch((error) => {
    throw narrowAwsError(error, "dynamodb:GetItem");
  });
  if (Item === undefined) return NO_REPAIRS;
  const entity = repairLedgerEntity(registryTable(documents, tableName));
  return readItem(Item, () => new EntityFormatter(entity).format(Item) as unknown as RepairLedger);
}

/** @returns false where another function has written meanwhile */
export async function writeRepairLedger(
  { documents }: Documents,
  run: Run,
  tableName: string,
  ledger: RepairLedger,
  expectedVersion: number,
): Promise<boolean> {
  const entity = repairLedgerEntity(registryTable(documents, tableName));
  const { item } = entity.build(EntityParser).parse({ ...ledger, keys: ledger.keys.map((key) => ({ ...key })) });
  const command = new PutCommand({
    TableName: tableName,
    Item: item,
    ConditionExpression: "attribute_not_exists(pk) OR version = :expected",
    ExpressionAttributeValues: { ":expected": expectedVersion },
  });
  try {
    await documents.send(command, { abortSignal: run.signal });
    return true;
  } catch (error) {
    if (errorName(error) === "ConditionalCheckFailedException") return false;
    throw narrowAwsError(error, "dynamodb:PutItem");
  }
}
