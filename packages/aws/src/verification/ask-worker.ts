/** Has the worker do what verification itself may not: straight through its queue, so that SQS says who asked. */
import { SendMessageCommand } from "@aws-sdk/client-sqs";
import { busMessage, type OutgoingEvent, reviewEvent } from "../bus-message.ts";
import type { Clients } from "../clients.ts";
import { narrowAwsError } from "../narrow-error.ts";
import type { Run } from "../run.ts";
import type { FoundTenantKey } from "./find-tenant-key.ts";
import type { GuardPorts } from "./guard-ports.ts";

export interface AskPorts extends Pick<GuardPorts, "provisioningQueueUrl" | "context" | "newEventId"> {
  readonly clients: Pick<Clients, "sqs">;
}

export function askForReview(ports: AskPorts, run: Run, key: FoundTenantKey): Promise<void> {
  return askWorker(ports, run, reviewEvent(ports.context.stage, key));
}

export async function askWorker(ports: AskPorts, run: Run, event: OutgoingEvent): Promise<void> {
  const MessageBody = busMessage(ports.context, event, ports.newEventId(), run.clock.nowMs());
  try {
    const command = new SendMessageCommand({ QueueUrl: ports.provisioningQueueUrl, MessageBody });
    await ports.clients.sqs.send(command, { abortSignal: run.signal });
  } catch (error) {
    throw narrowAwsError(error, "sqs:SendMessage");
  }
}
