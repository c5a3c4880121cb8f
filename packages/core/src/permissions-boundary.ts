/**
 * The ceiling of every tenant's role, whatever policy somebody attaches to it later: it may use keys and touch data,
 * never administer a key, never touch IAM, never become another role.
 * https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_boundaries.html
 */
import { CONTEXT_CONSTRAINTS, EVERY_USE_ACTION, SERVICE_GRANT_ACTIONS } from "./key-actions.ts";
import { isMultiRegion } from "./key-profile.ts";
import { stageArns } from "./names.ts";
import { type PolicyDocument, type PolicyStatement, policyDocument } from "./policy-document.ts";
import type { StageContext } from "./stage-context.ts";
import type { StageSettings } from "./stage-settings.ts";

/** A key's own policy decides as well, and for a key of another account it has to name our role. */
export const KEYS_OF_ANY_ACCOUNT = "arn:aws:kms:*:*:key/*";

export function tenantPermissionsBoundary(
  context: Pick<StageContext, "accountId" | "region" | "stage">,
  {
    tenantDataActions,
    profiles,
    tenantOwnedKeys,
  }: Pick<StageSettings, "tenantDataActions" | "profiles" | "tenantOwnedKeys">,
): PolicyDocument {
  const all = Object.values(profiles);
  // Every Region where a profile has replicas: the boundary grants nothing, and a list of Regions could outgrow it.
  const region = all.some(isMultiRegion) ? "*" : context.region;
  // Every key of the account, because one boundary serves tenants whose keys don't exist yet. It grants nothing: the
  // role's own policy names one key, and each key's policy names one role.
  const { keys } = stageArns(context.accountId, region, context.stage);
  // Every data resource, because which buckets and tables hold tenant data is the application's business; these
  // actions are the stage's setting `tenantDataActions`, and the boundary grants none of them.
  const data: readonly PolicyStatement[] =
    tenantDataActions.length === 0
      ? []
      : [{ Sid: "TouchDataAtMost", Effect: "Allow", Action: [...tenantDataActions], Resource: "*" }];
  // Every account, where tenants may bring keys of theirs: which accounts isn't known before they come.
  const used = tenantOwnedKeys ? KEYS_OF_ANY_ACCOUNT : keys;
  return policyDocument([
    { Sid: "UseKeysAtMost", Effect: "Allow", Action: [...EVERY_USE_ACTION], Resource: used },
    ...(all.some((profile) => profile.serviceGrants) ? [grantAtMost(keys)] : []),
    ...(all.some((profile) => profile.jobRoleArns.length > 0) ? grantToJobsAtMost(keys) : []),
    ...data,
  ]);
}

/** A boundary also caps what a key policy gives a role, so what that gives for services' sake has to be in it. */
function grantAtMost(keys: string): PolicyStatement {
  return {
    Sid: "GrantToServicesAtMost",
    Effect: "Allow",
    Action: [...SERVICE_GRANT_ACTIONS],
    Resource: keys,
    Condition: { Bool: { "kms:GrantIsForAWSResource": "true" } },
  };
}

/**
 * To whom, for what and for which tenant, the key's policy says: a list of every profile's roles could outgrow a boundary.
 * RetireGrant lets nobody do anything that the grant itself doesn't.
 */
function grantToJobsAtMost(keys: string): readonly PolicyStatement[] {
  return [
    {
      Sid: "GrantToJobsAtMost",
      Effect: "Allow",
      Action: ["kms:CreateGrant"],
      Resource: keys,
      Condition: { StringEquals: { "kms:GrantConstraintType": [...CONTEXT_CONSTRAINTS] } },
    },
    { Sid: "RetireGrantsAtMost", Effect: "Allow", Action: ["kms:RetireGrant"], Resource: keys },
  ];
}
