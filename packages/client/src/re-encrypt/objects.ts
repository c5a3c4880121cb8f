/**
 * A tenant's S3 objects to another key: each is copied onto itself by S3, which decrypts with the old key and encrypts with
 * the new one, both in the session of the tenant's role. No byte comes here.
 * https://docs.aws.amazon.com/AmazonS3/latest/userguide/specifying-kms-encryption.html
 */
import {
  CopyObjectCommand,
  HeadObjectCommand,
  type HeadObjectCommandOutput,
  ListObjectsV2Command,
  S3Client,
  type S3ClientConfig,
} from "@aws-sdk/client-s3";
import { type KeyArn, TenantKeysError } from "@tenantkeys/core";
import type { KeyAccess } from "../key-access.ts";
import { s3Encryption } from "../services/s3.ts";
import type { ReEncryptReport } from "./report.ts";
import { type Moved, type Page, type RunSettings, reEncrypt } from "./run.ts";
import { narrowS3Error, statusOf } from "./s3-errors.ts";

export interface ObjectsToMove {
  /**
   * In a session of the tenant's role, with the right to list, read and write the objects, and their tags if they have any.
   * For what has an object lock also `s3:GetObjectRetention`, `s3:GetObjectLegalHold`, `s3:PutObjectRetention` and
   * `s3:PutObjectLegalHold`: without the first two S3 doesn't say that there is a lock, and the copy has none.
   */
  readonly s3: S3Client;
  readonly bucket: string;
  /**
   * Of the tenant's objects alone: `acme/`, or nothing for a bucket that is the tenant's. What is under another tenant's key
   * is refused, not moved.
   */
  readonly prefix: string;
  /** Where to: what `tenantKey.access()` gives. */
  readonly to: Pick<KeyAccess, "stage" | "tenantId" | "keyName" | "keyArn" | "decryptKeyArns">;
  /** Further keys of the tenant that objects are moved from, beside those that the new one replaced. */
  readonly from?: readonly KeyArn[] | undefined;
}

export interface ObjectsSettings extends RunSettings {
  /** Objects between two writes of the cursor: 1 to 1,000; default 200. */
  readonly pageObjects?: number | undefined;
}

/** With an endpoint of its own, buckets are named by the path: one has no name in DNS there. */
export function tenantS3(options: {
  readonly region: string;
  readonly endpoint?: string | undefined;
  /** Of a session of the tenant's role: pass `() => tenantKey.credentials()`, and it is renewed. */
  readonly credentials: NonNullable<S3ClientConfig["credentials"]>;
}): S3Client {
  const { region, endpoint, credentials } = options;
  return new S3Client({ region, credentials, ...(endpoint === undefined ? {} : { endpoint, forcePathStyle: true }) });
}

/** CopyObject takes no more. */
const COPY_BYTES_MAX = 5 * 1024 ** 3;
/** An object that is written in the same moment, and again when it is looked at the next time. */
const LOOKS_MAX = 3;
const ARCHIVED = ["GLACIER", "DEEP_ARCHIVE"];

/**
 * @returns what was moved, what not and why. Earlier versions stay under the key that they have: they are listed
 * @throws TenantKeysError when the objects can't be listed, or the cursor is of another run
 */
export async function reEncryptObjects(
  objects: ObjectsToMove,
  { pageObjects = 200, ...settings }: ObjectsSettings = {},
): Promise<ReEncryptReport> {
  if (!(Number.isInteger(pageObjects) && pageObjects >= 1 && pageObjects <= 1_000)) {
    const message = `pageObjects: expected a whole number from 1 to 1000, got ${pageObjects}`;
    throw new TenantKeysError("settings_invalid", message, { field: "pageObjects" });
  }
  const { bucket, prefix, to } = objects;
  // `acme` is also how the objects of tenant acme-2 begin, and those that no KMS key encrypts would be moved.
  if (prefix !== "" && !prefix.endsWith("/")) {
    const message = `prefix: expected one that ends with /, got "${prefix}": other tenants' objects may begin with it too`;
    throw new TenantKeysError("settings_invalid", message, { field: "prefix" });
  }
  return reEncrypt(
    {
      target: `s3://${bucket}/${prefix} to ${to.keyArn} (${to.stage}/${to.tenantId}/${to.keyName})`,
      pages: (after) => pagesOf(objects, pageObjects, after),
      idOf: (key) => key,
      move: (key, dryRun) => moveObject(objects, key, dryRun),
    },
    settings,
  );
}

/** By the last key of the page before, not by S3's token: that one isn't said to last. */
async function* pagesOf(
  { s3, bucket, prefix }: ObjectsToMove,
  pageObjects: number,
  after: string | undefined,
): AsyncGenerator<Page<string>> {
  let last = after;
  for (;;) {
    const listed = await s3
      .send(new ListObjectsV2Command({ Bucket: bucket, Prefix: prefix, MaxKeys: pageObjects, StartAfter: last }))
      .catch((error: unknown) => {
        throw narrowS3Error(error, "s3:ListBucket");
      });
    const items = (listed.Contents ?? []).flatMap(({ Key: key }) => (key === undefined ? [] : [key]));
    const next = listed.IsTruncated === true ? items.at(-1) : undefined;
    yield { items, next };
    if (next === undefined) return;
    last = next;
  }
}

