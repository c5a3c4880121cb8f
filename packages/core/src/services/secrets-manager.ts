/** Policies for a tenant's secrets in AWS Secrets Manager. */
import { TenantKeysError } from "../errors.ts";
import type { AccountId, Region, TenantId } from "../ids.ts";
import { type PolicyDocument, type PolicyStatement, policyDocument } from "../policy-document.ts";
import { documentWithin, SECRET_POLICY_LIMIT, TENANT_TAG_KEY, TENANT_VARIABLE } from "./policy-parts.ts";

/** Where tenants' secrets are: named `{prefix}{tenantId}/…`. */
export interface TenantSecrets {
  readonly accountId: AccountId;
  readonly region: Region;
  /** Empty, or it ends with a slash. Default: empty. */
  readonly prefix?: string | undefined;
}

/** What gives the secret's value, or puts another one, or another key, in its place. */
const VALUE_ACTIONS = ["secretsmanager:GetSecretValue", "secretsmanager:PutSecretValue", "secretsmanager:UpdateSecret"];
const PREFIX_PATTERN = /^([\w+=.@-]+\/)*$/;
const PREFIX_LENGTH_MAX = 256;

export function tenantSecretName(
  { prefix = "" }: Pick<TenantSecrets, "prefix">,
  tenantId: TenantId,
  name: string,
): string {
  return `${prefix}${tenantId}/${name}`;
}

/**
 * The policy of one tenant's secret: whoever isn't in a session tagged with this tenant has no part in its value, whatever
 * IAM policies say. `StringNotEquals` also holds for whoever has no such tag: people and other services of the account.
 * @param further statements that the secret needs besides
 * @throws TenantKeysError `policy_too_large`
 */
export function tenantSecretPolicy(tenantId: TenantId, further: readonly PolicyStatement[] = []): PolicyDocument {
  const own: PolicyStatement = {
    Sid: "OnlySessionsOfTenant",
    Effect: "Deny",
    Principal: { AWS: "*" },
    Action: VALUE_ACTIONS,
    Resource: "*",
    Condition: { StringNotEquals: { [TENANT_TAG_KEY]: tenantId } },
  };
  return documentWithin(SECRET_POLICY_LIMIT, [...further, own]);
}

/** A policy of the role that tenants share, or of every tenant's own role alike: a session reads its tenant's secrets. */
export function taggedSecretsPolicy({ accountId, region, prefix = "" }: TenantSecrets): PolicyDocument {
  if (!PREFIX_PATTERN.test(prefix) || prefix.length > PREFIX_LENGTH_MAX) {
    throw new TenantKeysError("identifier_invalid", `prefix "${prefix.slice(0, 80)}" is not valid`, {
      field: "prefix",
    });
  }
  return policyDocument([
    {
      Sid: "ReadOwnSecrets",
      Effect: "Allow",
      Action: "secretsmanager:GetSecretValue",
      Resource: `arn:aws:secretsmanager:${region}:${accountId}:secret:${prefix}${TENANT_VARIABLE}/*`,
    },
  ]);
}
