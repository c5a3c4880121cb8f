import type { InspectionDepth, VerifiedTenantKey, VerifyOptions } from "@tenantkeys/aws";
import {
  asTenantKeysError,
  type Finding,
  type KeyAttributes,
  type KeyName,
  type KeyRecord,
  parseKeyName,
  parseTenantId,
  severityRank,
  TENANT_KEY_RULES,
  type TenantId,
  TenantKeysError,
} from "@tenantkeys/core";
import type { Command } from "commander";
import { knownTenant } from "../declare.ts";
import { EXIT, type ExitCode } from "../exit-codes.ts";
import { bySeverity, findingData, findingTable, type ShownFinding, shownFindings } from "../finding-table.ts";
import { inParallel } from "../in-parallel.ts";
import { keyOf } from "../key-of.ts";
import { identifier } from "../option-parsers.ts";
import { errorData } from "../output.ts";
import { countText, timeText } from "../plain-text.ts";
import type { Session } from "../ports.ts";
import { sweepLateness } from "../sweep-lateness.ts";
import { textTable } from "../text-table.ts";
import { UsageError } from "../usage-error.ts";
import { type Act, addExamples } from "./command.ts";

/** Keys that are looked at side by side: enough to fill the time that replies take, and the quota share paces the rest. */
const KEYS_AT_ONCE = 8;
/** What fails so often without ever having worked has one cause, and would fail for all. */
const FIRST_FAILURES_MAX = 20;
const FAILURES_SHOWN_MAX = 20;

type Chosen = Omit<VerifyOptions, "onUntold">;

type KeyId = Pick<KeyRecord, "tenantId" | "keyName">;

interface VerifiedKey extends KeyId {
  readonly attributes: KeyAttributes | undefined;
  readonly findings: number;
}

interface FailedKey extends KeyId {
  readonly error: TenantKeysError;
}

interface Verified {
  readonly keys: VerifiedKey[];
  readonly findings: ShownFinding[];
  readonly failed: FailedKey[];
  closed: number;
  /** Why Security Hub couldn't be told of something, the first time. */
  untold: TenantKeysError | undefined;
  /** Why it ended before everything was looked at. */
  stopped: string | undefined;
}

async function verifyTenant(
  session: Session,
  tenantId: TenantId,
  keyName: KeyName | undefined,
  options: Chosen,
): Promise<ExitCode> {
  const view = await knownTenant(session, tenantId);
  const keys = keyName === undefined ? view.keys : [keyOf(view, tenantId, keyName)];
  const verified = await verifyKeys(session, keys, options);
  return answer(session, verified);
}

async function verifyAll(session: Session, options: Chosen): Promise<ExitCode> {
  const { operator, run, output } = session;
  const { current } = await operator.sweeps(run, 1);
  const late = sweepLateness(current, run.clock.nowMs(), operator.settings.sweepIntervalMinutes);
  const verified = await verifyKeys(session, operator.listKeys(run), options);
  const exitCode = answer(session, verified, { sweep: { startedAtMs: current?.startedAtMs, late } });
  output.note(late === undefined ? `the last sweep began at ${timeText(current?.startedAtMs)}` : `overdue: ${late}`);
  return exitCode;
}

async function verifyKeys(
  session: Session,
  keys: AsyncIterable<KeyId> | Iterable<KeyId>,
  chosen: Chosen,
): Promise<Verified> {
  const { operator, run, progress } = session;
  const all: Verified = { keys: [], findings: [], failed: [], closed: 0, stopped: undefined, untold: undefined };
  const options: VerifyOptions = {
    ...chosen,
    onUntold(error) {
      all.untold ??= error;
    },
  };
  await inParallel(keys, KEYS_AT_ONCE, async ({ tenantId, keyName }) => {
    try {
      add(all, { tenantId, keyName }, await operator.verifyKey(run, tenantId, keyName, options));
    } catch (cause) {
      const error = asTenantKeysError(cause);
      all.failed.push({ tenantId, keyName, error });
      // Either comes for whatever is left as well.
      const isOver = error.code === "deadline_near" || error.code === "rate_limited";
      if (isOver) all.stopped = "the command's time was over";
      else if (all.keys.length === 0 && all.failed.length >= FIRST_FAILURES_MAX) {
        all.stopped = `the first ${FIRST_FAILURES_MAX} keys all failed`;
      }
    }
    progress.update(`${countText(all.keys.length, "key")} verified, ${countText(all.findings.length, "finding")}`);
    return all.stopped === undefined;
  });
  all.findings.sort(bySeverity);
  return all;
}

function add(all: Verified, key: KeyId, verified: VerifiedTenantKey): void {
  const { verdict, changes } = verified;
  if (isUnjudged(verified)) {
    all.failed.push({ ...key, error: new TenantKeysError("lease_taken", "a worker has this key in hand", key) });
    return;
  }
  const findings = shownFindings(verified);
  all.keys.push({ ...key, attributes: verdict.attributes, findings: findings.length });
  all.findings.push(...findings);
  all.closed += changes.closed.length;
}

