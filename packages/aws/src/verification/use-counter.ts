/**
 * How often a tenant key is used in a minute, counted by all functions together in one item of the registry. It has a slot
 * for each of 32 minutes, and a minute takes over the slot of the one 32 minutes before it: the item never grows, nothing
 * has to be deleted, and with less than 1 KB a count is one write unit.
 */
import { UpdateCommand, type UpdateCommandInput } from "@aws-sdk/lib-dynamodb";
import type { KeyName, TenantId } from "@tenantkeys/core";
import type { Clients } from "../clients.ts";
import { errorName, narrowAwsError } from "../narrow-error.ts";
import { CHECKS_PREFIX } from "../registry-table.ts";
import type { Run } from "../run.ts";

const SLOTS = 32;
const MINUTE_MS = 60_000;

export interface UseCounter {
  /**
   * Counts one use. Each call counts: a copy of an event counts again.
   * @param atMs when it was, epoch milliseconds
   * @returns how many there were in its minute, this one among them; undefined of one that comes too late to be counted
   */
  count(
    run: Run,
    key: { readonly tenantId: TenantId; readonly keyName: KeyName },
    atMs: number,
  ): Promise<number | undefined>;
}

export function createUseCounter(clients: Pick<Clients, "documents">, tableName: string): UseCounter {
  return {
    async count(run, { tenantId, keyName }, atMs) {
      const minute = Math.floor(atMs / MINUTE_MS);
      const minuteNow = Math.floor(run.clock.nowMs() / MINUTE_MS);
      // A time to come would hold its slot against every true one.
      if (minute <= minuteNow - SLOTS || minute > minuteNow + 1) return undefined;
      const slot = minute % SLOTS;
      const update = {
        TableName: tableName,
        Key: { pk: `${CHECKS_PREFIX}${tenantId}`, sk: `USES#${keyName}` },
        ExpressionAttributeNames: { "#minute": `minute${slot}`, "#count": `count${slot}` },
        ExpressionAttributeValues: { ":minute": minute, ":one": 1 },
        ReturnValues: "UPDATED_NEW",
      } as const;
      const add = { ...update, UpdateExpression: "ADD #count :one", ConditionExpression: "#minute = :minute" };
      const begin = {
        ...update,
        UpdateExpression: "SET #minute = :minute, #count = :one",
        ConditionExpression: "attribute_not_exists(#minute) OR #minute < :minute",
      };
      // A slot's minute only grows. So where another function began this minute in between, the second addition finds it,
      // and where it doesn't, a later minute has the slot.
      for (const input of [add, begin, add]) {
        const count = await updateIf(clients, run, input, `count${slot}`);
        if (count !== undefined) return count;
      }
      return undefined;
    },
  };
}

/** @returns the count; undefined where the condition isn't met */
async function updateIf(
  clients: Pick<Clients, "documents">,
  run: Run,
  input: UpdateCommandInput,
  attribute: string,
): Promise<number | undefined> {
  try {
    const { Attributes } = await clients.documents.send(new UpdateCommand(input), { abortSignal: run.signal });
    return Number(Attributes?.[attribute]);
  } catch (error) {
    if (errorName(error) === "ConditionalCheckFailedException") return undefined;
    throw narrowAwsError(error, "dynamodb:UpdateItem");
  }
}
