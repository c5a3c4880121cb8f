/** KMS keys and aliases: each function is one call (or one read made of several), its answer narrowed here. */
import {
  CancelKeyDeletionCommand,
  CreateAliasCommand,
  CreateKeyCommand,
  DeleteAliasCommand,
  DescribeCustomKeyStoresCommand,
  DescribeKeyCommand,
  DisableKeyCommand,
  EnableKeyCommand,
  EnableKeyRotationCommand,
  GetKeyPolicyCommand,
  GetKeyRotationStatusCommand,
  GetParametersForImportCommand,
  type KeyMetadata,
  type KeySpec,
  type KeyUsageType,
  ListResourceTagsCommand,
  type OriginType,
  PutKeyPolicyCommand,
  ReplicateKeyCommand,
  RevokeGrantCommand,
  ScheduleKeyDeletionCommand,
  UpdateAliasCommand,
} from "@aws-sdk/client-kms";
import { GetResourcesCommand } from "@aws-sdk/client-resource-groups-tagging-api";
import {
  type AliasName,
  type ImportParameters,
  type KeyArn,
  type KeyDescription,
  type KeyState,
  type ObservedKey,
  type PolicyDocument,
  parseKeyArn,
  parseRegion,
  type Region,
  type RotationStatus,
  type Tags,
  TenantKeysError,
} from "@tenantkeys/core";
import type { Clients } from "./clients.ts";
import { errorName, isDenial, narrowAwsError } from "./narrow-error.ts";
import type { Run } from "./run.ts";

/** KMS's shortest. A key that never admitted a tenant holds nothing that somebody could miss. */
export const SPARE_KEY_DELETION_WINDOW_DAYS = 7;
/** Pages of tags and of tagged keys that are read at most: a key has 50 tags, a tenant a handful of keys. */
const PAGES_MAX = 20;

export interface NewKey {
  readonly description: string;
  readonly policy: PolicyDocument;
  readonly tags: Tags;
  readonly keySpec: KeySpec;
  readonly keyUsage: KeyUsageType;
  readonly origin: OriginType;
  readonly customKeyStoreId: string | undefined;
  readonly xksKeyId: string | undefined;
  readonly multiRegion: boolean;
}

export async function createKey(clients: Clients, run: Run, key: NewKey): Promise<KeyArn> {
  const command = new CreateKeyCommand({
    Description: key.description,
    KeySpec: key.keySpec,
    KeyUsage: key.keyUsage,
    Origin: key.origin,
    ...(key.customKeyStoreId === undefined ? {} : { CustomKeyStoreId: key.customKeyStoreId }),
    ...(key.xksKeyId === undefined ? {} : { XksKeyId: key.xksKeyId }),
    ...(key.multiRegion ? { MultiRegion: true } : {}),
    Policy: JSON.stringify(key.policy),
    Tags: Object.entries(key.tags).map(([TagKey, TagValue]) => ({ TagKey, TagValue })),
  });
  const { KeyMetadata } = await clients.kmsOnce.send(command, { abortSignal: run.signal });
  if (KeyMetadata?.Arn !== undefined) return parseKeyArn(KeyMetadata.Arn);
  throw new TenantKeysError("aws_unexpected", "kms:CreateKey: the reply names no key", { step: "kms:CreateKey" });
}

/** @returns false where the alias exists already, whoever's it is */
export async function createAlias(clients: Clients, run: Run, alias: AliasName, keyArn: KeyArn): Promise<boolean> {
  try {
    const command = new CreateAliasCommand({ AliasName: alias, TargetKeyId: keyArn });
    await clients.kms.send(command, { abortSignal: run.signal });
    return true;
  } catch (error) {
    if (errorName(error) === "AlreadyExistsException") return false;
    throw error;
  }
}

/** The replica starts with a policy and tags of its own; KMS copies neither. */
export async function replicateKey(
  clients: Clients,
  run: Run,
  primary: KeyArn,
  replica: {
    readonly region: Region;
    readonly description: string;
    readonly policy: PolicyDocument;
    readonly tags: Tags;
  },
): Promise<void> {
  const command = new ReplicateKeyCommand({
    KeyId: primary,
    ReplicaRegion: replica.region,
    Description: replica.description,
    Policy: JSON.stringify(replica.policy),
    Tags: Object.entries(replica.tags).map(([TagKey, TagValue]) => ({ TagKey, TagValue })),
  });
  // Safe to send again: a key has one replica per Region, and KMS says AlreadyExistsException.
  await clients.kms.send(command, { abortSignal: run.signal }).catch((error) => {
    if (errorName(error) !== "AlreadyExistsException") throw error;
  });
}

