/** What the canary tries, and what its outcome means. AWS is asked elsewhere: here is what must work, and what never may. */
import { CANARY_KEY_NAME, CANARY_TENANTS, type CanaryName, NOBODYS_TENANT_ID } from "../canary.ts";
import type { KeyArn, RoleArn, TenantId } from "../ids.ts";
import type { RoleMode } from "../stage-settings.ts";
import { type Finding, finding } from "./finding.ts";

/** Whose session tries: the canary's own, or that of one of its tenants. */
export type CanarySession = "canary" | CanaryName;

/** ReEncryptFrom takes the key's ciphertext to the trying tenant's own key; ReEncryptTo the other way round. */
export type CanaryKeyAction =
  | "kms:CreateGrant"
  | "kms:Decrypt"
  | "kms:DescribeKey"
  | "kms:Encrypt"
  | "kms:GenerateDataKey"
  | "kms:GetKeyPolicy"
  | "kms:ReEncryptFrom"
  | "kms:ReEncryptTo";

interface AttemptBase {
  readonly by: CanarySession;
  /** Whose key it is about, or whose role. */
  readonly of: CanaryName;
  readonly must: "work" | "be-refused";
}

export type CanaryAttempt =
  | (AttemptBase & { readonly action: CanaryKeyAction })
  /** `tag`: which tenant the session is to say that it is of; undefined: it says nothing. */
  | (AttemptBase & { readonly action: "sts:AssumeRole"; readonly tag: TenantId | undefined });

/** `failed`: neither yes nor no, as AWS didn't answer or with another error. `not-tried`: something before it failed. */
export type CanaryResult = "worked" | "refused" | "failed" | "not-tried";

export type TriedAttempt = CanaryAttempt & {
  readonly result: CanaryResult;
  /** AWS's name of the error, or why it wasn't tried. */
  readonly reason?: string | undefined;
};

/**
 * - `passed`: everything was as it must be · `breached`: something worked that must be refused
 * - `failed`: something was left without an answer, or the canary couldn't do what it may
 * - `not-ready`: its tenants can't be used yet
 */
export type CanaryState = "passed" | "breached" | "failed" | "not-ready";

/** One run. Times are epoch milliseconds. */
export interface CanaryRun {
  readonly startedAtMs: number;
  readonly endedAtMs: number;
  readonly state: CanaryState;
  readonly attempts: readonly TriedAttempt[];
  /** What the run waits for, where its tenants aren't ready. */
  readonly waitsFor?: string | undefined;
}

const NAMES = Object.keys(CANARY_TENANTS) as readonly CanaryName[];

function otherThan(name: CanaryName): CanaryName {
  return name === "a" ? "b" : "a";
}

const OWN_USE = ["kms:Encrypt", "kms:Decrypt", "kms:GenerateDataKey"] as const satisfies readonly CanaryKeyAction[];
const AS_OTHER_TENANT: readonly CanaryKeyAction[] = [
  ...OWN_USE,
  "kms:ReEncryptFrom",
  "kms:ReEncryptTo",
  "kms:CreateGrant",
  "kms:DescribeKey",
  "kms:GetKeyPolicy",
];
const AS_CANARY: readonly CanaryKeyAction[] = [...OWN_USE, "kms:CreateGrant", "kms:DescribeKey", "kms:GetKeyPolicy"];

/** Every attempt of a run, in an order in which none needs what comes later: sessions, ciphertexts, then what is forbidden. */
export function canaryAttempts(roleMode: RoleMode): readonly CanaryAttempt[] {
  const each = (attemptsOf: (of: CanaryName) => readonly CanaryAttempt[]) => NAMES.flatMap(attemptsOf);
  const assume = (by: CanarySession, of: CanaryName, tag: TenantId | undefined, must: CanaryAttempt["must"]) =>
    ({ by, of, must, action: "sts:AssumeRole", tag }) as const;
  const use = (by: CanarySession, of: CanaryName, actions: readonly CanaryKeyAction[], must: CanaryAttempt["must"]) =>
    actions.map((action) => ({ by, of, must, action }));
  return [
    ...each((of) => [assume("canary", of, CANARY_TENANTS[of], "work")]),
    ...each((of) => use(of, of, OWN_USE, "work")),
    ...each((of) => [
      assume("canary", of, wrongTag(roleMode, of), "be-refused"),
      assume("canary", of, undefined, "be-refused"),
      assume(otherThan(of), of, CANARY_TENANTS[of], "be-refused"),
    ]),
    ...each((of) => use(otherThan(of), of, AS_OTHER_TENANT, "be-refused")),
    ...each((of) => use("canary", of, AS_CANARY, "be-refused")),
  ];
}

