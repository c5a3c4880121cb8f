/** Events as EventBridge hands them to the queue, and a tap on what the bus says back. */
import { randomUUID } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import { PutEventsCommand, PutRuleCommand, PutTargetsCommand } from "@aws-sdk/client-eventbridge";
import {
  CreateQueueCommand,
  DeleteMessageCommand,
  GetQueueAttributesCommand,
  GetQueueUrlCommand,
  ReceiveMessageCommand,
  SendMessageCommand,
  SetQueueAttributesCommand,
} from "@aws-sdk/client-sqs";
import { createRegistry, startRun, systemClock } from "@tenantkeys/aws";
import {
  type KeyRecord,
  parseKeyName,
  parseTenantId,
  REPLY_SOURCE,
  SBT_REPLY_SOURCE,
  stageNames,
} from "@tenantkeys/core";
import type { LocalStage } from "@tenantkeys/local";

export interface Envelope {
  readonly id: string;
  readonly source: string;
  readonly "detail-type": string;
  readonly time: string;
  readonly detail: unknown;
}

export function signUpEnvelope(
  tenantId: string,
  change: { readonly generation?: number; readonly id?: string } = {},
): Envelope {
  const { generation, id } = change;
  return {
    id: id ?? randomUUID(),
    source: "tenantkeys.application",
    "detail-type": "TenantSignedUp",
    time: "2026-11-01T09:00:00Z",
    detail: { version: "1", tenantId, ...(generation === undefined ? {} : { generation }) },
  };
}

/** Puts an event on the bus, as a publisher would. */
export async function publish(stage: LocalStage, event: Omit<Envelope, "id">): Promise<void> {
  const { source, detail, time, "detail-type": detailType } = event;
  const entry = { Source: source, DetailType: detailType, Detail: JSON.stringify(detail), Time: new Date(time) };
  const EventBusName = stageNames(stage.settings.stage).bus;
  const { FailedEntryCount } = await stage.root.eventBridge.send(
    new PutEventsCommand({ Entries: [{ ...entry, EventBusName }] }),
  );
  if (FailedEntryCount !== 0) throw new Error(`the bus refused ${detailType}`);
}

/** Any other event about a tenant, published now: each is newer than the one before. */
export function tenantEnvelope(type: string, detail: object): Envelope {
  return {
    id: randomUUID(),
    source: "tenantkeys.application",
    "detail-type": type,
    time: new Date().toISOString(),
    detail: { version: "1", generation: nextGeneration(), ...detail },
  };
}

let generation = Date.now();
/** Higher than every one before, also within a millisecond. */
function nextGeneration(): number {
  generation = Math.max(generation + 1, Date.now());
  return generation;
}

async function queueUrl(stage: LocalStage, name: string): Promise<string> {
  return (await stage.root.sqs.send(new GetQueueUrlCommand({ QueueName: name }))).QueueUrl ?? "";
}

/** Hands an event to the provisioning queue, as the bus's rule would. */
export async function deliver(stage: LocalStage, envelope: Envelope): Promise<void> {
  const url = await queueUrl(stage, stageNames(stage.settings.stage).queue);
  await stage.root.sqs.send(new SendMessageCommand({ QueueUrl: url, MessageBody: JSON.stringify(envelope) }));
}

export async function messagesIn(stage: LocalStage, name: string): Promise<number> {
  const AttributeNames = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"] as const;
  const command = new GetQueueAttributesCommand({
    QueueUrl: await queueUrl(stage, name),
    AttributeNames: [...AttributeNames],
  });
  const { Attributes } = await stage.root.sqs.send(command);
  return AttributeNames.reduce((sum, attribute) => sum + Number(Attributes?.[attribute] ?? 0), 0);
}

export async function readRecord(stage: LocalStage, tenantId: string, key = "default"): Promise<KeyRecord | undefined> {
  const registry = createRegistry(stage.root, stageNames(stage.settings.stage).registryTable);
  return registry.get(startRun(systemClock, 10_000, 1_000), parseTenantId(tenantId), parseKeyName(key));
}

