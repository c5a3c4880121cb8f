/** A finding as one sentence, for people. */
import type { Finding } from "./finding.ts";
import { findingRule } from "./finding-rules.ts";

/** "acme/default", "acme", or "the stage" where it belongs to no tenant. */
export function findingOwner({ tenantId, keyName }: Pick<Finding, "tenantId" | "keyName">): string {
  if (tenantId === undefined) return "the stage";
  return keyName === undefined ? tenantId : `${tenantId}/${keyName}`;
}

/** Such as "acme/default: arn:aws:kms:… is disabled, though it should be usable". */
export function findingText(finding: Pick<Finding, "ruleId" | "tenantId" | "keyName" | "resource">): string {
  return `${findingOwner(finding)}: ${finding.resource} ${findingRule(finding.ruleId).says}`;
}
