/**
 * The containment check: does this key policy let nobody but the tenant's role use the key? It is sound and fails
 * closed: whatever it doesn't know is a violation, so "contained" is never said of a policy that lets a stranger in.
 * Deny statements and conditions only narrow what an Allow grants, so not looking at them is safe.
 */
import type { RoleArn } from "./ids.ts";
import { ADMINISTER_ACTIONS, AUDIT_ACTIONS, DISCARD_ACTIONS, USE_ACTIONS } from "./key-actions.ts";
import { recoveryStatements } from "./key-policy.ts";
import { samePolicy } from "./policy-document.ts";
import type { StageContext } from "./stage-context.ts";

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

/**
 * @param policy the key policy, parsed from JSON, of any shape
 * @param tenantRole the only role that may use the key
 */
export function checkContainment(policy: unknown, context: StageContext, tenantRole: RoleArn): Containment {
  if (!isRecord(policy)) return violated([{ statement: "(whole)", reason: "is not a policy document" }]);
  const unknown = Object.keys(policy).filter((element) => !DOCUMENT_ELEMENTS.has(element));
  const violations = unknown.map((element) => ({ statement: "(whole)", reason: `unknown element ${element}` }));
  const allowed = allowedActions(context, tenantRole);
  asList(policy.Statement).forEach((statement, index) => {
    const name = isRecord(statement) && typeof statement.Sid === "string" ? statement.Sid : `#${index + 1}`;
    const reason = statementViolation(statement, context, allowed);
    if (reason !== undefined) violations.push({ statement: name, reason });
  });
  return violations.length === 0 ? { kind: "contained" } : violated(violations);
}

function violated(violations: readonly ContainmentViolation[]): Containment {
  return { kind: "violated", violations };
}

/** Which principal may hold which actions, both as written in our own policies. */
function allowedActions(context: StageContext, tenantRole: RoleArn): ReadonlyMap<string, ReadonlySet<string>> {
  return new Map([
    [tenantRole as string, actionSet(USE_ACTIONS)],
    [context.provisionerRoleArn, actionSet([...ADMINISTER_ACTIONS, ...DISCARD_ACTIONS])],
    [context.auditorRoleArn, actionSet(AUDIT_ACTIONS)],
  ]);
}

function actionSet(actions: readonly string[]): ReadonlySet<string> {
  return new Set(actions.map((action) => action.toLowerCase()));
}

function statementViolation(
  statement: unknown,
  context: StageContext,
  allowed: ReadonlyMap<string, ReadonlySet<string>>,
): string | undefined {
  if (!isRecord(statement)) return "is not an object";
  if (statement.Effect === "Deny") return undefined;
  if (statement.Effect !== "Allow") return "has an Effect that is neither Allow nor Deny";
  if (recoveryStatements(context).some((ours) => samePolicy(statement, ours))) return undefined;
  const unknown = Object.keys(statement).find((element) => !STATEMENT_ELEMENTS.has(element));
  if (unknown !== undefined) return `uses ${unknown}, which names what it leaves out, or is unknown`;
  const principals = namedPrincipals(statement.Principal);
  if (principals === undefined) return "has a principal that isn't a list of AWS principals";
  if (principals.length === 0) return "names no principal";
  const actions = asList(statement.Action);
  for (const principal of principals) {
    const held = allowed.get(principal);
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
