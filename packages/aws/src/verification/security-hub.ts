/**
 * Tells AWS Security Hub what verification found, where the stage's settings say so. It is told after the registry and
 * the bus, and nothing depends on it: where it isn't there or says no, that is reported and verification goes on.
 */
import { BatchImportFindingsCommand, SecurityHubClient } from "@aws-sdk/client-securityhub";
import {
  type AsffFinding,
  asffFinding,
  asTenantKeysError,
  type StageContext,
  type StageSettings,
  TenantKeysError,
} from "@tenantkeys/core";
import { type ClientOptions, clientConfig } from "../clients.ts";
import { narrowAwsError } from "../narrow-error.ts";
import { checkDeadline, type Run } from "../run.ts";
import type { FindingChanges, FindingStore } from "./ports.ts";

const STEP = "securityhub:BatchImportFindings";
/** Findings that one call takes. */
const BATCH_FINDINGS = 100;
/** A finding that Security Hub didn't take, for no fault of the finding, is sent at most this often in all. */
const SENDS_MAX = 3;
const RESEND_DELAY_MS = 200;
/**
 * Security Hub drops a finding 90 days after its last update. One that stays open is told again by the next sweep, in case
 * that the first time failed, and by one sweep of every week after: not by each, as it takes 10 calls a second.
 */
const REFRESH_PERIOD_MS = 7 * 24 * 60 * 60 * 1000;
/** Of the time between two sweeps: late ones are in time, and two of them rarely. */
const REFRESH_INTERVALS = 1.5;
const MINUTE_MS = 60_000;

export interface SecurityHubPorts {
  /** Undefined where the stage doesn't tell Security Hub. */
  readonly securityHub: SecurityHubClient | undefined;
  readonly context: StageContext;
  readonly settings: Pick<StageSettings, "sweepIntervalMinutes">;
}

export interface SecurityHubOutcome {
  readonly sent: number;
  readonly failed: number;
  /** Why some failed. */
  readonly error?: TenantKeysError | undefined;
}

export interface UntoldFindings extends SecurityHubOutcome {
  readonly error: TenantKeysError;
}

/** @returns undefined where the stage's settings don't switch it on */
export function createSecurityHub(
  options: ClientOptions,
  settings: Pick<StageSettings, "securityHub">,
): SecurityHubClient | undefined {
  return settings.securityHub ? new SecurityHubClient(clientConfig(options)) : undefined;
}

/** To be called with what FindingStore.record gave. Never throws: an outcome that failed is the caller's to report. */
export async function tellSecurityHub(
  { securityHub, context, settings }: SecurityHubPorts,
  run: Run,
  { opened, stillOpen, closed }: FindingChanges,
): Promise<SecurityHubOutcome> {
  if (securityHub === undefined) return { sent: 0, failed: 0 };
  const nowMs = run.clock.nowMs();
  const refreshMs = REFRESH_INTERVALS * settings.sweepIntervalMinutes * MINUTE_MS;
  const refreshed = stillOpen.filter(({ firstSeenAtMs }) => (nowMs - firstSeenAtMs) % REFRESH_PERIOD_MS < refreshMs);
  const findings = [...opened, ...closed, ...refreshed].map((one) => asffFinding(context, one));
  let sent = 0;
  let error: TenantKeysError | undefined;
  for (let start = 0; start < findings.length; start += BATCH_FINDINGS) {
    try {
      const batch = findings.slice(start, start + BATCH_FINDINGS);
      const refused = await sendBatch(securityHub, run, batch);
      sent += batch.length - refused.length;
      error ??= refusal(refused);
    } catch (cause) {
      // What failed as a whole, fails for the rest as well.
      error = asTenantKeysError(cause);
      break;
    }
  }
  return { sent, failed: findings.length - sent, error };
}

/**
 * A store of findings that tells Security Hub of every change as well.
 * @param onUntold gets why something couldn't be told
 */
export function withSecurityHub(
  store: FindingStore,
  ports: SecurityHubPorts,
  onUntold: (untold: UntoldFindings) => void,
): FindingStore {
  if (ports.securityHub === undefined) return store;
  return {
    ...store,
    async record(run, scope, findings) {
      const changes = await store.record(run, scope, findings);
      const { error, ...outcome } = await tellSecurityHub(ports, run, changes);
      if (error !== undefined) onUntold({ ...outcome, error });
      return changes;
    },
  };
}

interface Refused {
  readonly id: string | undefined;
  readonly code: string;
  readonly message: string;
}

/** @returns the findings that weren't taken, after all tries */
async function sendBatch(
  securityHub: SecurityHubClient,
  run: Run,
  findings: readonly AsffFinding[],
): Promise<readonly Refused[]> {
  const final: Refused[] = [];
  let pending = findings;
  for (let send = 1; ; send++) {
    checkDeadline(run, STEP);
    const refused = await sendOnce(securityHub, run, pending);
    // Security Hub would find the same fault again.
    final.push(...refused.filter(({ code }) => code === "InvalidInput"));
    const later = refused.filter(({ code }) => code !== "InvalidInput");
    const ids = new Set(later.map(({ id }) => id));
    pending = pending.filter(({ Id }) => ids.has(Id));
    if (pending.length === 0 || send === SENDS_MAX) return [...final, ...later];
    await run.clock.sleep(RESEND_DELAY_MS * send);
  }
}

async function sendOnce(
  securityHub: SecurityHubClient,
  run: Run,
  findings: readonly AsffFinding[],
): Promise<readonly Refused[]> {
  try {
    const command = new BatchImportFindingsCommand({ Findings: [...findings] });
    const { FailedFindings } = await securityHub.send(command, { abortSignal: run.signal });
    return (FailedFindings ?? []).map(({ Id, ErrorCode, ErrorMessage }) => ({
      id: Id,
      code: ErrorCode ?? "NoCode",
      message: ErrorMessage ?? "",
    }));
  } catch (error) {
    throw narrowAwsError(error, STEP);
  }
}

function refusal([first, ...others]: readonly Refused[]): TenantKeysError | undefined {
  if (first === undefined) return undefined;
  const more = others.length === 0 ? "" : ` (and ${others.length} more)`;
  return new TenantKeysError("aws_unexpected", `${STEP}: ${first.id}: ${first.code}: ${first.message}${more}`, {
    step: STEP,
  });
}
