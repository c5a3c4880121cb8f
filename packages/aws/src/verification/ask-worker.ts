/** Has the worker do what verification itself may not: straight through its queue, so that SQS says who asked. */
import { SendMessageCommand } from "@aws-sdk/client-sqs";
import type { RuleId } from "@tenantkeys/core";
import { busMessage, type OutgoingEvent, repairEvent, reviewEvent } from "../bus-message.ts";
import { narrowAwsError } from "../narrow-error.ts";
import type { Run } from "../run.ts";
import type { FoundTenantKey } from "./find-tenant-key.ts";
import type { GuardPorts } from "./guard-ports.ts";

type AskPorts = Pick<GuardPorts, "clients" | "provisioningQueueUrl" | "context" | "newEventId">;

export function askForReview(ports: AskPorts, run: Run, key: FoundTenantKey): Promise<void> {
  return ask(ports, run, reviewEvent(ports.context.stage, key));
}

/** @param rules what they found is put right, and nothing else */
export function askForRepair(ports: AskPorts, run: Run, key: FoundTenantKey, rules: readonly RuleId[]): Promise<void> {
  return ask(ports, run, repairEvent(ports.context.stage, key, rules, { automatic: true }));
}

async function ask(ports: AskPorts, run: Run, event: OutgoingEvent): Promise<void> {
  const MessageBody = busMessage(ports.context, event, ports.newEventId(), run.clock.nowMs());
  try {
    const command = new SendMessageCommand({ QueueUrl: ports.provisioningQueueUrl, MessageBody });
    await ports.clients.sqs.send(command, { abortSignal: run.signal });
  } catch (error) {
    throw narrowAwsError(error, "sqs:SendMessage");
  }
}
