/** How often a second AWS takes each call, per account and Region: what verification keeps a share of. */

/**
 * KMS publishes one quota per operation, adjustable, and independent of the others. Only what this project calls to read
 * is here. https://docs.aws.amazon.com/kms/latest/developerguide/requests-per-second.html
 */
const PUBLISHED_PER_SECOND = {
  "kms:DescribeKey": 2_000,
  "kms:GetKeyLastUsage": 5,
  "kms:GetKeyPolicy": 1_000,
  "kms:GetKeyRotationStatus": 1_000,
  "kms:ListAliases": 500,
  "kms:ListGrants": 100,
  "kms:ListKeyRotations": 100,
  "kms:ListKeys": 500,
  "kms:ListResourceTags": 2_000,
  /** Shared with AssumeRole. https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html */
  "sts:AssumeRole": 600,
  "sts:GetCallerIdentity": 600,
} as const satisfies Readonly<Record<string, number>>;

/**
 * IAM, its Access Analyzer and the tagging API publish none, and throttle. A sweep reads their lists in bulk; single reads are for what looked
 * wrong, so this little is enough.
 */
const ASSUMED_PER_SECOND = {
  "access-analyzer:CheckAccessNotGranted": 5,
  "access-analyzer:CheckNoPublicAccess": 5,
  "iam:GetAccountAuthorizationDetails": 5,
  "iam:GetRole": 20,
  "iam:GetRolePolicy": 20,
  "iam:ListAttachedRolePolicies": 20,
  "iam:ListRolePolicies": 20,
  "tag:GetResources": 10,
} as const satisfies Readonly<Record<string, number>>;

export type MeteredOperation = keyof typeof PUBLISHED_PER_SECOND | keyof typeof ASSUMED_PER_SECOND;

export interface RequestQuota {
  readonly perSecond: number;
  /** `published`: AWS's own number, of which a share is taken. `assumed`: ours, taken whole. */
  readonly kind: "published" | "assumed";
}

/** Every operation that verification meters, with its quota. */
export const REQUEST_QUOTAS: ReadonlyMap<string, RequestQuota> = new Map([
  ...entries(PUBLISHED_PER_SECOND, "published"),
  ...entries(ASSUMED_PER_SECOND, "assumed"),
]);

function entries(perSecond: Readonly<Record<string, number>>, kind: RequestQuota["kind"]) {
  return Object.entries(perSecond).map(([operation, rate]): [string, RequestQuota] => [
    operation,
    { perSecond: rate, kind },
  ]);
}

/**
 * What one of several workers may ask of an operation.
 * @param share of a published quota, 0 to 1
 * @param workers how many share it at once
 */
export function ratePerSecond(operation: MeteredOperation, share: number, workers: number): number {
  const { perSecond, kind } = REQUEST_QUOTAS.get(operation) as RequestQuota;
  return (kind === "published" ? perSecond * share : perSecond) / workers;
}