/** KMS wants the old and the new key of one type and usage, which two keys of one profile are. */
export async function updateAlias(clients: Clients, run: Run, alias: AliasName, keyArn: KeyArn): Promise<void> {
  const command = new UpdateAliasCommand({ AliasName: alias, TargetKeyId: keyArn });
  await clients.kms.send(command, { abortSignal: run.signal });
}

/** Done as well where the grant is gone already. https://docs.aws.amazon.com/kms/latest/APIReference/API_RevokeGrant.html */
export async function revokeGrant(clients: Clients, run: Run, keyArn: KeyArn, grantId: string): Promise<void> {
  const command = new RevokeGrantCommand({ KeyId: keyArn, GrantId: grantId });
  await clients.kms.send(command, { abortSignal: run.signal }).catch((error) => {
    if (errorName(error) !== "NotFoundException") throw error;
  });
}

/** Done as well where the alias is gone already. The key that it led to stays. */
export async function deleteAlias(clients: Clients, run: Run, alias: AliasName): Promise<void> {
  const command = new DeleteAliasCommand({ AliasName: alias });
  await clients.kms.send(command, { abortSignal: run.signal }).catch((error) => {
    if (errorName(error) !== "NotFoundException") throw error;
  });
}

/**
 * CreateKey in a store that isn't connected fails as well; asked before, it costs no attempt and says what to do.
 * https://docs.aws.amazon.com/kms/latest/developerguide/key-store-overview.html
 * @throws TenantKeysError `key_store_unavailable`
 */
export async function refuseDisconnectedStore(clients: Clients, run: Run, storeId: string): Promise<void> {
  const step = "kms:DescribeCustomKeyStores";
  const answer = await clients.kms
    .send(new DescribeCustomKeyStoresCommand({ CustomKeyStoreId: storeId }), { abortSignal: run.signal })
    .catch((error) => {
      throw narrowAwsError(error, step);
    });
  const store = answer.CustomKeyStores?.find(({ CustomKeyStoreId }) => CustomKeyStoreId === storeId);
  if (store?.ConnectionState === "CONNECTED") return;
  const state = store === undefined ? "isn't known to KMS here" : `is ${store.ConnectionState}`;
  const code = store?.ConnectionErrorCode === undefined ? "" : ` (${store.ConnectionErrorCode})`;
  throw new TenantKeysError("key_store_unavailable", `${step}: custom key store ${storeId} ${state}${code}`, { step });
}

export async function enableKeyRotation(clients: Clients, run: Run, keyArn: KeyArn, periodDays: number): Promise<void> {
  const command = new EnableKeyRotationCommand({ KeyId: keyArn, RotationPeriodInDays: periodDays });
  await clients.kms.send(command, { abortSignal: run.signal });
}

export async function putKeyPolicy(clients: Clients, run: Run, keyArn: KeyArn, policy: PolicyDocument): Promise<void> {
  const command = new PutKeyPolicyCommand({ KeyId: keyArn, PolicyName: "default", Policy: JSON.stringify(policy) });
  await clients.kms.send(command, { abortSignal: run.signal });
}

/** @returns when KMS will delete it, epoch milliseconds; undefined for a multi-Region primary that waits for its replicas */
export async function scheduleKeyDeletion(
  clients: Clients,
  run: Run,
  keyArn: KeyArn,
  windowDays: number,
): Promise<number | undefined> {
  const command = new ScheduleKeyDeletionCommand({ KeyId: keyArn, PendingWindowInDays: windowDays });
  return (await clients.kms.send(command, { abortSignal: run.signal })).DeletionDate?.getTime();
}

/** Leaves the key disabled. https://docs.aws.amazon.com/kms/latest/developerguide/deleting-keys-cancelling-key-deletion.html */
export async function cancelKeyDeletion(clients: Clients, run: Run, keyArn: KeyArn): Promise<void> {
  await clients.kms.send(new CancelKeyDeletionCommand({ KeyId: keyArn }), { abortSignal: run.signal });
}

export async function enableKey(clients: Clients, run: Run, keyArn: KeyArn): Promise<void> {
  await clients.kms.send(new EnableKeyCommand({ KeyId: keyArn }), { abortSignal: run.signal });
}

export async function disableKey(clients: Clients, run: Run, keyArn: KeyArn): Promise<void> {
  await clients.kms.send(new DisableKeyCommand({ KeyId: keyArn }), { abortSignal: run.signal });
}

/** The longest RSA key that KMS wraps with; its answer is valid for 24 hours. */
const WRAPPING = { WrappingAlgorithm: "RSAES_OAEP_SHA_256", WrappingKeySpec: "RSA_4096" } as const;

