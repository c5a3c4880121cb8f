/** IAM roles: each function is one call, its answer narrowed here. */
import {
  CreateRoleCommand,
  DeleteRoleCommand,
  DeleteRolePolicyCommand,
  GetRoleCommand,
  GetRolePolicyCommand,
  ListAttachedRolePoliciesCommand,
  ListRolePoliciesCommand,
  PutRolePermissionsBoundaryCommand,
  PutRolePolicyCommand,
  TagRoleCommand,
  UpdateAssumeRolePolicyCommand,
} from "@aws-sdk/client-iam";
import {
  type DesiredRole,
  type ObservedRole,
  type PolicyDocument,
  parseRoleArn,
  TenantKeysError,
} from "@tenantkeys/core";
import type { Clients } from "./clients.ts";
import { errorName, narrowAwsError } from "./narrow-error.ts";
import type { Run } from "./run.ts";

/** @returns false where a role of this name exists already, whoever's it is */
export async function createRole(clients: Clients, run: Run, role: DesiredRole, description: string): Promise<boolean> {
  const command = new CreateRoleCommand({
    RoleName: role.name,
    Path: role.path,
    Description: description,
    AssumeRolePolicyDocument: JSON.stringify(role.trustPolicy),
    PermissionsBoundary: role.boundaryArn,
    Tags: Object.entries(role.tags).map(([Key, Value]) => ({ Key, Value })),
  });
  try {
    await clients.iam.send(command, { abortSignal: run.signal });
    return true;
  } catch (error) {
    if (errorName(error) === "EntityAlreadyExistsException" || errorName(error) === "EntityAlreadyExists") return false;
    throw error;
  }
}

export async function putRolePolicy(
  clients: Clients,
  run: Run,
  role: DesiredRole,
  policy: PolicyDocument,
): Promise<void> {
  const command = new PutRolePolicyCommand({
    RoleName: role.name,
    PolicyName: role.policyName,
    PolicyDocument: JSON.stringify(policy),
  });
  await clients.iam.send(command, { abortSignal: run.signal });
}

export async function updateTrustPolicy(clients: Clients, run: Run, role: DesiredRole): Promise<void> {
  const command = new UpdateAssumeRolePolicyCommand({
    RoleName: role.name,
    PolicyDocument: JSON.stringify(role.trustPolicy),
  });
  await clients.iam.send(command, { abortSignal: run.signal });
}

export async function putRoleBoundary(clients: Clients, run: Run, role: DesiredRole): Promise<void> {
  const command = new PutRolePermissionsBoundaryCommand({ RoleName: role.name, PermissionsBoundary: role.boundaryArn });
  await clients.iam.send(command, { abortSignal: run.signal });
}

/** Other tags stay. */
export async function tagRole(clients: Clients, run: Run, role: DesiredRole): Promise<void> {
  const Tags = Object.entries(role.tags).map(([Key, Value]) => ({ Key, Value }));
  await clients.iam.send(new TagRoleCommand({ RoleName: role.name, Tags }), { abortSignal: run.signal });
}

/** Done as well where the policy, or its role, is gone already. */
export async function deleteRolePolicy(clients: Clients, run: Run, role: DesiredRole): Promise<void> {
  const command = new DeleteRolePolicyCommand({ RoleName: role.name, PolicyName: role.policyName });
  await clients.iam.send(command, { abortSignal: run.signal }).catch(unlessGone);
}

/** Done as well where the role is gone already. IAM refuses it while somebody's policies hang on the role. */
export async function deleteRole(clients: Clients, run: Run, role: DesiredRole): Promise<void> {
  const command = new DeleteRoleCommand({ RoleName: role.name });
  await clients.iam.send(command, { abortSignal: run.signal }).catch(unlessGone);
}

