/**
 * The proof that isolation holds, from documents as AWS has them: for every pair of a tenant's session and a key, whether
 * the key's policy, its grants and its tenant's role leave that session out. It errs on the side of "broken": what may let
 * a session in counts as letting it in, and what wasn't read proves nothing.
 *
 * A pair is refused where the key's policy is contained, so that nothing of it is left to IAM; where every grant is one of
 * the profile's; and where the key's role is taken on by the application roles with its tenant's tag only. Boundaries, Deny
 * statements, conditions and the roles' own policies would refuse beside; a proof that needed them could be lost by one
 * attached policy.
 */
import type { KeyArn, RoleArn, TenantId } from "../ids.ts";
import { type StageContext, tenantPrincipalArn } from "../stage-context.ts";
import { sharedTrustPolicy, tenantTrustPolicy } from "../trust-policy.ts";
import { judgeKey } from "./judge-key.ts";
import { judgeTrust, type TrustVerdict } from "./judge-trust.ts";
import { type Crowd, crowdOf } from "./let-in.ts";
import type { Breach, KeyProof, OwnUse, Proof, ProofCounts, ProvenKey, ProvenTenant, RoleRemark } from "./proof.ts";
import { keysBeyond } from "./role-reach.ts";

/** @param tenants every tenant whose sessions and keys are to be held against each other, each once */
export function proveContainment(context: StageContext, tenants: readonly ProvenTenant[]): Proof {
  const crowd = crowdOf(context, tenants);
  const keys = tenants.flatMap((tenant) => {
    const trust = trustOf(crowd, tenant);
    return tenant.keys.map((key) => proveKey(crowd, tenant, key, trust));
  });
  return { keys, remarks: remarksOf(context, tenants), counts: countsOf(tenants.length, keys) };
}

function trustOf(crowd: Crowd, { tenantId, role }: ProvenTenant): TrustVerdict {
  const { context } = crowd;
  const isShared = context.roleMode === "session-tag";
  const trustPolicy = isShared ? sharedTrustPolicy(context) : tenantTrustPolicy(context, tenantId);
  return judgeTrust(crowd, role, { arn: tenantPrincipalArn(context, tenantId), trustPolicy });
}

function proveKey(crowd: Crowd, { tenantId, role }: ProvenTenant, key: ProvenKey, trust: TrustVerdict): KeyProof {
  const judged = judgeKey(crowd, key);
  const ofOthers = (one: Breach): Breach => ({ ...one, tenants: one.tenants.filter((id) => id !== tenantId) });
  const breaches = [...judged.breaches, ...(trust.kind === "judged" ? trust.breaches.map(ofOthers) : [])];
  const unproven = [...judged.unproven, ...(trust.kind === "unread" ? [trust.reason] : [])];
  const { keyArn, keyName, part } = key;
  return {
    tenantId,
    keyName,
    keyArn,
    part,
    verdict: breaches.length > 0 ? "broken" : unproven.length > 0 ? "not-proven" : "contained",
    breaches,
    unproven,
    own: withRole(judged.own, role),
    openTo: [...new Set(breaches.flatMap(({ tenants }) => tenants))].sort(),
    remarks: judged.remarks,
  };
}

/** A tenant without a role has no session that could use its key. */
function withRole(own: OwnUse, role: ProvenTenant["role"]): OwnUse {
  if (own.kind !== "allowed" || role.kind !== "read" || role.value !== undefined) return own;
  return { kind: "shut", reason: "its role isn't there" };
}

/** Second lines of defence that are gone. The shared role has them once for all. */
function remarksOf(context: StageContext, tenants: readonly ProvenTenant[]): readonly RoleRemark[] {
  const told = context.roleMode === "session-tag" ? tenants.slice(0, 1) : tenants;
  return told.flatMap(({ tenantId, role, keys }) => {
    if (role.kind !== "read" || role.value === undefined) return [];
    const { arn, boundaryArn } = role.value;
    const own = context.roleMode === "session-tag" ? [] : keys.map(({ keyArn }) => keyArn);
    const beyond = keysBeyond(role.value, own);
    const boundary = boundaryArn === context.tenantBoundaryArn ? [] : [`its boundary is ${boundaryArn ?? "missing"}`];
    return [...beyond, ...boundary].map((remark) => ({ tenantId, roleArn: arn, remark }));
  });
}

function countsOf(tenants: number, keys: readonly KeyProof[]): ProofCounts {
  const sum = (count: (key: KeyProof) => number) => keys.reduce((total, key) => total + count(key), 0);
  const left = (key: KeyProof) => tenants - 1 - key.openTo.length;
  const own = (kind: OwnUse["kind"]) => sum((key) => (key.own.kind === kind ? 1 : 0));
  return {
    tenants,
    keys: keys.length,
    pairsRefused: sum((key) => (key.unproven.length === 0 ? left(key) : 0)),
    pairsBroken: sum((key) => key.openTo.length),
    pairsNotProven: sum((key) => (key.unproven.length === 0 ? 0 : left(key))),
    ownAllowed: own("allowed"),
    ownShut: own("shut"),
    ownUnknown: own("unknown"),
  };
}

export type PairVerdict = "refused" | "broken" | "not-proven";

/** @param tenantId of the session, which is another tenant's than the key */
export function pairVerdict(key: KeyProof, tenantId: TenantId): PairVerdict {
  if (key.openTo.includes(tenantId)) return "broken";
  return key.unproven.length === 0 ? "refused" : "not-proven";
}

/**
 * What of the documents lets a tenant's session use another's key, or become another's role; none where they look contained.
 * @param resource the key's or the role's ARN
 */
export function breachesFor(proof: Proof, tenantId: TenantId, resource: KeyArn | RoleArn): readonly Breach[] {
  const breaches = proof.keys.flatMap((key) => key.breaches);
  const found = breaches.filter((one) => one.resource === resource && one.tenants.includes(tenantId));
  // A role's are told with each key of its tenant.
  return found.filter(({ statement }, index) => found.findIndex((one) => one.statement === statement) === index);
}
