/** IAM Access Analyzer's validation of policies before they are used: free of charge, and of grammar and good practice. */
import {
  type AccessAnalyzerClient,
  ValidatePolicyCommand,
  type ValidatePolicyCommandInput,
  type ValidatePolicyFinding,
} from "@aws-sdk/client-accessanalyzer";
import { type NamedPolicy, type PolicyKind, TenantKeysError } from "@tenantkeys/core";
import { narrowAwsError } from "../narrow-error.ts";
import { checkDeadline, type Run } from "../run.ts";

const STEP = "access-analyzer:ValidatePolicy";
/** A page holds 100 findings, and one of our policies would be strange with more than a few. */
const PAGES_MAX = 10;

export interface PolicyIssue {
  readonly policies: readonly string[];
  readonly severity: "error" | "security-warning" | "warning" | "suggestion";
  /** AWS's code of it, such as `PASS_ROLE_WITH_STAR_IN_RESOURCE`. */
  readonly code: string;
  readonly details: string;
  readonly link: string;
}

const SEVERITY_OF = {
  ERROR: "error",
  SECURITY_WARNING: "security-warning",
  WARNING: "warning",
  SUGGESTION: "suggestion",
} as const;

/**
 * A key policy names no resource type, as Access Analyzer has none for it:
 * https://docs.aws.amazon.com/access-analyzer/latest/APIReference/API_ValidatePolicy.html
 */
const TYPE_OF: Readonly<
  Record<PolicyKind, Pick<ValidatePolicyCommandInput, "policyType" | "validatePolicyResourceType">>
> = {
  key: { policyType: "RESOURCE_POLICY" },
  trust: { policyType: "RESOURCE_POLICY", validatePolicyResourceType: "AWS::IAM::AssumeRolePolicyDocument" },
  role: { policyType: "IDENTITY_POLICY" },
  boundary: { policyType: "IDENTITY_POLICY" },
};

/** @throws TenantKeysError where Access Analyzer isn't there or refuses */
export async function validatePolicies(
  accessAnalyzer: AccessAnalyzerClient,
  run: Run,
  policies: readonly NamedPolicy[],
): Promise<readonly PolicyIssue[]> {
  const issues: PolicyIssue[] = [];
  for (const policy of policies) {
    const findings = await findingsOf(accessAnalyzer, run, policy);
    issues.push(...findings.map((finding) => issueOf(policy, finding)));
  }
  return issues;
}

async function findingsOf(
  accessAnalyzer: AccessAnalyzerClient,
  run: Run,
  { kind, document, names }: NamedPolicy,
): Promise<readonly ValidatePolicyFinding[]> {
  const findings: ValidatePolicyFinding[] = [];
  let nextToken: string | undefined;
  for (let page = 0; page < PAGES_MAX; page++) {
    checkDeadline(run, STEP);
    const input = { policyDocument: JSON.stringify(document), ...TYPE_OF[kind], nextToken };
    const answer = await accessAnalyzer
      .send(new ValidatePolicyCommand(input), { abortSignal: run.signal })
      .catch((error) => {
        throw narrowAwsError(error, STEP);
      });
    findings.push(...(answer.findings ?? []));
    nextToken = answer.nextToken;
    if (nextToken === undefined) return findings;
  }
  throw new TenantKeysError("aws_unexpected", `${STEP}: more than ${PAGES_MAX} pages about ${names[0]}`, {
    step: STEP,
  });
}

/** A kind that we don't know counts as an error: it must not pass as something to be read later. */
function issueOf({ names }: NamedPolicy, finding: ValidatePolicyFinding): PolicyIssue {
  const { findingType, issueCode, findingDetails, learnMoreLink } = finding;
  const severity = SEVERITY_OF[findingType as keyof typeof SEVERITY_OF] ?? "error";
  return {
    policies: names,
    severity,
    code: issueCode ?? "NoCode",
    details: findingDetails ?? "",
    link: learnMoreLink ?? "",
  };
}
