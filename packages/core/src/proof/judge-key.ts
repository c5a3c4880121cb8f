/** Whether nobody but its tenant can use one KMS key, by its policy, its grants and who may become its tenant's role. */
import { checkContainment } from "../containment.ts";
import type { DesiredTenantKey } from "../desired-state.ts";
import type { KeyArn, TenantId } from "../ids.ts";
import { CRYPTOGRAPHIC_ACTIONS, useActions } from "../key-actions.ts";
import { hasReplicas } from "../plan-replicas.ts";
import type { InspectedKey, ObservedGrant } from "../verification/inspection.ts";
import { type GrantMoment, grantKind } from "../verification/rules/grants.ts";
import { isDeadPrincipal, isRecord, statementsOf, withoutPrincipals } from "../verification/rules/principals.ts";
import { unreadText } from "./judge-trust.ts";
import { type Crowd, type LetIn, letInAnybody, letInByKeyPolicy, letInByName } from "./let-in.ts";
import type { Breach, OwnUse, ProvenKey } from "./proof.ts";
import { placeOf, textsOf } from "./role-reach.ts";

export interface JudgedKey {
  readonly breaches: readonly Breach[];
  readonly unproven: readonly string[];
  readonly own: OwnUse;
  readonly remarks: readonly string[];
}

type Inspected = Extract<ProvenKey["seen"], { readonly kind: "inspected" }>;
type PresentKey = Extract<InspectedKey, { readonly kind: "present" }>;

export function judgeKey(crowd: Crowd, { keyArn, isOwnKey, part, seen }: ProvenKey): JudgedKey {
  if (isOwnKey) return notJudged(`its owner's policy: ${keyArn} is a key of the tenant's own account`);
  if (seen.kind === "unseen") return notJudged(seen.reason);
  if (seen.key.kind === "absent") {
    const own: OwnUse = { kind: "shut", reason: "KMS says that there is no such key" };
    return { breaches: [], unproven: [], own, remarks: [] };
  }
  const policy = judgePolicy(crowd, keyArn, seen, seen.key);
  const grants = judgeGrants(crowd, keyArn, seen, seen.key);
  return {
    breaches: [...policy.breaches, ...grants.breaches],
    unproven: [...policy.unproven, ...grants.unproven, ...unreadReplicas(seen.key, part)],
    own: ownUse(seen, seen.key),
    remarks: [...declaredOutsiders(seen.desired), ...grants.remarks],
  };
}

/** A replica has the same material under a policy of its own, and only its primary's description says where there are any. */
function unreadReplicas({ keyArn, description }: PresentKey, part: ProvenKey["part"]): readonly string[] {
  if (part === "replica" || !hasReplicas(keyArn)) return [];
  if (description.kind !== "read") return [unreadText(description, "in which Regions it has replicas")];
  const { replicaRegions = [] } = description.value;
  // Those of the key in use are read each by itself.
  return part === "current" || replicaRegions.length === 0
    ? []
    : [`not read: its replicas in ${replicaRegions.join(", ")}`];
}

function notJudged(reason: string): JudgedKey {
  return { breaches: [], unproven: [reason], own: { kind: "unknown", reason }, remarks: [] };
}

type Judged = Pick<JudgedKey, "breaches" | "unproven" | "remarks">;

const NOTHING: Judged = { breaches: [], unproven: [], remarks: [] };

function judgePolicy(crowd: Crowd, keyArn: KeyArn, { desired }: Inspected, { policy }: PresentKey): Judged {
  if (policy.kind !== "read") return { ...NOTHING, unproven: [unreadText(policy, "the key's policy")] };
  const document = policy.value;
  if (isContained(document, desired) === undefined) return NOTHING;
  const breaches = statementsOf(document).flatMap((statement, index): readonly Breach[] => {
    const reason = isContained({ Statement: [statement] }, desired);
    if (reason === undefined) return [];
    const { who, tenants } = letInByKeyPolicy(crowd, statement, keyArn);
    return [policyBreach(keyArn, placeOf(statement, index), reason, statement, { who, tenants }, desired)];
  });
  // What makes a document as a whole another one isn't in any of its statements.
  const top = isRecord(document) ? isContained({ ...document, Statement: [] }, desired) : "is not a policy document";
  if (top === undefined && breaches.length > 0) return { ...NOTHING, breaches };
  const wholly = policyBreach(keyArn, "(whole)", top ?? "", document, letInAnybody(crowd), desired);
  return { ...NOTHING, breaches: [wholly, ...breaches] };
}

/** The first reason why it isn't; undefined where it is. A principal that nobody can be any more lets nobody in. */
function isContained(policy: unknown, desired: DesiredTenantKey): string | undefined {
  const containment = checkContainment(withoutPrincipals(policy, isDeadPrincipal), desired);
  return containment.kind === "contained" ? undefined : (containment.violations[0]?.reason ?? "isn't contained");
}

