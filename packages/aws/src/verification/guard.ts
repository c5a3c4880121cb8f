/**
 * The guard: an event of AWS's own about a KMS key leads to the verification of the tenant key that it touched, at once.
 * AWS delivers events at least once and reads of KMS lag, so everything here may be done twice, and looks again before it
 * believes that nothing happened.
 */
import {
  type ErrorCode,
  FINDINGS_METRICS,
  type Finding,
  isKeyUse,
  type KmsEvent,
  parseKmsEvent,
  type RuleId,
  type StoredFinding,
  TenantKeysError,
  tenantKeyOfAlias,
  VERIFICATION_METRICS,
} from "@tenantkeys/core";
import type { Run } from "../run.ts";
import { askForReview } from "./ask-worker.ts";
import type { FoundTenantKey } from "./find-tenant-key.ts";
import type { GuardedKey, GuardMessage, GuardOutcome, GuardPorts } from "./guard-ports.ts";
import { ownerOfKey } from "./owner-of-key.ts";
import type { VerifiedTenantKey } from "./ports.ts";
import { putCounts } from "./put-counts.ts";
import { isShownYet } from "./shown-yet.ts";
import { verifyTenantKeyNow } from "./verify-tenant-key.ts";
import { watchUse } from "./watch-use.ts";

/** By receive: together under five minutes, after which a key that is still in hand is the sweep's. */
const LOOK_AGAIN_SECONDS = [5, 15, 60, 120] as const;
/** How often KMS is given time to show what was done; then its word counts. */
const SHOWN_RECEIVES_MAX = 2;

const UNINTENDED: RuleId = "key-pending-deletion-unintended";

/**
 * @throws TenantKeysError `aws_event_unreadable` of what isn't an event of KMS, or what verifying throws
 */
export async function guardEvent(ports: GuardPorts, run: Run, message: GuardMessage): Promise<GuardOutcome> {
  const event = parseKmsEvent(message.event);
  if (isKeyUse(event)) return watchUse(ports, run, event);
  if (event.errorCode !== undefined) return { kind: "ignored", event, reason: "refused-call" };
  const keys = await touchedTenantKeys(ports, run, event);
  if (keys.length === 0) return { kind: "ignored", event, reason: "no-tenants-key" };
  const delaySeconds = LOOK_AGAIN_SECONDS[message.receiveCount - 1];
  const mayWait = delaySeconds !== undefined && message.receiveCount <= SHOWN_RECEIVES_MAX;
  if (mayWait && !(await isShownYet(ports, run, event))) {
    return lookAgain(event, delaySeconds, "change_not_visible", "KMS doesn't show yet what CloudTrail says was done");
  }
  const guarded: GuardedKey[] = [];
  for (const key of keys) guarded.push(await guardKey(ports, run, event, key));
  if (delaySeconds !== undefined && guarded.some(({ leftToSweep }) => leftToSweep)) {
    return lookAgain(event, delaySeconds, "lease_taken", "a worker has the key in hand");
  }
  return { kind: "done", event, keys: guarded };
}

function lookAgain(event: KmsEvent, delaySeconds: number, code: ErrorCode, why: string): GuardOutcome {
  const message = `${event.operation} of ${[...event.keyArns, ...event.aliasNames].join(", ")}: ${why}`;
  return { kind: "unfinished", event, error: new TenantKeysError(code, message, { step: "guard" }), delaySeconds };
}

/** By the ARNs that the event names, and by its aliases, whose names say whose they are. */
async function touchedTenantKeys(ports: GuardPorts, run: Run, event: KmsEvent): Promise<readonly FoundTenantKey[]> {
  const { stage, accountId } = ports.context;
  const found: (FoundTenantKey | undefined)[] = [];
  for (const keyArn of event.keyArns) {
    found.push(await ownerOfKey(ports, run, keyArn));
  }
  // An alias of another account says nothing about ours.
  const aliases = event.accountId === accountId ? event.aliasNames : [];
  found.push(...aliases.map((name) => tenantKeyOfAlias(stage, name)));
  const byName = new Map(
    found.filter((key) => key !== undefined).map((key) => [`${key.tenantId}/${key.keyName}`, key]),
  );
  return [...byName.values()];
}