/** Polls until `read` gives something; a test's only way to wait. @throws Error naming `what` after the deadline */
export async function until<T>(
  what: string,
  read: () => Promise<T | undefined | false>,
  deadlineMs = 60_000,
): Promise<T> {
  const endMs = Date.now() + deadlineMs;
  while (Date.now() < endMs) {
    const value = await read();
    if (value !== undefined && value !== false) return value;
    await delay(100);
  }
  throw new Error(`waited ${deadlineMs} ms for ${what}`);
}

export function untilActive(stage: LocalStage, tenantId: string, key = "default"): Promise<KeyRecord> {
  return until(`${tenantId} to be active`, async () => {
    const record = await readRecord(stage, tenantId, key);
    return record?.state === "active" && record.leaseUntilMs === 0 && record;
  });
}

/** All queues of the stage empty: everything sent has come to its end. */
export function untilSettled(stage: LocalStage): Promise<true> {
  const { queue } = stageNames(stage.settings.stage);
  return until("the provisioning queue to be empty", async () => (await messagesIn(stage, queue)) === 0);
}

export interface ReplyTap {
  /** Waits for a reply that `wanted` accepts and takes it; other replies are kept for later questions. */
  next(what: string, wanted: (reply: Reply) => boolean): Promise<Reply>;
  /** Every reply that came so far, as JSON text. */
  bodies(): readonly string[];
}

interface Reply {
  readonly detailType: string;
  readonly detail: Readonly<Record<string, unknown>>;
}

/** Subscribes a queue of the test's own to everything that tenantkeys publishes, in its own words and in SBT-AWS's. */
export async function tapReplies(stage: LocalStage): Promise<ReplyTap> {
  const { bus } = stageNames(stage.settings.stage);
  const { QueueUrl } = await stage.root.sqs.send(new CreateQueueCommand({ QueueName: `reply-tap-${randomUUID()}` }));
  const { Attributes } = await stage.root.sqs.send(
    new GetQueueAttributesCommand({ QueueUrl, AttributeNames: ["QueueArn"] }),
  );
  const Arn = Attributes?.QueueArn ?? "";
  const Policy = JSON.stringify({
    Version: "2012-10-17",
    Statement: [
      { Effect: "Allow", Principal: { Service: "events.amazonaws.com" }, Action: "sqs:SendMessage", Resource: Arn },
    ],
  });
  await stage.root.sqs.send(new SetQueueAttributesCommand({ QueueUrl, Attributes: { Policy } }));
  const EventPattern = JSON.stringify({ source: [REPLY_SOURCE, SBT_REPLY_SOURCE] });
  await stage.root.eventBridge.send(new PutRuleCommand({ Name: "reply-tap", EventBusName: bus, EventPattern }));
  await stage.root.eventBridge.send(
    new PutTargetsCommand({ Rule: "reply-tap", EventBusName: bus, Targets: [{ Id: "tap", Arn }] }),
  );
  const seen: Reply[] = [];
  const bodies: string[] = [];
  const next = (what: string, wanted: (reply: Reply) => boolean) =>
    until(what, async () => {
      const received = await receiveAll(stage, QueueUrl ?? "");
      seen.push(...received);
      bodies.push(...received.map((reply) => JSON.stringify(reply)));
      const index = seen.findIndex(wanted);
      return index < 0 ? undefined : seen.splice(index, 1)[0];
    });
  return { next, bodies: () => bodies };
}

async function receiveAll(stage: LocalStage, QueueUrl: string): Promise<readonly Reply[]> {
  const { Messages } = await stage.root.sqs.send(new ReceiveMessageCommand({ QueueUrl, MaxNumberOfMessages: 10 }));
  const replies: Reply[] = [];
  for (const { Body, ReceiptHandle } of Messages ?? []) {
    const event = JSON.parse(Body ?? "{}");
    replies.push({ detailType: event["detail-type"], detail: event.detail });
    await stage.root.sqs.send(new DeleteMessageCommand({ QueueUrl, ReceiptHandle }));
  }
  return replies;
}
