/**
 * Where an alias leads. DescribeKey alone can't tell: KMS answers for an alias that isn't there as for one on a key that
 * doesn't let us look. ListAliases can, because IAM alone allows it, but reads all aliases of the Region where the key
 * isn't known. So the likely key is asked first, which is one call where all is well, and the whole list last.
 * https://docs.aws.amazon.com/kms/latest/developerguide/alias-access.html
 */
import { type AliasListEntry, ListAliasesCommand } from "@aws-sdk/client-kms";
import { type AccountId, type AliasName, type KeyArn, parseKeyArn, type Reading, type Region } from "@tenantkeys/core";
import type { Clients } from "../clients.ts";
import { describeKey } from "../keys.ts";
import { errorName, isDenial, narrowAwsError } from "../narrow-error.ts";
import { allPages, type Page, type Reader, reading } from "./reading.ts";

/** KMS's most per page is 100, and a Region has 100,000 keys: twice the aliases of one with an alias each. */
const ALIAS_PAGES_MAX = 2_000;
const LIST_ALIASES = "kms:ListAliases";

export interface SoughtAlias {
  readonly aliasName: AliasName;
  /** The key that it should lead to. */
  readonly likely: KeyArn | undefined;
  readonly accountId: AccountId;
  readonly region: Region;
}

/** @throws TenantKeysError only what ends the whole check (`reading`) */
export async function readAliasTarget(
  clients: Clients,
  reader: Reader,
  sought: SoughtAlias,
): Promise<Reading<KeyArn | undefined>> {
  const { aliasName, likely } = sought;
  if (likely !== undefined) {
    const ofLikely = await reading(reader, LIST_ALIASES, () => listAliases(clients, reader, likely).catch(noneOfGone));
    if (ofLikely.kind !== "read") return ofLikely;
    if (ofLikely.value.some(({ AliasName }) => AliasName === aliasName)) return { kind: "read", value: likely };
  }
  const described = await reading(reader, "kms:DescribeKey", () => describeAlias(clients, reader, aliasName));
  if (described.kind !== "read") return described;
  if (described.value !== "unknown") return { kind: "read", value: described.value };
  const all = await reading(reader, LIST_ALIASES, () => listAliases(clients, reader));
  if (all.kind !== "read") return all;
  const found = all.value.find(({ AliasName }) => AliasName === aliasName);
  return { kind: "read", value: found === undefined ? undefined : targetOf(found, sought) };
}

/** `unknown`: it isn't there, or its key hides. */
async function describeAlias(
  clients: Clients,
  { run }: Reader,
  aliasName: AliasName,
): Promise<KeyArn | undefined | "unknown"> {
  try {
    return (await describeKey(clients, run, aliasName)).keyArn;
  } catch (error) {
    if (errorName(error) === "NotFoundException") return undefined;
    if (isDenial(narrowAwsError(error, "kms:DescribeKey"))) return "unknown";
    throw error;
  }
}

/** @param keyArn whose aliases; absent: all of the Region */
function listAliases(clients: Clients, reader: Reader, keyArn?: KeyArn): Promise<readonly AliasListEntry[]> {
  return allPages(reader, LIST_ALIASES, ALIAS_PAGES_MAX, async (marker): Promise<Page<AliasListEntry>> => {
    const command = new ListAliasesCommand({
      Limit: 100,
      ...(keyArn === undefined ? {} : { KeyId: keyArn }),
      ...(marker === undefined ? {} : { Marker: marker }),
    });
    const answer = await clients.kms.send(command, { abortSignal: reader.run.signal });
    return { items: answer.Aliases ?? [], next: answer.Truncated === true ? answer.NextMarker : undefined };
  });
}

/** A key that is gone has no alias any more. */
function noneOfGone(error: unknown): readonly AliasListEntry[] {
  if (errorName(error) === "NotFoundException") return [];
  throw error;
}

/** KMS names the target by its id, which is a key of the alias's own account and Region. */
function targetOf({ TargetKeyId: id = "" }: AliasListEntry, { accountId, region }: SoughtAlias): KeyArn {
  return parseKeyArn(`arn:aws:kms:${region}:${accountId}:key/${id}`);
}
