/** A tenant's key and role ruined by hand, as far as the worker can put them right. */
import {
  DeleteRolePermissionsBoundaryCommand,
  DeleteRolePolicyCommand,
  UntagRoleCommand,
  UpdateAssumeRolePolicyCommand,
} from "@aws-sdk/client-iam";
import {
  CreateGrantCommand,
  CreateKeyCommand,
  DisableKeyRotationCommand,
  GetKeyPolicyCommand,
  PutKeyPolicyCommand,
  ScheduleKeyDeletionCommand,
  UpdateAliasCommand,
} from "@aws-sdk/client-kms";
import type { LocalStage } from "@tenantkeys/local";

export const roleOf = (tenantId: string) => `tk-local-${tenantId}`;
export const aliasOf = (tenantId: string) => `alias/tenantkeys/local/${tenantId}/default`;

export async function keyPolicyOf(stage: LocalStage, KeyId: string): Promise<{ Statement: { Sid?: string }[] }> {
  const { Policy } = await stage.root.kms.send(new GetKeyPolicyCommand({ KeyId, PolicyName: "default" }));
  return JSON.parse(Policy ?? "{}");
}

/** As the root user, which may put a policy by which it may do the rest. */
export async function ruinKey(stage: LocalStage, tenantId: string, KeyId: string): Promise<void> {
  const { kms } = stage.root;
  const policy = await keyPolicyOf(stage, KeyId);
  const everybody = {
    Sid: "Open",
    Effect: "Allow",
    Principal: { AWS: `arn:aws:iam::${stage.accountId}:root` },
    Action: "kms:*",
    Resource: "*",
  };
  const Policy = JSON.stringify({ ...policy, Statement: [...policy.Statement, everybody] });
  await kms.send(new PutKeyPolicyCommand({ KeyId, Policy }));
  await kms.send(new DisableKeyRotationCommand({ KeyId }));
  const GranteePrincipal = `arn:aws:iam::${stage.accountId}:root`;
  await kms.send(new CreateGrantCommand({ KeyId, GranteePrincipal, Operations: ["Decrypt"] }));
  const { KeyMetadata: foreign } = await kms.send(new CreateKeyCommand({ Description: "somebody else's" }));
  await kms.send(new UpdateAliasCommand({ AliasName: aliasOf(tenantId), TargetKeyId: foreign?.KeyId }));
  await kms.send(new ScheduleKeyDeletionCommand({ KeyId, PendingWindowInDays: 30 }));
}

export async function ruinRole(stage: LocalStage, tenantId: string): Promise<void> {
  const RoleName = roleOf(tenantId);
  const trust = {
    Version: "2012-10-17",
    Statement: [{ Effect: "Allow", Principal: { Service: "ec2.amazonaws.com" }, Action: "sts:AssumeRole" }],
  };
  const { iam } = stage;
  await iam.send(new DeleteRolePermissionsBoundaryCommand({ RoleName }));
  await iam.send(new UntagRoleCommand({ RoleName, TagKeys: ["tenantkeys:tenant"] }));
  await iam.send(new UpdateAssumeRolePolicyCommand({ RoleName, PolicyDocument: JSON.stringify(trust) }));
  await iam.send(new DeleteRolePolicyCommand({ RoleName, PolicyName: "key-default" }));
}
