/** Where events go that waiting can't help: kept with the reason, to be listed, corrected and replayed by an operator. */
import { PutCommand } from "@aws-sdk/lib-dynamodb";
import { TenantKeysError } from "@tenantkeys/core";
import { EntityParser } from "dynamodb-toolbox/entity/actions/parse";
import type { Clients } from "./clients.ts";
import { narrowAwsError } from "./narrow-error.ts";
import { refusalEntity, refusalPartEntity, registryTable } from "./registry-table.ts";
import type { Run } from "./run.ts";

/** A DynamoDB item may hold 400 KB in UTF-8, and a character of text takes at most 3 bytes of it. */
const PART_CHARACTERS = 100_000;
/** 1 MiB is all that an SQS message may hold. */
const PARTS_MAX = 11;

export interface RefusedEvent {
  /** Unique per event, such as the queue's message id: the same event delivered twice is kept once. */
  readonly refusalId: string;
  /** Epoch milliseconds; the same at every delivery, as it is part of the item's key. */
  readonly receivedAtMs: number;
  /** The event as it came. */
  readonly body: string;
  readonly eventId?: string | undefined;
}

export interface RefusedStore {
  keep(run: Run, event: RefusedEvent, reason: TenantKeysError): Promise<void>;
}

export function createRefusedStore(clients: Clients, tableName: string): RefusedStore {
  const table = registryTable(clients.documents, tableName);
  const refusals = refusalEntity(table);
  const parts = refusalPartEntity(table);
  return {
    async keep(run, event, reason) {
      const { refusalId, eventId, receivedAtMs: keptAtMs } = event;
      const texts = cut(event.body);
      const options = { abortSignal: run.signal };
      const { tenantId, keyName, step, field } = reason.details;
      const { code, nextAction } = reason;
      const message = reason.message.slice(0, 2000);
      const refusal = { refusalId, keptAtMs, eventId, tenantId, keyName, step, field, code, message, nextAction };
      const put = (Item: Record<string, unknown>) =>
        clients.documents.send(new PutCommand({ TableName: tableName, Item }), options);
      try {
        for (const [part, text] of texts.entries()) {
          await put(parts.build(EntityParser).parse({ refusalId, part, text }).item);
        }
        await put(refusals.build(EntityParser).parse({ ...refusal, parts: texts.length }).item);
      } catch (cause) {
        throw narrowAwsError(cause, "dynamodb:PutItem");
      }
    },
  };
}

function cut(body: string): readonly string[] {
  const texts: string[] = [];
  for (let start = 0; start < body.length; start += PART_CHARACTERS)
    texts.push(body.slice(start, start + PART_CHARACTERS));
  if (texts.length <= PARTS_MAX) return texts;
  throw new TenantKeysError("event_too_large", `the event holds ${body.length} characters, more than a message can`);
}
