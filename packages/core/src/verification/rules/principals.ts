/**
 * Principals of a policy that AWS shows by their unique id: the role or user that it named was deleted, and nobody can be
 * it again, not even one of the same name.
 * https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html#identifiers-unique-ids
 */
import { samePolicy } from "../../policy-document.ts";

const UNIQUE_ID_PATTERN = /^A(?:ROA|IDA|GPA|IPA|NPA|NVA|BIA|CCA|PKA|SCA|SIA)[A-Z0-9]{12,}$/;

export function isDeadPrincipal(principal: unknown): boolean {
  return typeof principal === "string" && UNIQUE_ID_PATTERN.test(principal);
}

const SERVICE_SESSION_PATTERN = /^arn:aws[a-z-]*:sts::\d{12}:assumed-role\/aws:[a-z0-9-]+\//;

/**
 * Such as EC2's own, arn:aws:sts::111122223333:assumed-role/aws:ec2-infrastructure/i-0a1b2c3d. No role of an account can
 * have a colon in its name; the path of a user or role may hold anything, so the whole ARN counts from its start.
 */
export function isSessionOfService(arn: string): boolean {
  return SERVICE_SESSION_PATTERN.test(arn);
}

/** @param policy of any shape; each name once */
export function awsPrincipals(policy: unknown): readonly string[] {
  const names = statementsOf(policy).flatMap((statement) => awsNamesOf(statement) ?? []);
  return [...new Set(names)];
}

export function deadPrincipals(policy: unknown): readonly string[] {
  return awsPrincipals(policy).filter(isDeadPrincipal);
}

/** The policy without some principals, and without the statements that named no other. */
export function withoutPrincipals(policy: unknown, isDropped: (principal: string) => boolean): unknown {
  if (!isRecord(policy)) return policy;
  const statements = statementsOf(policy).flatMap((statement) => {
    const names = awsNamesOf(statement);
    if (names === undefined || !names.some(isDropped)) return [statement];
    const kept = names.filter((name) => !isDropped(name));
    return kept.length === 0 ? [] : [{ ...(statement as object), Principal: { AWS: kept } }];
  });
  return { ...policy, Statement: statements };
}

/** The policy with another name for each dead principal, as it was when that was somebody. */
export function withPrincipalRevived(policy: unknown, name: string): unknown {
  if (!isRecord(policy)) return policy;
  const statements = statementsOf(policy).map((statement) => {
    const names = awsNamesOf(statement);
    if (names === undefined || !names.some(isDeadPrincipal)) return statement;
    return { ...(statement as object), Principal: { AWS: names.map((one) => (isDeadPrincipal(one) ? name : one)) } };
  });
  return { ...policy, Statement: statements };
}

/** Whether a trust policy is as wanted, or lacks only principals that are gone: it lets nobody else take on the role. */
export function trustsNobodyElse(trustPolicy: unknown, wanted: unknown): boolean {
  const living = withoutPrincipals(trustPolicy, isDeadPrincipal);
  const named = awsPrincipals(living);
  return samePolicy(
    living,
    withoutPrincipals(wanted, (principal) => !named.includes(principal)),
  );
}

/** @param policy of any shape */
export function statementsOf(policy: unknown): readonly unknown[] {
  if (!isRecord(policy) || policy.Statement === undefined) return [];
  return Array.isArray(policy.Statement) ? policy.Statement : [policy.Statement];
}

/** Undefined where the statement names anything but AWS principals by text: such a statement is left as it is. */
function awsNamesOf(statement: unknown): readonly string[] | undefined {
  if (!isRecord(statement) || !isRecord(statement.Principal)) return undefined;
  const { AWS, ...others } = statement.Principal;
  const names: readonly unknown[] = Array.isArray(AWS) ? AWS : [AWS];
  if (Object.keys(others).length > 0 || !names.every((name) => typeof name === "string")) return undefined;
  return names;
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
