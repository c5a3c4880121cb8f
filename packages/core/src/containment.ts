/**
 * The containment check: does this key policy let nobody but the tenant's role, and the outside accounts of the key's
 * profile, use the key? It is sound and fails closed: whatever it doesn't know is a violation, so "contained" is never
 * said of a policy that lets a stranger in.
 *
 * A role that is the tenant's alone may be named in any statement, with actions of the profile's: a condition there only
 * narrows. Where a condition decides (a role that all tenants share, an encryption context, a service to come through,
 * a grant for a service, an account), the statement must be exactly ours. Deny statements are never looked at: they only
 * narrow what an Allow grants.
 */
import type { RoleArn, TenantId } from "./ids.ts";
import { ADMINISTER_ACTIONS, AUDIT_ACTIONS, DEPART_ACTIONS, DISCARD_ACTIONS, useActions } from "./key-actions.ts";
import { outsideStatements, recoveryStatements, tenantStatements, useIsConditional } from "./key-policy.ts";
import type { KeyProfile } from "./key-profile.ts";
import { type PolicyStatement, samePolicy } from "./policy-document.ts";
import type { StageContext } from "./stage-context.ts";

/** Whose key it is, and who may use it how. A DesiredTenantKey is one. */
export interface KeyAudience {
  readonly context: StageContext;
  readonly tenantId: TenantId;
  readonly profile: KeyProfile;
  /** The role of the tenant's sessions: its own, or the one that all tenants share. */
  readonly principalArn: RoleArn;
}

export interface ContainmentViolation {
  /** The statement's Sid, or its place such as `#2`. */
  readonly statement: string;
  readonly reason: string;
}

export type Containment =
  | { readonly kind: "contained" }
  | { readonly kind: "violated"; readonly violations: readonly ContainmentViolation[] };

const STATEMENT_ELEMENTS = new Set(["Sid", "Effect", "Principal", "Action", "Resource", "Condition"]);
const DOCUMENT_ELEMENTS = new Set(["Version", "Id", "Statement"]);

/** @param policy the key policy, parsed from JSON, of any shape */
export function checkContainment(policy: unknown, audience: KeyAudience): Containment {
  if (!isRecord(policy)) return violated([{ statement: "(whole)", reason: "is not a policy document" }]);
  const unknown = Object.keys(policy).filter((element) => !DOCUMENT_ELEMENTS.has(element));
  const violations = unknown.map((element) => ({ statement: "(whole)", reason: `unknown element ${element}` }));
  const allowed: Allowed = { statements: ownStatements(audience), actions: ownActions(audience) };
  asList(policy.Statement).forEach((statement, index) => {
    const name = isRecord(statement) && typeof statement.Sid === "string" ? statement.Sid : `#${index + 1}`;
    const reason = statementViolation(statement, allowed);
    if (reason !== undefined) violations.push({ statement: name, reason });
  });
  return violations.length === 0 ? { kind: "contained" } : violated(violations);
}

function violated(violations: readonly ContainmentViolation[]): Containment {
  return { kind: "violated", violations };
}

interface Allowed {
  /** To the letter, conditions included. */
  readonly statements: readonly PolicyStatement[];
  /** Which principal may hold which actions in any other statement. */
  readonly actions: ReadonlyMap<string, ReadonlySet<string>>;
}

function ownStatements({ context, tenantId, profile, principalArn }: KeyAudience): readonly PolicyStatement[] {
  return [
    ...recoveryStatements(context, profile),
    ...tenantStatements(context, tenantId, profile, principalArn),
    ...outsideStatements(context, tenantId, profile),
  ];
}

function ownActions({ context, profile, principalArn }: KeyAudience): ReadonlyMap<string, ReadonlySet<string>> {
  const provisioner = [...ADMINISTER_ACTIONS, ...DISCARD_ACTIONS, ...DEPART_ACTIONS];
  return new Map([
    ...(useIsConditional(context, profile) ? [] : [[principalArn as string, actionSet(useActions(profile))] as const]),
    [context.provisionerRoleArn, actionSet(provisioner)],
    [context.auditorRoleArn, actionSet(AUDIT_ACTIONS)],
  ]);
}

function actionSet(actions: readonly string[]): ReadonlySet<string> {
  return new Set(actions.map((action) => action.toLowerCase()));
}

function statementViolation(statement: unknown, allowed: Allowed): string | undefined {
  if (!isRecord(statement)) return "is not an object";
  if (statement.Effect === "Deny") return undefined;
  if (statement.Effect !== "Allow") return "has an Effect that is neither Allow nor Deny";
  if (allowed.statements.some((ours) => samePolicy(statement, ours))) return undefined;
  const unknown = Object.keys(statement).find((element) => !STATEMENT_ELEMENTS.has(element));
  if (unknown !== undefined) return `uses ${unknown}, which names what it leaves out, or is unknown`;
  const principals = namedPrincipals(statement.Principal);
  if (principals === undefined) return "has a principal that isn't a list of AWS principals";
  if (principals.length === 0) return "names no principal";
  const actions = asList(statement.Action);
  for (const principal of principals) {
    const held = allowed.actions.get(principal);
    if (held === undefined) return `lets in ${principal}`;
    const excess = actions.find((action) => typeof action !== "string" || !held.has(action.toLowerCase()));
    if (excess !== undefined) return `lets ${principal} do ${String(excess)}`;
  }
  return undefined;
}

function namedPrincipals(principal: unknown): readonly string[] | undefined {
  if (!isRecord(principal) || Object.keys(principal).some((kind) => kind !== "AWS")) return undefined;
  const names = asList(principal.AWS);
  return names.every((name) => typeof name === "string") ? names : undefined;
}

function asList(value: unknown): readonly unknown[] {
  if (value === undefined) return [];
  return Array.isArray(value) ? value : [value];
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
