/**
 * The second function: when tenantkeys has made a tenant's key, or replaced it by another, the tenant's role gets its
 * policy for this application's data. A rule of the stage's bus calls it, with TenantKeyProvisioned and TenantKeyRotated.
 */
import { IAMClient, PutRolePolicyCommand } from "@aws-sdk/client-iam";
import type { EventBridgeEvent } from "aws-lambda";
import { POLICY_NAME, type TenantOfPolicy, tenantPolicy } from "./tenant-policy.ts";

interface Provisioned extends TenantOfPolicy {
  readonly keyName: string;
  readonly roleArn: string;
}

const iam = new IAMClient({});
const { NOTES_TABLE_ARN: tableArn = "", NOTES_BUCKET: bucket = "" } = process.env;

/** Repeated events put the same policy again. */
export async function handler({ detail }: EventBridgeEvent<string, Provisioned>): Promise<void> {
  if (detail.keyName !== "default") return;
  const RoleName = detail.roleArn.slice(detail.roleArn.lastIndexOf("/") + 1);
  const PolicyDocument = JSON.stringify(tenantPolicy(detail, { tableArn, bucket }));
  await iam.send(new PutRolePolicyCommand({ RoleName, PolicyName: POLICY_NAME, PolicyDocument }));
}