async function moveObject(objects: ObjectsToMove, key: string, dryRun: boolean): Promise<Moved> {
  for (let look = 1; look <= LOOKS_MAX; look++) {
    const head = await headOf(objects, key);
    if (head === undefined || head.SSEKMSKeyId === objects.to.keyArn) return { kind: "skipped" };
    refuseUnmovable(objects, key, head);
    if (dryRun) return { kind: "moved", leftBehind: versionOf(key, head.VersionId) };
    const moved = await copyOntoItself(objects, key, head);
    if (moved !== undefined) return moved;
  }
  throw new TenantKeysError("state_conflict", `${key} was written again each time it was about to be moved`);
}

/** @returns undefined where the object is gone */
async function headOf({ s3, bucket }: ObjectsToMove, key: string): Promise<HeadObjectCommandOutput | undefined> {
  try {
    return await s3.send(new HeadObjectCommand({ Bucket: bucket, Key: key }));
  } catch (error) {
    if (statusOf(error) === 404) return undefined;
    throw narrowS3Error(error, "s3:GetObject");
  }
}

function refuseUnmovable({ to, from = [] }: ObjectsToMove, key: string, head: HeadObjectCommandOutput): void {
  const { SSEKMSKeyId: keyArn, SSECustomerAlgorithm: customer, ContentLength: bytes = 0, StorageClass: storage } = head;
  const { tenantId, keyName } = to;
  if (customer !== undefined) {
    throw new TenantKeysError("state_conflict", `${key} is encrypted with a key that only its writer has (SSE-C)`);
  }
  // One without a KMS key is encrypted by S3's own, and is moved: the tenant's key is what it lacks.
  if (keyArn !== undefined && ![...to.decryptKeyArns, ...from].some((known) => known === keyArn)) {
    const message = `${key} is encrypted with ${keyArn}, which isn't one of the tenant's keys that are moved from`;
    throw new TenantKeysError("ciphertext_of_another_tenant", message, { tenantId, keyName });
  }
  if (bytes > COPY_BYTES_MAX) {
    const message = `${key} has ${bytes} bytes: S3 copies at most ${COPY_BYTES_MAX} at once, so write it again in parts`;
    throw new TenantKeysError("state_conflict", message);
  }
  if (ARCHIVED.includes(storage ?? "") && !/ongoing-request="false"/.test(head.Restore ?? "")) {
    throw new TenantKeysError("state_conflict", `${key} is archived (${storage}): restore it first`);
  }
}

/**
 * Only if it is still what was looked at: both as the source and as what is written over.
 * @returns undefined where it isn't
 */
async function copyOntoItself(
  { s3, bucket, to }: ObjectsToMove,
  key: string,
  head: HeadObjectCommandOutput,
): Promise<Moved | undefined> {
  const command = new CopyObjectCommand({
    Bucket: bucket,
    Key: key,
    CopySource: `${bucket}/${key.split("/").map(encodeURIComponent).join("/")}`,
    CopySourceIfMatch: head.ETag,
    IfMatch: head.ETag,
    MetadataDirective: "COPY",
    TaggingDirective: "COPY",
    ...encryptionOf(to, head),
    // These S3 doesn't copy with the metadata.
    StorageClass: head.StorageClass,
    WebsiteRedirectLocation: head.WebsiteRedirectLocation,
    ObjectLockMode: head.ObjectLockMode,
    ObjectLockRetainUntilDate: head.ObjectLockRetainUntilDate,
    ObjectLockLegalHoldStatus: head.ObjectLockLegalHoldStatus,
  });
  try {
    const { CopySourceVersionId: version } = await s3.send(command);
    return { kind: "moved", leftBehind: versionOf(key, version) };
  } catch (error) {
    // Changed or gone since: looked at again.
    if ([404, 409, 412].includes(statusOf(error) ?? 0)) return undefined;
    throw narrowS3Error(error, "s3:CopyObject");
  }
}

/** With a bucket key if it had one. DSSE has none, and isn't asked about them. */
function encryptionOf(to: ObjectsToMove["to"], head: HeadObjectCommandOutput) {
  const { BucketKeyEnabled, ...encryption } = s3Encryption(to, { bucketKey: head.BucketKeyEnabled ?? false });
  return head.ServerSideEncryption === "aws:kms:dsse"
    ? { ...encryption, ServerSideEncryption: "aws:kms:dsse" as const }
    : { ...encryption, BucketKeyEnabled };
}

/** Without versioning nothing is left behind, and before versioning was turned on a version is called `null`. */
function versionOf(key: string, versionId: string | undefined): string | undefined {
  return versionId === undefined ? undefined : `${key}?versionId=${versionId}`;
}