/** The shared role is the canary's with either tag of its tenants; a tenant's own role with that tenant's alone. */
function wrongTag(roleMode: RoleMode, of: CanaryName): TenantId {
  return roleMode === "session-tag" ? NOBODYS_TENANT_ID : CANARY_TENANTS[otherThan(of)];
}

export type AttemptOutcome = "as-expected" | "breach" | "failure";

export function attemptOutcome({ must, result }: Pick<TriedAttempt, "must" | "result">): AttemptOutcome {
  if (must === "be-refused" && result === "worked") return "breach";
  return result === (must === "work" ? "worked" : "refused") ? "as-expected" : "failure";
}

export interface CanaryCount {
  readonly breaches: number;
  readonly failures: number;
}

export function countOutcomes(tried: readonly TriedAttempt[]): CanaryCount {
  const count = (outcome: AttemptOutcome) => tried.filter((one) => attemptOutcome(one) === outcome).length;
  return { breaches: count("breach"), failures: count("failure") };
}

export function canaryState({ breaches, failures }: CanaryCount): CanaryState {
  if (breaches > 0) return "breached";
  return failures > 0 ? "failed" : "passed";
}

/** What the canary's attempts are about, by the tenant. */
export type CanaryResources = Readonly<Record<CanaryName, { readonly keyArn: KeyArn; readonly roleArn: RoleArn }>>;

/** One finding per key and per role that something reached which must be refused. */
export function breachFindings(tried: readonly TriedAttempt[], resources: CanaryResources): readonly Finding[] {
  const breaches = tried.filter((one) => attemptOutcome(one) === "breach");
  return NAMES.flatMap((of) => {
    const about = (isOfRole: boolean) =>
      breaches.filter((one) => one.of === of && (one.action === "sts:AssumeRole") === isOfRole);
    const { keyArn, roleArn } = resources[of];
    return [
      ...breachFinding(about(false), { tenantId: CANARY_TENANTS[of], keyName: CANARY_KEY_NAME, resource: keyArn }),
      ...breachFinding(about(true), { tenantId: CANARY_TENANTS[of], keyName: undefined, resource: roleArn }),
    ];
  });
}

function breachFinding(
  breaches: readonly TriedAttempt[],
  about: Pick<Finding, "tenantId" | "keyName" | "resource">,
): readonly Finding[] {
  if (breaches.length === 0) return [];
  const expected = "refused to everybody but its own tenant";
  return [finding("canary-breach", { ...about, expected, seen: `worked: ${breaches.map(attemptText).join("; ")}` })];
}

/** "kms:Decrypt of b's key by tenant a": what was tried, for people. */
export function attemptText(attempt: CanaryAttempt): string {
  const by = attempt.by === "canary" ? "the canary itself" : `tenant ${attempt.by}`;
  if (attempt.action !== "sts:AssumeRole") return `${attempt.action} with ${attempt.of}'s key by ${by}`;
  const tag = attempt.tag === undefined ? "without a tag" : `tagged ${attempt.tag}`;
  return `${attempt.action} of ${attempt.of}'s role, ${tag}, by ${by}`;
}

const MINUTE_MS = 60_000;
/** What a turn may come late by, and take: its function's time-out is shorter. */
const SLACK_MINUTES = 10;

/** Two turns may be missed: the first that failed is made good by the second. */
export function canaryOverdueMinutes(intervalMinutes: number): number {
  return 2 * intervalMinutes + SLACK_MINUTES;
}

/** Whether every attempt was answered: only such a run says that there is no breach. */
export function isComplete({ state, attempts }: Pick<CanaryRun, "state" | "attempts">): boolean {
  return state !== "not-ready" && countOutcomes(attempts).failures === 0;
}

/**
 * Why the newest runs don't show how it is now, for people; undefined where they do.
 * @param runs newest first
 */
export function canaryLateness(
  runs: readonly Pick<CanaryRun, "state" | "attempts" | "startedAtMs">[],
  nowMs: number,
  intervalMinutes: number,
): string | undefined {
  const last = runs.find(isComplete);
  if (last !== undefined && nowMs - last.startedAtMs <= canaryOverdueMinutes(intervalMinutes) * MINUTE_MS) return;
  const since = last === undefined ? "there is none" : `the last began at ${new Date(last.startedAtMs).toISOString()}`;
  return `a run in which everything was answered is due every ${intervalMinutes} minutes, and ${since}`;
}
