/** What the tests of the proof share: tenants whose documents are all in order, to be changed. Nothing that ships imports it. */
import { type DesiredTenantKey, desiredTenantKey } from "../desired-state.ts";
import { type KeyArn, parseKeyArn, parseTenantId, type TenantId } from "../ids.ts";
import type { KeyProfile } from "../key-profile.ts";
import type { KeyTarget } from "../plan.ts";
import type { StageContext } from "../stage-context.ts";
import { DEFAULT_KEY, exampleContext, exampleProfile } from "../test-support.ts";
import type { InspectedRole } from "../verification/inspection.ts";
import { exampleKey, exampleRole, NOW_MS, type PresentKey, read } from "../verification/test-support.ts";
import type { KeyProof, Proof, ProvenKey, ProvenTenant } from "./proof.ts";

export const tenantIds = (count: number) =>
  Array.from({ length: count }, (_, index) => parseTenantId(`tenant-${index}`));

export const keyArnOf = (tenantId: TenantId): KeyArn =>
  parseKeyArn(`arn:aws:kms:eu-west-1:111122223333:key/of-${tenantId}`);

export interface TenantChanges {
  readonly context?: StageContext;
  readonly profile?: KeyProfile;
  readonly target?: KeyTarget;
  /** Statements beside those of its key's policy. */
  readonly statements?: readonly unknown[];
  readonly key?: Partial<PresentKey>;
  readonly role?: Partial<InspectedRole>;
  readonly tenant?: Partial<ProvenTenant>;
  readonly proven?: Partial<ProvenKey>;
}

export function desiredOf(
  tenantId: TenantId,
  { context = exampleContext(), profile = exampleProfile() }: TenantChanges,
) {
  return desiredTenantKey(context, tenantId, DEFAULT_KEY, profile);
}

/** A tenant with one key, all of it as declared but for what is changed. */
export function provenTenant(tenantId: TenantId, changes: TenantChanges = {}): ProvenTenant {
  const desired = desiredOf(tenantId, changes);
  const keyArn = keyArnOf(tenantId);
  const { target = "usable" } = changes;
  const key = exampleKey(desired, target, keyArn);
  const withMore = key.policy.kind === "read" ? withStatements(key.policy.value, changes.statements ?? []) : undefined;
  return {
    tenantId,
    role: read(named({ ...roleOf(desired, keyArn), ...changes.role }, changes.role?.policyNames)),
    keys: [
      {
        keyArn,
        keyName: DEFAULT_KEY,
        part: "current",
        isOwnKey: false,
        profile: desired.profile,
        seen: {
          kind: "inspected",
          key: { ...key, policy: read(withMore), ...changes.key },
          desired,
          target,
          readAtMs: NOW_MS,
        },
        ...changes.proven,
      },
    ],
    ...changes.tenant,
  };
}

function roleOf(desired: DesiredTenantKey, keyArn: KeyArn): InspectedRole {
  const own = exampleRole(desired, desired.rolePolicy(keyArn));
  if (desired.role.kind === "own") return own;
  const { arn, trustPolicy } = desired.role;
  return { ...own, arn, trustPolicy, inlinePolicies: {}, policyNames: [] };
}

/** IAM lists an inline policy's name with its document. */
function named(role: InspectedRole, policyNames: readonly string[] = Object.keys(role.inlinePolicies)): InspectedRole {
  return { ...role, policyNames };
}

function withStatements(policy: unknown, statements: readonly unknown[]): unknown {
  const document = policy as { readonly Statement: readonly unknown[] };
  return { ...document, Statement: [...document.Statement, ...statements] };
}

/** The proof of the first tenant's key. */
export function first({ keys }: Proof): KeyProof {
  return keys[0] as KeyProof;
}
