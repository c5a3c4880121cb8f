/** Sends what the bus's archive holds of a time to the worker's rule again. EventBridge does it; this starts it and looks. */
import {
  DescribeArchiveCommand,
  DescribeReplayCommand,
  type EventBridgeClient,
  StartReplayCommand,
} from "@aws-sdk/client-eventbridge";
import { TenantKeysError } from "@tenantkeys/core";
import { narrowAwsError } from "../narrow-error.ts";
import type { Run } from "../run.ts";

export interface ArchivePorts {
  readonly eventBridge: EventBridgeClient;
  readonly archiveName: string;
  readonly arns: { readonly archive: string; readonly bus: string; readonly rule: string };
}

/** Epoch milliseconds; EventBridge counts seconds. */
export interface ArchiveWindow {
  readonly fromMs: number;
  readonly toMs: number;
}

export interface ArchiveSize {
  /** Of the whole archive: EventBridge doesn't say it of a window. */
  readonly events: number;
  readonly bytes: number;
}

export interface ReplayProgress {
  /** As EventBridge names it: STARTING, RUNNING, CANCELLING, COMPLETED, CANCELLED or FAILED. */
  readonly state: string;
  readonly reason: string | undefined;
  /** The time of the last event that was sent, in epoch milliseconds. */
  readonly lastReplayedMs: number | undefined;
}

export async function archiveSize({ eventBridge, archiveName }: ArchivePorts, run: Run): Promise<ArchiveSize> {
  try {
    const command = new DescribeArchiveCommand({ ArchiveName: archiveName });
    const { EventCount = 0, SizeBytes = 0 } = await eventBridge.send(command, { abortSignal: run.signal });
    return { events: EventCount, bytes: SizeBytes };
  } catch (error) {
    throw narrowAwsError(error, "events:DescribeArchive");
  }
}

/**
 * To the provisioning rule alone: other rules on the bus are other people's, and have had these events.
 * @param replayName unique in the account and Region for 90 days
 */
export async function startArchiveReplay(
  { eventBridge, arns }: ArchivePorts,
  run: Run,
  replayName: string,
  { fromMs, toMs }: ArchiveWindow,
): Promise<void> {
  const command = new StartReplayCommand({
    ReplayName: replayName,
    EventSourceArn: arns.archive,
    EventStartTime: new Date(fromMs),
    EventEndTime: new Date(toMs),
    Destination: { Arn: arns.bus, FilterArns: [arns.rule] },
  });
  try {
    await eventBridge.send(command, { abortSignal: run.signal });
  } catch (error) {
    throw narrowAwsError(error, "events:StartReplay");
  }
}

export async function replayProgress(
  { eventBridge }: ArchivePorts,
  run: Run,
  replayName: string,
): Promise<ReplayProgress> {
  try {
    const command = new DescribeReplayCommand({ ReplayName: replayName });
    const answer = await eventBridge.send(command, { abortSignal: run.signal });
    if (answer.State === undefined) {
      throw new TenantKeysError("aws_unexpected", `events:DescribeReplay: no state of ${replayName}`);
    }
    return {
      state: answer.State,
      reason: answer.StateReason,
      lastReplayedMs: answer.EventLastReplayedTime?.getTime(),
    };
  } catch (error) {
    throw narrowAwsError(error, "events:DescribeReplay");
  }
}
