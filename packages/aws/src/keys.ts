/** KMS keys and aliases: each function is one call (or one read made of several), its answer narrowed here. */
import {
  CreateAliasCommand,
  CreateKeyCommand,
  DescribeKeyCommand,
  EnableKeyRotationCommand,
  GetKeyPolicyCommand,
  GetKeyRotationStatusCommand,
  ListResourceTagsCommand,
  PutKeyPolicyCommand,
  ScheduleKeyDeletionCommand,
} from "@aws-sdk/client-kms";
import { GetResourcesCommand } from "@aws-sdk/client-resource-groups-tagging-api";
import {
  type AliasName,
  type KeyArn,
  type KeyState,
  type ObservedKey,
  type PolicyDocument,
  parseKeyArn,
  type Tags,
  TenantKeysError,
} from "@tenantkeys/core";
import type { Clients } from "./clients.ts";
import { errorName, narrowAwsError } from "./narrow-error.ts";
import type { Run } from "./run.ts";

/** KMS's shortest. A key that never admitted a tenant holds nothing that somebody could miss. */
const SPARE_KEY_DELETION_WINDOW_DAYS = 7;
/** Pages of tags and of tagged keys that are read at most: a key has 50 tags, a tenant a handful of keys. */
const PAGES_MAX = 20;

export async function createKey(
  clients: Clients,
  run: Run,
  key: { readonly description: string; readonly policy: PolicyDocument; readonly tags: Tags },
): Promise<KeyArn> {
  const command = new CreateKeyCommand({
    Description: key.description,
    KeySpec: "SYMMETRIC_DEFAULT",
    KeyUsage: "ENCRYPT_DECRYPT",
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

export async function enableKeyRotation(clients: Clients, run: Run, keyArn: KeyArn, periodDays: number): Promise<void> {
  const command = new EnableKeyRotationCommand({ KeyId: keyArn, RotationPeriodInDays: periodDays });
  await clients.kms.send(command, { abortSignal: run.signal });
}

export async function putKeyPolicy(clients: Clients, run: Run, keyArn: KeyArn, policy: PolicyDocument): Promise<void> {
  const command = new PutKeyPolicyCommand({ KeyId: keyArn, PolicyName: "default", Policy: JSON.stringify(policy) });
  await clients.kms.send(command, { abortSignal: run.signal });
}

/** Only ever called for a key that never admitted a tenant: a key in use doesn't let the provisioner do this. */
export async function scheduleSpareKeyDeletion(clients: Clients, run: Run, keyArn: KeyArn): Promise<void> {
  const command = new ScheduleKeyDeletionCommand({
    KeyId: keyArn,
    PendingWindowInDays: SPARE_KEY_DELETION_WINDOW_DAYS,
  });
  await clients.kms.send(command, { abortSignal: run.signal });
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
  const options = { abortSignal: run.signal };
  try {
    const { KeyMetadata } = await clients.kms.send(new DescribeKeyCommand({ KeyId: keyId }), options);
    const keyArn = parseKeyArn(KeyMetadata?.Arn ?? "");
    const [tags, policy, rotation] = await Promise.all([
      readTags(clients, run, keyArn),
      clients.kms.send(new GetKeyPolicyCommand({ KeyId: keyArn, PolicyName: "default" }), options),
      clients.kms.send(new GetKeyRotationStatusCommand({ KeyId: keyArn }), options),
    ]);
    return {
      kind: "read",
      key: {
        keyArn,
        state: (KeyMetadata?.KeyState ?? "Creating") as KeyState,
        tags,
        policy: parseDocument(policy.Policy),
        rotation: { enabled: rotation.KeyRotationEnabled === true, periodDays: rotation.RotationPeriodInDays },
      },
    };
  } catch (error) {
    if (errorName(error) === "NotFoundException") return { kind: "absent" };
    const narrowed = narrowAwsError(error, "kms:DescribeKey");
    if (narrowed.code === "access_denied") return { kind: "denied" };
    throw narrowed;
  }
}

async function readTags(clients: Clients, run: Run, keyArn: KeyArn): Promise<Tags> {
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

function parseDocument(text: string | undefined): unknown {
  try {
    return text === undefined ? undefined : JSON.parse(text);
  } catch {
    return text;
  }
}