/** With its inline policies. IAM refuses it while managed policies hang on the role: somebody else attached them. */
export async function deleteRoleWithPolicies(clients: Clients, run: Run, roleName: string): Promise<void> {
  try {
    for (const PolicyName of await readRolePolicyNames(clients, run, roleName)) {
      const command = new DeleteRolePolicyCommand({ RoleName: roleName, PolicyName });
      await clients.iam.send(command, { abortSignal: run.signal }).catch(unlessGone);
    }
    await clients.iam.send(new DeleteRoleCommand({ RoleName: roleName }), { abortSignal: run.signal });
  } catch (error) {
    unlessGone(error);
  }
}

function unlessGone(error: unknown): void {
  if (!isNoSuchEntity(error)) throw error;
}

/** A role has 10,240 characters of inline policies, about 31 of ours: one page holds 100 names. */
async function readRolePolicyNames(clients: Clients, run: Run, roleName: string): Promise<readonly string[]> {
  const command = new ListRolePoliciesCommand({ RoleName: roleName, MaxItems: 1000 });
  const { PolicyNames = [], IsTruncated } = await clients.iam.send(command, { abortSignal: run.signal });
  if (IsTruncated !== true) return PolicyNames;
  throw new TenantKeysError("aws_unexpected", `iam:ListRolePolicies: ${roleName} has more policies than a page holds`);
}

/** The role as it is, or undefined where there is none. */
export async function readRole(clients: Clients, run: Run, roleName: string): Promise<ObservedRole | undefined> {
  try {
    const [{ Role }, policyNames] = await Promise.all([
      clients.iam.send(new GetRoleCommand({ RoleName: roleName }), { abortSignal: run.signal }),
      readRolePolicyNames(clients, run, roleName),
    ]);
    return {
      arn: parseRoleArn(Role?.Arn ?? ""),
      path: Role?.Path ?? "",
      tags: Object.fromEntries((Role?.Tags ?? []).map((tag) => [tag.Key ?? "", tag.Value ?? ""])),
      trustPolicy: parseUrlEncoded(Role?.AssumeRolePolicyDocument),
      boundaryArn: Role?.PermissionsBoundary?.PermissionsBoundaryArn,
      policyNames,
    };
  } catch (error) {
    if (isNoSuchEntity(error)) return undefined;
    throw narrowAwsError(error, "iam:GetRole");
  }
}

/** The role's inline policy of this name, or undefined where there is none. */
export async function readRolePolicy(
  clients: Clients,
  run: Run,
  roleName: string,
  policyName: string,
): Promise<unknown> {
  try {
    const command = new GetRolePolicyCommand({ RoleName: roleName, PolicyName: policyName });
    const { PolicyDocument: text } = await clients.iam.send(command, { abortSignal: run.signal });
    return parseUrlEncoded(text);
  } catch (error) {
    if (isNoSuchEntity(error)) return undefined;
    throw narrowAwsError(error, "iam:GetRolePolicy");
  }
}

/** ARNs of the managed policies on the role, of which IAM lets it have 20: one page holds them. */
export async function readAttachedPolicyArns(clients: Clients, run: Run, roleName: string): Promise<readonly string[]> {
  const command = new ListAttachedRolePoliciesCommand({ RoleName: roleName, MaxItems: 1000 });
  const { AttachedPolicies = [], IsTruncated } = await clients.iam
    .send(command, { abortSignal: run.signal })
    .catch((error) => {
      throw narrowAwsError(error, "iam:ListAttachedRolePolicies");
    });
  if (IsTruncated !== true) return AttachedPolicies.map(({ PolicyArn }) => PolicyArn ?? "");
  throw new TenantKeysError("aws_unexpected", `iam:ListAttachedRolePolicies: ${roleName} has more than a page holds`);
}

export function isNoSuchEntity(error: unknown): boolean {
  return errorName(error) === "NoSuchEntityException" || errorName(error) === "NoSuchEntity";
}

/** IAM gives documents back URL-encoded (RFC 3986). */
export function parseUrlEncoded(text: string | undefined): unknown {
  if (text === undefined) return undefined;
  try {
    return JSON.parse(decodeURIComponent(text));
  } catch {
    return text;
  }
}
