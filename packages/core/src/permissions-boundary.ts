/**
 * The ceiling of every tenant's role, whatever policy somebody attaches to it later: it may use keys and touch data,
 * never administer a key, never touch IAM, never become another role.
 * https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_boundaries.html
 */
import { USE_ACTIONS } from "./key-actions.ts";
import { stageArns } from "./names.ts";
import { type PolicyDocument, policyDocument } from "./policy-document.ts";
import type { StageContext } from "./stage-context.ts";

export function tenantPermissionsBoundary(
  context: Pick<StageContext, "accountId" | "region" | "stage">,
  dataActions: readonly string[],
): PolicyDocument {
  const arns = stageArns(context.accountId, context.region, context.stage);
  return policyDocument([
    // Every key of the account, because one boundary serves tenants whose keys don't exist yet. It grants nothing: the
    // role's own policy names one key, and each key's policy names one role.
    { Sid: "UseKeysAtMost", Effect: "Allow", Action: [...USE_ACTIONS], Resource: arns.keys },
    // Every data resource, because which buckets and tables hold tenant data is the application's business; these
    // actions are the stage's setting `tenantDataActions`, and the boundary grants none of them.
    ...(dataActions.length === 0
      ? []
      : [{ Sid: "TouchDataAtMost", Effect: "Allow" as const, Action: [...dataActions], Resource: "*" }]),
  ]);
}
