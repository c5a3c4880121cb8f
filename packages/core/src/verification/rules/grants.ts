/**
 * Whether a key has grants that its profile doesn't allow. A grant lets its grantee use a key past the key's policy, so
 * none is right but those that AWS services make for a tenant whose profile says `serviceGrants`, and those that a tenant
 * makes for the jobs of its profile, until the end that is in their names.
 * https://docs.aws.amazon.com/kms/latest/developerguide/grants.html
 */
import type { DesiredTenantKey } from "../../desired-state.ts";
import { jobGrantOperations } from "../../key-actions.ts";
import { accountPrincipal } from "../../key-policy.ts";
import { ENCRYPTION_CONTEXT_KEY, type JobOfGrant, jobOfGrant } from "../../names.ts";
import { type Facts, listed, report } from "../facts.ts";
import type { Finding } from "../finding.ts";
import type { RuleId } from "../finding-rules.ts";
import type { InspectedKey, ObservedGrant } from "../inspection.ts";
import { type Judgement, judged, whenRead } from "../judgement.ts";
import { isDeadPrincipal, isSessionOfService } from "./principals.ts";

export const GRANT_RULES = ["grant-foreign", "grant-stale"] as const satisfies readonly RuleId[];

export function judgeGrants(facts: Facts, key: InspectedKey): Judgement {
  if (facts.isOwnKey || key.kind === "absent") return judged();
  return whenRead(key.grants, key.keyArn, GRANT_RULES, (grants) => {
    const of = (kind: GrantKind) => grants.filter((grant) => grantKind(grant, facts.desired, facts) === kind);
    return judged([
      told(facts, "grant-foreign", key.keyArn, of("foreign")),
      told(facts, "grant-stale", key.keyArn, of("stale")),
    ]);
  });
}

/** `stale`: it is of no use any more, as its grantee is gone, its job's time is over, or its tenant is leaving. */
export type GrantKind = "allowed" | "foreign" | "stale";

/** When a grant is looked at, and whether its tenant is leaving then. */
export interface GrantMoment {
  readonly isLeaving: boolean;
  /** Epoch milliseconds. */
  readonly nowMs: number;
}

type Desired = Pick<DesiredTenantKey, "profile" | "context" | "tenantId">;

export function grantKind(grant: ObservedGrant, desired: Desired, moment: GrantMoment): GrantKind {
  const { profile, context } = desired;
  if (isDeadPrincipal(grant.granteePrincipal)) return "stale";
  // Another account's principals come through the profile's `outsideAccounts`, which may not make grants.
  const ofThisAccount = [context.accountId as string, accountPrincipal(context.accountId)].includes(
    grant.issuingAccount,
  );
  if (!ofThisAccount) return "foreign";
  const job = jobOfGrant(grant.name);
  if (job !== undefined && isForJob(grant, desired)) return jobGrantKind(grant, job, profile.jobGrantHoursMax, moment);
  if (!profile.serviceGrants || !isService(grant.granteePrincipal)) return "foreign";
  return moment.isLeaving ? "stale" : "allowed";
}

/** What the key's policy had KMS ask of it; asked again, as grants outlive the policy under which they were made. */
function isForJob(
  { granteePrincipal, operations, encryptionContext }: ObservedGrant,
  { profile, tenantId }: Desired,
): boolean {
  const lent = jobGrantOperations(profile);
  return (
    profile.jobRoleArns.some((roleArn) => roleArn === granteePrincipal) &&
    operations.every((operation) => lent.includes(operation)) &&
    encryptionContext?.[ENCRYPTION_CONTEXT_KEY] === tenantId
  );
}

const HOUR_MS = 3_600_000;
/** By how much the clock of whoever named the grant may be ahead of KMS's, which has whole seconds only. */
const CLOCK_SKEW_MS = 5 * 60_000;

function jobGrantKind(
  { createdAtMs }: ObservedGrant,
  { endsAtMs }: JobOfGrant,
  hoursMax: number,
  { isLeaving, nowMs }: GrantMoment,
): GrantKind {
  if (isLeaving || endsAtMs <= nowMs) return "stale";
  return endsAtMs > createdAtMs + hoursMax * HOUR_MS + CLOCK_SKEW_MS ? "foreign" : "allowed";
}

/** As KMS shows them: `dynamodb.eu-west-1.amazonaws.com`, and sessions of EC2's own. */
function isService(principal: string): boolean {
  return /^[a-z0-9.-]+\.amazonaws\.com$/.test(principal) || isSessionOfService(principal);
}

function told(
  facts: Facts,
  ruleId: "grant-foreign" | "grant-stale",
  keyArn: string,
  grants: readonly ObservedGrant[],
): Finding | undefined {
  if (grants.length === 0) return undefined;
  const seen = grants.map(({ grantId, granteePrincipal, operations, name }) => {
    const job = jobOfGrant(name);
    const until = job === undefined ? "" : ` for job ${job.jobId} until ${new Date(job.endsAtMs).toISOString()}`;
    return `${grantId} to ${granteePrincipal}${until}: ${operations.join(", ")}`;
  });
  return report(facts, ruleId, keyArn, { expected: expectedGrants(facts), seen: listed(seen) });
}

function expectedGrants({ desired: { profile }, isLeaving }: Facts): string {
  const expected = [
    ...(profile.serviceGrants ? ["grants by AWS services for its tenant"] : []),
    ...(profile.jobRoleArns.length > 0
      ? [`grants to its jobs for its tenant's data, that end within ${profile.jobGrantHoursMax} hours`]
      : []),
  ];
  return isLeaving || expected.length === 0 ? "no grants" : `${expected.join(" and ")} only`;
}
