/** What the policies for AWS services share: the session's tag as a variable, and the sizes that AWS takes. */
import { TenantKeysError } from "../errors.ts";
import { SESSION_TAG } from "../names.ts";
import type { PolicyDocument, PolicyStatement } from "../policy-document.ts";
import { policyDocument } from "../policy-document.ts";

/**
 * The tenant of the session that asks, as IAM fills it in. Only a session that was tagged has a value: without one nothing
 * matches. https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html
 */
export const TENANT_VARIABLE = `\${aws:PrincipalTag/${SESSION_TAG}}`;
export const TENANT_TAG_KEY = `aws:PrincipalTag/${SESSION_TAG}`;

/** What a resource is called in the message, and how much its policy may hold. */
interface SizeLimit {
  readonly what: string;
  readonly bytesMax: number;
}

/** https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucket-policies.html */
export const BUCKET_POLICY_LIMIT: SizeLimit = { what: "a bucket's policy", bytesMax: 20_480 };
/** https://docs.aws.amazon.com/secretsmanager/latest/userguide/reference_limits.html */
export const SECRET_POLICY_LIMIT: SizeLimit = { what: "a secret's policy", bytesMax: 20_480 };

/**
 * A document that AWS has room for, as JSON without white space.
 * @throws TenantKeysError `policy_too_large`, with `reckoning` in the message: how many tenants have room, say
 */
export function documentWithin(
  limit: SizeLimit,
  statements: readonly PolicyStatement[],
  reckoning?: string,
): PolicyDocument {
  const document = policyDocument(statements);
  const bytes = policyBytes(document);
  if (bytes <= limit.bytesMax) return document;
  const more = reckoning === undefined ? "" : `: ${reckoning}`;
  throw new TenantKeysError(
    "policy_too_large",
    `the policy has ${bytes} bytes, and ${limit.what} may hold ${limit.bytesMax}${more}`,
  );
}

/** As AWS counts: UTF-8. */
export function policyBytes(document: unknown): number {
  return new TextEncoder().encode(JSON.stringify(document)).length;
}
