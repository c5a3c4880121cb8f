/** Drifts of tenants' roles. */
import {
  AttachRolePolicyCommand,
  CreateRoleCommand,
  DeleteRoleCommand,
  DeleteRolePermissionsBoundaryCommand,
  DeleteRolePolicyCommand,
  DetachRolePolicyCommand,
  PutRolePolicyCommand,
  UntagRoleCommand,
  UpdateAssumeRolePolicyCommand,
} from "@aws-sdk/client-iam";
import { parseKeyArn, TENANT_TAG } from "@tenantkeys/core";
import type { DriftBench, DriftedKey, KeyDrift } from "./drift.ts";

const FOREIGN_POLICY = "added-by-hand";
const MANAGED_POLICY = "arn:aws:iam::aws:policy/ReadOnlyAccess";

const allow = (Action: string, Principal?: object) =>
  JSON.stringify({
    Version: "2012-10-17",
    Statement: [{ Effect: "Allow", Action, ...(Principal === undefined ? { Resource: "*" } : { Principal }) }],
  });

async function putPolicy({ stage }: DriftBench, RoleName: string, PolicyName: string): Promise<void> {
  await stage.iam.send(new PutRolePolicyCommand({ RoleName, PolicyName, PolicyDocument: allow("kms:*") }));
}

async function deleteRole({ stage }: DriftBench, { desired: { role } }: DriftedKey): Promise<void> {
  const RoleName = role.name;
  await stage.iam.send(new DeleteRolePolicyCommand({ RoleName, PolicyName: role.policyName }));
  await stage.iam.send(new DeleteRoleCommand({ RoleName }));
}

/** Exactly as it was: only its unique id is another, which no policy knows. */
async function makeRoleAnew(bench: DriftBench, key: DriftedKey): Promise<void> {
  const { role, rolePolicy } = key.desired;
  await deleteRole(bench, key);
  await bench.stage.iam.send(
    new CreateRoleCommand({
      RoleName: role.name,
      Path: role.path,
      PermissionsBoundary: role.boundaryArn,
      Tags: Object.entries(role.tags).map(([Key, Value]) => ({ Key, Value })),
      AssumeRolePolicyDocument: JSON.stringify(role.trustPolicy),
    }),
  );
  await bench.stage.iam.send(
    new PutRolePolicyCommand({
      RoleName: role.name,
      PolicyName: role.policyName,
      PolicyDocument: JSON.stringify(rolePolicy(parseKeyArn(key.keyArn))),
    }),
  );
}

export const ROLE_DRIFTS: readonly KeyDrift[] = [
  { tenantId: "role-gone", ruleIds: ["role-missing"], inject: deleteRole },
  { tenantId: "role-made-anew", ruleIds: ["dead-principal"], inject: makeRoleAnew },
  {
    tenantId: "role-trusts-account",
    ruleIds: ["role-trust-policy-differs"],
    inject: async ({ stage }, { desired: { role } }) => {
      const PolicyDocument = allow("sts:AssumeRole", { AWS: `arn:aws:iam::${stage.accountId}:root` });
      await stage.iam.send(new UpdateAssumeRolePolicyCommand({ RoleName: role.name, PolicyDocument }));
    },
  },
  {
    tenantId: "role-policy-widened",
    ruleIds: ["role-policy-differs"],
    inject: (bench, { desired: { role } }) => putPolicy(bench, role.name, role.policyName),
  },
  {
    tenantId: "role-policy-added",
    ruleIds: ["role-policy-foreign"],
    inject: (bench, { desired: { role } }) => putPolicy(bench, role.name, FOREIGN_POLICY),
    byHand: async ({ stage }, { desired: { role } }) => {
      await stage.iam.send(new DeleteRolePolicyCommand({ RoleName: role.name, PolicyName: FOREIGN_POLICY }));
    },
  },
  {
    tenantId: "role-policy-attached",
    ruleIds: ["role-policy-foreign"],
    inject: async ({ stage }, { desired: { role } }) => {
      await stage.iam.send(new AttachRolePolicyCommand({ RoleName: role.name, PolicyArn: MANAGED_POLICY }));
    },
    byHand: async ({ stage }, { desired: { role } }) => {
      await stage.iam.send(new DetachRolePolicyCommand({ RoleName: role.name, PolicyArn: MANAGED_POLICY }));
    },
  },
  {
    tenantId: "role-unbounded",
    ruleIds: ["role-boundary-differs"],
    inject: async ({ stage }, { desired: { role } }) => {
      await stage.iam.send(new DeleteRolePermissionsBoundaryCommand({ RoleName: role.name }));
    },
  },
  {
    tenantId: "role-untagged",
    ruleIds: ["role-tags-differ"],
    inject: async ({ stage }, { desired: { role } }) => {
      await stage.iam.send(new UntagRoleCommand({ RoleName: role.name, TagKeys: [TENANT_TAG] }));
    },
  },
];
