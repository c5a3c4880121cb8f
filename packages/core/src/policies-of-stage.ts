/** Every policy that a stage's settings would make, for one tenant that stands for all: to be looked at before any is. */
import { CANARY_TENANTS } from "./canary.ts";
import { desiredTenantKey } from "./desired-state.ts";
import { parseKeyArn, parseKeyName, parseTenantId } from "./ids.ts";
import { tenantPermissionsBoundary } from "./permissions-boundary.ts";
import { canonicalJson, type PolicyDocument } from "./policy-document.ts";
import type { StageContext } from "./stage-context.ts";
import type { StageSettings } from "./stage-settings.ts";
import { tenantTrustPolicy } from "./trust-policy.ts";

/** `key` and `trust` are policies of a resource, and name principals; the others are an identity's. */
export type PolicyKind = "key" | "trust" | "role" | "boundary";

export interface NamedPolicy {
  /** What it is for: "profile default: key in use". The same document of several profiles has all their names. */
  readonly names: readonly string[];
  readonly kind: PolicyKind;
  readonly document: PolicyDocument;
}

/** Names of no tenant's resources: they only stand in documents. */
const TENANT = parseTenantId("example-tenant");
const KEY = parseKeyName("default");

export function policiesOfStage(context: StageContext, settings: StageSettings): readonly NamedPolicy[] {
  const all = Object.entries(settings.profiles).flatMap(([name, profile]): readonly NamedPolicy[] => {
    const desired = desiredTenantKey(context, TENANT, KEY, profile);
    const keyId = "00000000-0000-4000-8000-000000000000";
    const keyArn = parseKeyArn(`arn:aws:kms:${context.region}:${context.accountId}:key/${keyId}`);
    const named = (what: string, kind: PolicyKind, document: PolicyDocument) => ({
      names: [`profile ${name}: ${what}`],
      kind,
      document,
    });
    return [
      named("key until its tenant is let in", "key", desired.creationPolicy),
      named("key in use", "key", desired.admittedPolicy),
      named("key of a tenant that leaves", "key", desired.departingPolicy),
      named("trust policy of the role", "trust", desired.role.trustPolicy),
      ...(desired.role.kind === "own" ? [named("policy of the role", "role", desired.rolePolicy(keyArn))] : []),
    ];
  });
  const boundary = tenantPermissionsBoundary(context, settings);
  return eachOnce([
    ...all,
    ...trustOfCanary(context),
    { names: ["permissions boundary of tenants' roles"], kind: "boundary", document: boundary },
  ]);
}

/** Of a shared role's trust policy the canary's statement is a part. */
function trustOfCanary(context: StageContext): readonly NamedPolicy[] {
  if (!context.canary || context.roleMode === "session-tag") return [];
  const document = tenantTrustPolicy(context, CANARY_TENANTS.a);
  return [{ names: ["trust policy of the role of a tenant of the canary's"], kind: "trust", document }];
}

function eachOnce(policies: readonly NamedPolicy[]): readonly NamedPolicy[] {
  const byText = new Map<string, NamedPolicy>();
  for (const policy of policies) {
    const text = `${policy.kind} ${canonicalJson(policy.document)}`;
    const known = byText.get(text);
    byText.set(text, known === undefined ? policy : { ...known, names: [...known.names, ...policy.names] });
  }
  return [...byText.values()];
}