export async function getImportParameters(clients: Clients, run: Run, keyArn: KeyArn): Promise<ImportParameters> {
  const command = new GetParametersForImportCommand({ KeyId: keyArn, ...WRAPPING });
  const { PublicKey, ImportToken, ParametersValidTo } = await clients.kms.send(command, { abortSignal: run.signal });
  if (PublicKey === undefined || ImportToken === undefined || ParametersValidTo === undefined) {
    throw new TenantKeysError("aws_unexpected", "kms:GetParametersForImport: the reply lacks a part");
  }
  return {
    wrappingAlgorithm: WRAPPING.WrappingAlgorithm,
    wrappingKeySpec: WRAPPING.WrappingKeySpec,
    publicKey: Buffer.from(PublicKey).toString("base64"),
    importToken: Buffer.from(ImportToken).toString("base64"),
    expiresAtMs: ParametersValidTo.getTime(),
  };
}

/**
 * Why a key of a tenant's own account can't be used as the profile says, by all that its owner's policy lets us see.
 * @returns `own_key_unusable` with the reason, or undefined where it can
 * @throws TenantKeysError where KMS doesn't answer
 */
export async function whyOwnKeyIsUnusable(
  clients: Clients,
  run: Run,
  keyArn: KeyArn,
  wanted: { readonly keySpec: KeySpec; readonly keyUsage: KeyUsageType },
): Promise<TenantKeysError | undefined> {
  const step = "kms:DescribeKey";
  const unusable = (reason: string, cause?: unknown) =>
    new TenantKeysError("own_key_unusable", `${step}: ${keyArn} ${reason}`, { step, cause });
  let metadata: KeyMetadata | undefined;
  try {
    metadata = await describeOwnKey(clients, run, keyArn);
  } catch (error) {
    if (errorName(error) === "NotFoundException") return unusable("isn't there", error);
    const narrowed = narrowAwsError(error, step);
    if (narrowed.code === "access_denied") return unusable("doesn't let tenantkeys describe it", error);
    throw narrowed;
  }
  if (metadata?.KeyState !== "Enabled") return unusable(`is ${metadata?.KeyState ?? "in no state"}, not Enabled`);
  if (metadata.KeySpec === wanted.keySpec && metadata.KeyUsage === wanted.keyUsage) return undefined;
  return unusable(
    `is for ${metadata.KeyUsage} with ${metadata.KeySpec}, not ${wanted.keyUsage} with ${wanted.keySpec}`,
  );
}

async function describeOwnKey(clients: Clients, run: Run, keyArn: KeyArn): Promise<KeyMetadata | undefined> {
  return (await clients.kms.send(new DescribeKeyCommand({ KeyId: keyArn }), { abortSignal: run.signal })).KeyMetadata;
}

/** `denied`: its policy doesn't let us look, so it isn't one of ours. `absent`: it isn't there. */
export type KeyReading =
  | { readonly kind: "read"; readonly key: ObservedKey }
  | { readonly kind: "denied" }
  | { readonly kind: "absent" };

/**
 * @param keyId a key's ARN, or an alias
 * @throws TenantKeysError for anything but "not there" and "not allowed"
 */
export async function readKey(clients: Clients, run: Run, keyId: KeyArn | AliasName): Promise<KeyReading> {
  try {
    const { keyArn, description } = await describeKey(clients, run, keyId);
    const [tags, policy, rotation] = await Promise.all([
      readTags(clients, run, keyArn),
      readKeyPolicy(clients, run, keyArn),
      readRotation(clients, run, keyArn, description),
    ]);
    const { state, origin, deletionDateMs, materialExpiresAtMs, replicaRegions } = description;
    const described = { state, origin, deletionDateMs, materialExpiresAtMs, replicaRegions };
    return { kind: "read", key: { keyArn, ...described, tags, policy, rotation } };
  } catch (error) {
    if (errorName(error) === "NotFoundException") return { kind: "absent" };
    const narrowed = narrowAwsError(error, "kms:DescribeKey");
    if (isDenial(narrowed)) return { kind: "denied" };
    throw narrowed;
  }
}

const NO_ROTATION = { enabled: false, periodDays: undefined } as const;

/** KMS answers UnsupportedOperationException for keys that never rotate by themselves, so they aren't asked. */
async function readRotation(
  clients: Clients,
  run: Run,
  keyArn: KeyArn,
  { origin, keySpec }: KeyDescription,
): Promise<ObservedKey["rotation"]> {
  if (origin !== "AWS_KMS" || keySpec !== "SYMMETRIC_DEFAULT") return NO_ROTATION;
  const { enabled, periodDays } = await readRotationStatus(clients, run, keyArn);
  return { enabled, periodDays };
}

