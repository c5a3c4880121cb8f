/**
 * Tells the alarm topic of critical findings as they open. The page tells it only when it begins to ring: without this, a
 * page that rings for one tenant's trouble would keep quiet about another's.
 */
import { PublishCommand, SNSClient } from "@aws-sdk/client-sns";
import { asTenantKeysError, type Stage, type StoredFinding, type TenantKeysError } from "@tenantkeys/core";
import { type ClientOptions, clientConfig } from "../clients.ts";
import { narrowAwsError } from "../narrow-error.ts";
import type { Run } from "../run.ts";
import type { FindingStore } from "./ports.ts";

/** One fault may open thousands: after a message its function keeps quiet for as long, since somebody is looking by then. */
export const QUIET_BETWEEN_CALLS_MS = 5 * 60_000;

export interface CriticalCall {
  readonly sns: SNSClient;
  readonly topicArn: string;
  readonly stage: Stage;
  /** Gets why the topic couldn't be told, to be logged: it stops nothing, since the metric rings as well. */
  onUncalled(error: TenantKeysError): void;
}

/** SNS's client, apart from the others: the worker's bundle leaves it out. */
export function createSnsClient(options: ClientOptions): SNSClient {
  return new SNSClient(clientConfig(options));
}

/** @returns what makes a store of findings call; made once in a function's life, as it remembers when it called last */
export function createCriticalCalls(call: CriticalCall): (store: FindingStore) => FindingStore {
  let calledAtMs = Number.NEGATIVE_INFINITY;
  const callOut = async (run: Run, opened: readonly StoredFinding[]): Promise<void> => {
    const critical = opened.filter(({ severity }) => severity === "critical");
    const nowMs = run.clock.nowMs();
    if (critical.length === 0 || nowMs < calledAtMs + QUIET_BETWEEN_CALLS_MS) return;
    calledAtMs = nowMs;
    await publish(call, run, critical).catch((error) => {
      calledAtMs = Number.NEGATIVE_INFINITY;
      call.onUncalled(asTenantKeysError(error));
    });
  };
  return (store) => ({
    ...store,
    async record(run, scope, findings) {
      const changes = await store.record(run, scope, findings);
      await callOut(run, changes.opened);
      return changes;
    },
  });
}

/** No tenant and no ARN: whoever subscribes to the topic may be anybody. */
async function publish({ sns, topicArn, stage }: CriticalCall, run: Run, critical: readonly StoredFinding[]) {
  const message = {
    stage,
    criticalFindings: [...new Set(critical.map(({ ruleId }) => ruleId))].sort(),
    look: `tenantkeys findings --severity critical --stage ${stage}`,
    runbook: "docs/runbook.md#critical-findings",
  };
  const command = new PublishCommand({
    TopicArn: topicArn,
    Subject: `tenantkeys ${stage}: a critical finding`,
    Message: JSON.stringify(message, null, 2),
  });
  try {
    await sns.send(command, { abortSignal: run.signal });
  } catch (error) {
    throw narrowAwsError(error, "sns:Publish");
  }
}
