/**
 * Policies for tenants' objects in one bucket, each tenant's under a prefix of its own. What each form protects, and which
 * scales how far: docs/aws-services.md.
 */
import { TenantKeysError } from "../errors.ts";
import type { KeyArn, TenantId } from "../ids.ts";
import { type PolicyDocument, type PolicyStatement, policyDocument } from "../policy-document.ts";
import { BUCKET_POLICY_LIMIT, documentWithin, policyBytes, TENANT_TAG_KEY, TENANT_VARIABLE } from "./policy-parts.ts";

/** Where tenants' objects are: `s3://{bucket}/{prefix}{tenantId}/…`. */
export interface TenantObjects {
  readonly bucket: string;
  /** Empty, or it ends with a slash: `attachments/`. Default: empty. */
  readonly prefix?: string | undefined;
}

/** A tenant and the keys that its objects may be written with: one, or two while a key is replaced by another. */
export interface TenantWithKeys {
  readonly tenantId: TenantId;
  readonly keyArns: readonly KeyArn[];
}

const KMS_KEY_HEADER = "s3:x-amz-server-side-encryption-aws-kms-key-id";
const ENCRYPTION_HEADER = "s3:x-amz-server-side-encryption";
const BUCKET_PATTERN = /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/;
/** No wildcard and no variable, as the prefix stands in resources of policies. 512 of the 1,024 bytes of an object's key. */
const PREFIX_PATTERN = /^([\w!.'()-]+\/)*$/;
const PREFIX_LENGTH_MAX = 512;
/** What changes a bucket or its settings. */
const BUCKET_ACTIONS = ["s3:Create*", "s3:Delete*", "s3:Put*", "s3:Update*"] as const;
/** A list of uploads in parts has no `s3:prefix` to compare, so a Deny of what is not like it denies it altogether. */
const LIST_ACTIONS = ["s3:ListBucket", "s3:ListBucketMultipartUploads", "s3:ListBucketVersions"] as const;

/** `{prefix}{tenantId}/`: what the keys of a tenant's objects begin with. */
export function tenantPrefix({ prefix = "" }: Pick<TenantObjects, "prefix">, tenantId: TenantId): string {
  return `${prefix}${tenantId}/`;
}

/**
 * Statements of the bucket's policy, one per tenant, that bind everybody of any account: nothing is put under a tenant's
 * prefix unless the request names the tenant's key by its ARN. `StringNotEquals` also holds where the request names none;
 * else such an object would be under the bucket's default key.
 * @throws TenantKeysError `identifier_invalid` for a bucket or prefix that can't stand in a policy, or a tenant without key
 */
export function tenantPrefixStatements(
  where: TenantObjects,
  tenants: readonly TenantWithKeys[],
): readonly PolicyStatement[] {
  const { bucketArn } = checked(where);
  return tenants.map(({ tenantId, keyArns }) => ({
    Sid: `OnlyKeyOf${sidPart(tenantId)}`,
    Effect: "Deny",
    Principal: { AWS: "*" },
    Action: "s3:PutObject",
    Resource: `${bucketArn}/${tenantPrefix(where, tenantId)}*`,
    Condition: { StringNotEquals: { [KMS_KEY_HEADER]: someKey(tenantId, keyArns) } },
  }));
}

/**
 * The bucket's whole policy: the statements of `tenantPrefixStatements`, after those that the bucket needs besides.
 * @throws TenantKeysError `policy_too_large`, with how many such tenants have room
 */
export function tenantPrefixBucketPolicy(
  where: TenantObjects,
  tenants: readonly TenantWithKeys[],
  further: readonly PolicyStatement[] = [],
): PolicyDocument {
  const own = tenantPrefixStatements(where, tenants);
  return documentWithin(BUCKET_POLICY_LIMIT, [...further, ...own], roomFor(own, further));
}

/** Reckoned with the longest statement, so at least so many have room. */
function roomFor(statements: readonly PolicyStatement[], further: readonly PolicyStatement[]): string {
  const longest = Math.max(...statements.map(policyBytes), 1) + 1;
  const room = BUCKET_POLICY_LIMIT.bytesMax - policyBytes(policyDocument(further));
  const count = Math.max(0, Math.floor(room / longest));
  return `about ${count} tenants have room, and there are ${statements.length}`;
}

/** Of the stage: who a tenant's sessions are, as `aws:PrincipalArn` has them (`stageArns`). */
export interface TenantRoles {
  /** `tenantRoles`, a pattern, and `sharedTenantRole`. */
  readonly roleArns: readonly string[];
}

/**
 * Statements of the bucket's policy for any number of tenants: they compare the tag of the session, so there is nothing to
 * add when a tenant comes. They bind sessions of tenants' roles only, also one that was given `s3:*` by mistake: each
 * reaches its own prefix, lists nothing else, puts nothing without naming a KMS key, and changes nothing of the bucket. Which key, KMS decides: a session
 * can't use another tenant's.
 */
export function taggedPrefixStatements(where: TenantObjects, { roleArns }: TenantRoles): readonly PolicyStatement[] {
  const { bucketArn, prefix } = checked(where);
  const deny = (Sid: string, rest: Omit<PolicyStatement, "Sid" | "Effect" | "Principal">): PolicyStatement => ({
    Sid,
    Effect: "Deny",
    Principal: { AWS: "*" },
    ...rest,
    Condition: { ArnLike: { "aws:PrincipalArn": roleArns }, ...rest.Condition },
  });
  const own = `${prefix}${TENANT_VARIABLE}/*`;
  return [
    // A variable without a value may make AWS pass over the two statements below, so such a session has nothing at all.
    deny("NothingWithoutTag", {
      Action: "s3:*",
      Resource: [bucketArn, `${bucketArn}/*`],
      Condition: { Null: { [TENANT_TAG_KEY]: "true" } },
    }),
    // Or such a session could take this very policy away, or have the bucket copied elsewhere.
    deny("NothingOfTheBucketItself", { Action: BUCKET_ACTIONS, Resource: bucketArn }),
    deny("OnlyOwnObjects", {
      Action: ["s3:*Object*", "s3:*Multipart*"],
      NotResource: [bucketArn, `${bucketArn}/${own}`],
    }),
    deny("OnlyOwnListing", {
      Action: LIST_ACTIONS,
      Resource: bucketArn,
      Condition: { StringNotLike: { "s3:prefix": own } },
    }),
    deny("OnlyWithNamedKey", {
      Action: "s3:PutObject",
      Resource: `${bucketArn}/${prefix}*`,
      Condition: { Null: { [KMS_KEY_HEADER]: "true" } },
    }),
  ];
}

/**
 * A policy of a tenant's own role, to be attached under any name that doesn't begin with `key-`: its objects, put with its
 * keys only. Nothing in the bucket has to change when a tenant comes.
 */
export function tenantObjectsPolicy(where: TenantObjects, { tenantId, keyArns }: TenantWithKeys): PolicyDocument {
  return objectsPolicy(where, tenantId, { StringEquals: { [KMS_KEY_HEADER]: someKey(tenantId, keyArns) } });
}

/**
 * The same for the role that all tenants share, or for every tenant's role alike: it compares the session's tag. That the
 * key is the tenant's, KMS decides.
 */
export function taggedObjectsPolicy(where: TenantObjects): PolicyDocument {
  return objectsPolicy(where, TENANT_VARIABLE, {
    StringEquals: { [ENCRYPTION_HEADER]: "aws:kms" },
    Null: { [KMS_KEY_HEADER]: "false" },
  });
}

function objectsPolicy(
  where: TenantObjects,
  whose: string,
  withKey: NonNullable<PolicyStatement["Condition"]>,
): PolicyDocument {
  const { bucketArn, prefix } = checked(where);
  const own = `${prefix}${whose}/*`;
  return policyDocument([
    {
      Sid: "ReadAndDeleteOwnObjects",
      Effect: "Allow",
      Action: ["s3:DeleteObject", "s3:GetObject"],
      Resource: `${bucketArn}/${own}`,
    },
    {
      Sid: "PutOwnObjects",
      Effect: "Allow",
      Action: "s3:PutObject",
      Resource: `${bucketArn}/${own}`,
      Condition: withKey,
    },
    {
      Sid: "ListOwnObjects",
      Effect: "Allow",
      Action: "s3:ListBucket",
      Resource: bucketArn,
      Condition: { StringLike: { "s3:prefix": own } },
    },
  ]);
}

function checked({ bucket, prefix = "" }: TenantObjects): { readonly bucketArn: string; readonly prefix: string } {
  if (!BUCKET_PATTERN.test(bucket)) {
    throw new TenantKeysError("identifier_invalid", `bucket "${bucket.slice(0, 80)}" is not valid`, {
      field: "bucket",
    });
  }
  if (!PREFIX_PATTERN.test(prefix) || prefix.length > PREFIX_LENGTH_MAX) {
    throw new TenantKeysError(
      "identifier_invalid",
      `prefix "${prefix.slice(0, 80)}" is not valid: expected nothing, or at most ${PREFIX_LENGTH_MAX} characters that end with / and hold no wildcard`,
      { field: "prefix" },
    );
  }
  return { bucketArn: `arn:aws:s3:::${bucket}`, prefix };
}

/** An empty list would deny, or allow, by no key at all. */
function someKey(tenantId: TenantId, keyArns: readonly KeyArn[]): string | readonly string[] {
  const [first, ...others] = keyArns;
  if (first === undefined) {
    throw new TenantKeysError("identifier_invalid", `tenant ${tenantId} is named without a key`, { tenantId });
  }
  return others.length === 0 ? first : [...keyArns];
}

/** A Sid takes letters and digits only. Ids have no capitals, so two tenants never have the same. */
function sidPart(tenantId: TenantId): string {
  return tenantId.replaceAll("-", "X");
}