/** @throws the SDK's errors, as the other reads of single facts below */
export async function describeKey(
  clients: Clients,
  run: Run,
  keyId: KeyArn | AliasName,
): Promise<{ readonly keyArn: KeyArn; readonly description: KeyDescription }> {
  const command = new DescribeKeyCommand({ KeyId: keyId });
  const { KeyMetadata: metadata } = await clients.kms.send(command, { abortSignal: run.signal });
  const replicas = metadata?.MultiRegionConfiguration?.ReplicaKeys;
  return {
    keyArn: parseKeyArn(metadata?.Arn ?? ""),
    description: {
      state: (metadata?.KeyState ?? "Creating") as KeyState,
      origin: metadata?.Origin ?? "AWS_KMS",
      keySpec: metadata?.KeySpec ?? "SYMMETRIC_DEFAULT",
      createdAtMs: metadata?.CreationDate?.getTime() ?? 0,
      deletionDateMs: metadata?.DeletionDate?.getTime(),
      materialExpiresAtMs: metadata?.ValidTo?.getTime(),
      replicaRegions: replicas?.map(({ Region }) => parseRegion(Region ?? "")),
    },
  };
}

/** Parsed JSON of any shape, or the text where it isn't JSON. */
export async function readKeyPolicy(clients: Clients, run: Run, keyArn: KeyArn): Promise<unknown> {
  const command = new GetKeyPolicyCommand({ KeyId: keyArn, PolicyName: "default" });
  return parseDocument((await clients.kms.send(command, { abortSignal: run.signal })).Policy);
}

export async function readRotationStatus(clients: Clients, run: Run, keyArn: KeyArn): Promise<RotationStatus> {
  const command = new GetKeyRotationStatusCommand({ KeyId: keyArn });
  const status = await clients.kms.send(command, { abortSignal: run.signal });
  return {
    enabled: status.KeyRotationEnabled === true,
    periodDays: status.RotationPeriodInDays,
    nextRotationAtMs: status.NextRotationDate?.getTime(),
  };
}

export async function readTags(clients: Clients, run: Run, keyArn: KeyArn): Promise<Tags> {
  const tags: Record<string, string> = {};
  let marker: string | undefined;
  for (let page = 0; page < PAGES_MAX; page++) {
    const command = new ListResourceTagsCommand({ KeyId: keyArn, ...(marker === undefined ? {} : { Marker: marker }) });
    const answer = await clients.kms.send(command, { abortSignal: run.signal });
    for (const tag of answer.Tags ?? []) tags[tag.TagKey ?? ""] = tag.TagValue ?? "";
    if (answer.Truncated !== true) return tags;
    marker = answer.NextMarker;
  }
  throw new TenantKeysError(
    "aws_unexpected",
    `kms:ListResourceTags: ${keyArn} gives more than ${PAGES_MAX} pages of tags`,
  );
}

/** The keys that carry all these tags, as far as the tagging index knows: it lags, so a miss proves nothing. */
export async function findKeysByTags(clients: Clients, run: Run, tags: Tags): Promise<readonly KeyArn[]> {
  const found: KeyArn[] = [];
  let token: string | undefined;
  for (let page = 0; page < PAGES_MAX; page++) {
    const command = new GetResourcesCommand({
      ResourceTypeFilters: ["kms:key"],
      TagFilters: Object.entries(tags).map(([Key, value]) => ({ Key, Values: [value] })),
      ...(token === undefined ? {} : { PaginationToken: token }),
    });
    const answer = await clients.tagging.send(command, { abortSignal: run.signal });
    for (const resource of answer.ResourceTagMappingList ?? []) found.push(parseKeyArn(resource.ResourceARN ?? ""));
    token = answer.PaginationToken;
    if (token === undefined || token === "") return found;
  }
  throw new TenantKeysError("aws_unexpected", `tag:GetResources: more than ${PAGES_MAX} pages of keys for one tenant`);
}

/**
 * The tags of one key by the tagging index, which IAM alone lets somebody ask: key policies give `ListResourceTags` to the
 * stage's own roles. None of a key that the index doesn't know, or that has none.
 */
export async function findTagsOfKey(clients: Clients, run: Run, keyArn: KeyArn): Promise<Tags> {
  const command = new GetResourcesCommand({ ResourceARNList: [keyArn] });
  const { ResourceTagMappingList = [] } = await clients.tagging.send(command, { abortSignal: run.signal });
  const tags = ResourceTagMappingList.flatMap((one) => (one.ResourceARN === keyArn ? (one.Tags ?? []) : []));
  return Object.fromEntries(tags.map(({ Key, Value }) => [Key ?? "", Value ?? ""]));
}

function parseDocument(text: string | undefined): unknown {
  try {
    return text === undefined ? undefined : JSON.parse(text);
  } catch {
    return text;
  }
}