function policyBreach(
  resource: KeyArn,
  statement: string,
  reason: string,
  document: unknown,
  { who, tenants }: LetIn,
  { tenantId, principalArn, role }: DesiredTenantKey,
): Breach {
  // The tenant's own role is told only where it is let do more than it should, and nobody else is let in.
  const strangers = who.filter((name) => role.kind === "shared" || name !== principalArn);
  const letsIn = strangers.length === 0 ? who : strangers;
  return { kind: "key-policy", resource, statement, reason, document, letsIn, tenants: others(tenants, tenantId) };
}

function others(tenants: readonly TenantId[], tenantId: TenantId): readonly TenantId[] {
  return tenants.filter((one) => one !== tenantId);
}

function judgeGrants(
  crowd: Crowd,
  keyArn: KeyArn,
  { desired, target, readAtMs }: Inspected,
  { grants }: PresentKey,
): Judged {
  if (grants.kind !== "read") return { ...NOTHING, unproven: [unreadText(grants, "its grants")] };
  const moment = { isLeaving: target === "withdrawn" || target === "deleted", nowMs: readAtMs };
  const all = grants.value.map((grant) => judgeGrant(crowd, keyArn, desired, moment, grant));
  return {
    breaches: all.flatMap(({ breaches }) => breaches),
    unproven: [],
    remarks: all.flatMap(({ remarks }) => remarks),
  };
}

/** A grant that is of no use any more still lets its grantee use the key, unless that is gone. */
function judgeGrant(
  crowd: Crowd,
  keyArn: KeyArn,
  desired: DesiredTenantKey,
  moment: GrantMoment,
  grant: ObservedGrant,
): Judged {
  const { grantId, granteePrincipal, operations } = grant;
  if (isDeadPrincipal(granteePrincipal)) return NOTHING;
  const { who, tenants } = letInByName(crowd, granteePrincipal, keyArn);
  const strangers = others(tenants, desired.tenantId);
  const remarked = (remark: string): Judged => ({ ...NOTHING, remarks: [`grant ${grantId} ${remark}`] });
  const kind = grantKind(grant, desired, moment);
  if (kind === "allowed" && strangers.length === 0) {
    return remarked(`lets ${granteePrincipal} use it, as its profile says`);
  }
  if (isToItself(grant, desired)) {
    return remarked("lets the tenant's own role use it past the conditions of its policy");
  }
  const left = kind === "stale" ? ", though it is of no use any more" : "";
  const reason = `lets ${granteePrincipal} do ${operations.join(", ")}${left}`;
  const resource = { kind: "grant", resource: keyArn, statement: grantId } as const;
  return { ...NOTHING, breaches: [{ ...resource, reason, document: grant, letsIn: who, tenants: strangers }] };
}

/** To the role that is the tenant's alone, for no more than its profile lets it do: with CreateGrant it could lend the key on. */
function isToItself(
  { granteePrincipal, operations }: ObservedGrant,
  { role, principalArn, profile }: DesiredTenantKey,
) {
  const held = [...useActions(profile), "kms:RetireGrant"];
  const isItsOwn = role.kind === "own" && granteePrincipal === principalArn;
  return isItsOwn && operations.every((operation) => held.includes(`kms:${operation}`));
}

function declaredOutsiders({ profile }: DesiredTenantKey): readonly string[] {
  if (profile.outsideAccounts.length === 0) return [];
  return [`its profile lets in outside accounts: ${profile.outsideAccounts.join(", ")}`];
}

/** Whether the tenant itself can use it: enabled, and its policy lets it. Its role is judged beside. */
function ownUse({ desired }: Inspected, { description, policy }: PresentKey): OwnUse {
  if (description.kind !== "read") return { kind: "unknown", reason: unreadText(description, "its state") };
  const { state } = description.value;
  if (state !== "Enabled") return { kind: "shut", reason: state };
  if (policy.kind !== "read") return { kind: "unknown", reason: unreadText(policy, "the key's policy") };
  if (admits(policy.value, desired)) return { kind: "allowed" };
  return { kind: "shut", reason: "its policy doesn't let its tenant in" };
}

const USES: ReadonlySet<string> = new Set(CRYPTOGRAPHIC_ACTIONS.map((action) => action.toLowerCase()));

function admits(policy: unknown, { principalArn }: DesiredTenantKey): boolean {
  return statementsOf(policy).some((statement) => {
    if (!isRecord(statement) || statement.Effect !== "Allow" || !isRecord(statement.Principal)) return false;
    if (textsOf(statement.Principal.AWS)?.includes(principalArn) !== true) return false;
    return textsOf(statement.Action)?.some((action) => USES.has(action.toLowerCase())) === true;
  });
}
