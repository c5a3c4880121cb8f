/** Validates the policies that a stage's settings would make, before or after it is deployed. */
import { AccessAnalyzerClient } from "@aws-sdk/client-accessanalyzer";
import { policiesOfStage } from "@tenantkeys/core";
import { type ClientOptions, clientConfig } from "../clients.ts";
import type { Run } from "../run.ts";
import { type PolicyIssue, validatePolicies } from "../verification/validate-policies.ts";
import type { DeployedStage } from "./stage-settings-item.ts";

export interface ValidatedPolicies {
  /** Documents that were looked at; one that several profiles share counts once. */
  readonly policies: number;
  readonly issues: readonly PolicyIssue[];
}

/** @throws TenantKeysError where Access Analyzer isn't there or refuses */
export async function validateStagePolicies(
  options: ClientOptions,
  run: Run,
  { context, settings }: DeployedStage,
): Promise<ValidatedPolicies> {
  const accessAnalyzer = new AccessAnalyzerClient(clientConfig(options));
  try {
    const policies = policiesOfStage(context, settings);
    return { policies: policies.length, issues: await validatePolicies(accessAnalyzer, run, policies) };
  } finally {
    accessAnalyzer.destroy();
  }
}