async function guardKey(ports: GuardPorts, run: Run, event: KmsEvent, key: FoundTenantKey): Promise<GuardedKey> {
  if (event.operation === "DeleteKey" && (await isLeaving(ports, run, key))) {
    await askForReview(ports, run, key);
    return { ...key, opened: [], closed: [], asked: ["review"], leftToSweep: false };
  }
  const depth = { grants: true, rotations: event.operation.includes("Rotat") };
  const verified = await verifyTenantKeyNow(ports, run, key.tenantId, key.keyName, depth);
  const reviews = event.operation === "DeleteExpiredKeyMaterial" && verified.record !== undefined;
  let repairs = false;
  // An alarm that can't be raised mustn't keep the deletion from being cancelled, nor the other way round.
  await allDone([
    alarm(ports, run, verified),
    repair(ports, run, key, verified).then((asked) => {
      repairs = asked;
    }),
    ...(reviews ? [askForReview(ports, run, key)] : []),
  ]);
  const { opened, closed } = verified.changes;
  return {
    ...key,
    opened: rulesOf(opened),
    closed: rulesOf(closed),
    asked: [...(repairs ? (["repair"] as const) : []), ...(reviews ? (["review"] as const) : [])],
    leftToSweep: isInHand(verified),
  };
}

/** What the stage lets be put right without a person. @returns whether the worker was asked for it */
async function repair(
  ports: GuardPorts,
  run: Run,
  { tenantId, keyName }: FoundTenantKey,
  { verdict }: VerifiedTenantKey,
): Promise<boolean> {
  if (verdict.findings.length === 0) return false;
  const { asked } = await ports.repair(run, { tenantId });
  return asked.some((one) => one.keyName === keyName);
}

/** The end of its deletion window is what its offboarding waited for. */
async function isLeaving({ registry }: GuardPorts, run: Run, { tenantId, keyName }: FoundTenantKey): Promise<boolean> {
  const record = await registry.get(run, tenantId, keyName);
  return record !== undefined && ["offboarding", "pending-deletion", "destroyed"].includes(record.state);
}

/** Nothing was judged although there is a record, and nothing stood in the way: a worker is at it. */
function isInHand({ record, verdict }: VerifiedTenantKey): boolean {
  return record !== undefined && verdict.findings.length === 0 && verdict.unjudged.includes(UNINTENDED);
}

/**
 * What pages, and shouldn't wait for the next sweep's count. With every event that finds it, new or not: a count that is
 * put twice rings once, and one that was lost would not ring at all.
 */
async function alarm(ports: GuardPorts, run: Run, { verdict }: VerifiedTenantKey): Promise<void> {
  const count = (matches: (one: Finding) => boolean) => verdict.findings.filter(matches).length;
  await putCounts(ports, run, {
    [VERIFICATION_METRICS.unintendedDeletions]: count(({ ruleId }) => ruleId === UNINTENDED),
    [VERIFICATION_METRICS.couldNotVerify]: count(({ ruleId }) => ruleId === "could-not-verify"),
    [FINDINGS_METRICS.critical]: count(({ severity }) => severity === "critical"),
  });
}

/** Waits for all of them, and then throws what the first that failed threw. */
async function allDone(tasks: readonly Promise<void>[]): Promise<void> {
  const results = await Promise.allSettled(tasks);
  const failed = results.find((result) => result.status === "rejected");
  if (failed !== undefined) throw failed.reason;
}

function rulesOf(findings: readonly StoredFinding[]): readonly RuleId[] {
  return findings.map(({ ruleId }) => ruleId);
}