/** A worker has it in hand, so nothing was judged: it may be right in a moment. */
function isUnjudged({ verdict }: VerifiedTenantKey): boolean {
  return verdict.findings.length === 0 && TENANT_KEY_RULES.every((ruleId) => verdict.unjudged.includes(ruleId));
}

/** What is wrong, apart from what is only to be known and from what couldn't be looked at. */
function isWrong({ ruleId, severity }: Finding): boolean {
  return ruleId !== "could-not-verify" && severityRank(severity) > severityRank("information");
}

function exitCodeOf({ findings, failed, stopped }: Verified): ExitCode {
  if (findings.some(isWrong)) return EXIT.differs;
  const isUnknown = failed.length > 0 || stopped !== undefined;
  return isUnknown || findings.some(({ ruleId }) => ruleId === "could-not-verify") ? EXIT.unknown : EXIT.done;
}

/** @param ofAll what is said of all tenants; a single one's keys are shown to people instead */
function answer({ output }: Session, verified: Verified, ofAll?: Readonly<Record<string, unknown>>): ExitCode {
  const { keys, findings, failed, closed, stopped, untold } = verified;
  const counts = { verified: keys.length, findings: findings.length, closed, failed: failed.length };
  const data = {
    ...ofAll,
    counts,
    stopped,
    securityHub: untold && errorData(untold),
    keys,
    findings: findings.map(findingData),
    failed: failed.map(({ tenantId, keyName, error }) => ({ tenantId, keyName, error: errorData(error) })),
  };
  output.answer(data, () => {
    const tables = [
      ...(ofAll === undefined ? [keyTable(keys)] : []),
      ...(findings.length > 0 ? [findingTable(findings)] : []),
    ];
    return [...tables, `${summary(verified)}\n`].join("\n");
  });
  for (const { tenantId, keyName, error } of failed.slice(0, FAILURES_SHOWN_MAX)) {
    output.note(`not verified: ${tenantId}/${keyName}: ${error.code}: ${error.message}`);
  }
  if (failed.length > FAILURES_SHOWN_MAX) output.note(`and ${failed.length - FAILURES_SHOWN_MAX} more; --json has all`);
  if (untold !== undefined) output.note(`Security Hub wasn't told: ${untold.code}: ${untold.message}`);
  if (stopped !== undefined) output.note(`stopped before everything was looked at: ${stopped}`);
  return exitCodeOf(verified);
}

function keyTable(keys: readonly VerifiedKey[]): string {
  return textTable(
    ["KEY", "NIST STATE", "FIPS 140", "LAST ROTATED", "NEXT ROTATION", "GRANTS", "FINDINGS"],
    keys.map(({ keyName, attributes, findings }) => [
      keyName,
      attributes?.nistState,
      attributes?.fipsLevel,
      timeText(attributes?.lastRotatedAtMs),
      timeText(attributes?.nextRotationAtMs),
      attributes?.grants,
      findings,
    ]),
  );
}

function summary({ keys, findings, failed, closed }: Verified): string {
  const wrong = findings.filter(isWrong).length;
  const unread = findings.filter(({ ruleId }) => ruleId === "could-not-verify").length;
  return [
    `${countText(keys.length, "key")} verified: ${countText(wrong, "finding")}`,
    `${unread + failed.length} could not be verified`,
    `${findings.length - wrong - unread} for information`,
    `${closed} closed`,
  ].join(", ");
}

interface Flags {
  readonly all?: boolean;
  readonly keyName?: KeyName;
  readonly grants?: boolean;
  readonly asCaller?: boolean;
  readonly record: boolean;
}

/** Grants and past rotations have KMS's narrowest quotas, 100 a second: of all keys they are read where it was said. */
function depthOf({ all = false, grants = !all }: Flags): InspectionDepth {
  return { grants, rotations: grants };
}

export function addVerify(program: Command, act: Act): void {
  const command = program
    .command("verify")
    .description(
      "look at keys now, as the schedule does, and say what isn't as declared; changes nothing in KMS or IAM",
    )
    .argument("[tenantId]", "the keys of this tenant", identifier(parseTenantId))
    .option("--all", "the keys of every tenant that the registry knows")
    .option("--key-name <name>", "with a tenantId: only this key", identifier(parseKeyName))
    .option("--grants", "with --all: read grants and past rotations as well, 100 keys a second at the very most")
    .option("--no-grants", "with a tenantId: leave grants and past rotations out")
    .option("--as-caller", "read with your own credentials instead of as the stage's auditor role")
    .option("--no-record", "only look: neither the registry nor the bus learns what was found")
    .action(async (tenantId: TenantId | undefined, flags: Flags) => {
      if ((tenantId === undefined) !== (flags.all === true))
        throw new UsageError("expected either a tenantId or --all");
      if (tenantId === undefined && flags.keyName !== undefined) throw new UsageError("--key-name: not with --all");
      const options = { depth: depthOf(flags), asCaller: flags.asCaller === true, record: flags.record };
      await act((session) =>
        tenantId === undefined ? verifyAll(session, options) : verifyTenant(session, tenantId, flags.keyName, options),
      );
    });
  addExamples(command, [
    "tenantkeys verify acme",
    "tenantkeys verify acme --key-name payroll --no-record --json",
    "tenantkeys verify --all --grants",
  ]);
}
