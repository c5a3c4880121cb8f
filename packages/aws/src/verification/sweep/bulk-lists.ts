/** What AWS gives in bulk: aliases, tagged keys and roles of the whole account, of which this stage's are kept. */

import { GetAccountAuthorizationDetailsCommand, type RoleDetail } from "@aws-sdk/client-iam";
import { ListAliasesCommand } from "@aws-sdk/client-kms";
import { GetResourcesCommand } from "@aws-sdk/client-resource-groups-tagging-api";
import {
  ATTEMPT_TAG,
  KEY_TAG,
  type KeyArn,
  parseKeyArn,
  ROLE_ARN_PATTERN,
  STAGE_TAG,
  type StageContext,
  stageNames,
  type TaggedKey,
  type Tags,
  TENANT_TAG,
  tenantRolePath,
} from "@tenantkeys/core";
import type { Clients } from "../../clients.ts";
import { type Reader, reading } from "../reading.ts";

/** Why a list isn't whole: what isn't in it may be there all the same. */
export interface ListFault {
  /** Such as `kms:ListAliases`. */
  readonly operation: string;
  /** `cut`: it was longer than what is read of a list. `unsupported`: an emulator's endpoint doesn't have the operation. */
  readonly kind: "denied" | "failed" | "cut" | "unsupported";
  readonly reason: string;
}

interface Listing<T> {
  readonly facts: T;
  /** Undefined of a list that is whole. */
  readonly fault: ListFault | undefined;
}

export interface BulkLists {
  /** The key that each alias of this stage leads to, by the alias's name. */
  readonly aliases: Listing<ReadonlyMap<string, KeyArn>>;
  /** Keys with this stage's tag, and of their tags ours. */
  readonly taggedKeys: Listing<readonly TaggedKey[]>;
  /** Roles under this stage's path or of its names, the one that tenants may share among them, by name. */
  readonly roles: Listing<ReadonlyMap<string, RoleDetail>>;
}

/** 100 aliases each. An account has up to 100,000 keys, and 50 aliases on each of them at most. */
const ALIAS_PAGES_MAX = 5_000;
/** 100 resources each. */
const TAG_PAGES_MAX = 5_000;
/** 1,000 roles each at most, and IAM may end a page early: an account has 5,000 at most. */
const ROLE_PAGES_MAX = 500;
/** A page that fails for a fault that may pass is asked for this often in all. */
const PAGE_TRIES_MAX = 3;
const PAGE_RETRY_DELAY_MS = 1_000;

type Observing = Pick<Clients, "iam" | "kms" | "tagging">;

/** Side by side: each has a quota of its own. @throws TenantKeysError only what ends the whole sweep (`reading`) */
export async function readBulkLists(clients: Observing, reader: Reader, context: StageContext): Promise<BulkLists> {
  const [aliases, taggedKeys, roles] = await Promise.all([
    listAliases(clients, reader, context),
    listTaggedKeys(clients, reader, context),
    listRoles(clients, reader, context),
  ]);
  return { aliases, taggedKeys, roles };
}

async function listAliases(
  { kms }: Observing,
  reader: Reader,
  { stage, accountId, region }: StageContext,
): Promise<Listing<ReadonlyMap<string, KeyArn>>> {
  const facts = new Map<string, KeyArn>();
  const prefix = `alias/tenantkeys/${stage}/`;
  const fault = await eachPage(reader, "kms:ListAliases", ALIAS_PAGES_MAX, async (Marker) => {
    const command = new ListAliasesCommand({ Limit: 100, ...(Marker === undefined ? {} : { Marker }) });
    const answer = await kms.send(command, { abortSignal: reader.run.signal });
    for (const { AliasName: name = "", TargetKeyId: keyId } of answer.Aliases ?? []) {
      // An alias leads to keys of its own account and Region only.
      if (!name.startsWith(prefix) || keyId === undefined) continue;
      facts.set(name, parseKeyArn(`arn:aws:kms:${region}:${accountId}:key/${keyId}`));
    }
    return answer.Truncated === true ? answer.NextMarker : undefined;
  });
  return { facts, fault };
}

async function listTaggedKeys(
  { tagging }: Observing,
  reader: Reader,
  { stage }: StageContext,
): Promise<Listing<readonly TaggedKey[]>> {
  const facts: TaggedKey[] = [];
  const fault = await eachPage(reader, "tag:GetResources", TAG_PAGES_MAX, async (PaginationToken) => {
    const command = new GetResourcesCommand({
      ResourceTypeFilters: ["kms:key"],
      TagFilters: [{ Key: STAGE_TAG, Values: [stage] }],
      ResourcesPerPage: 100,
      ...(PaginationToken === undefined ? {} : { PaginationToken }),
    });
    const answer = await tagging.send(command, { abortSignal: reader.run.signal });
    for (const { ResourceARN: arn = "", Tags: given = [] } of answer.ResourceTagMappingList ?? []) {
      const tags = ourTags(given);
      // Filtered again, as an endpoint may leave the filters out: what is no key of this stage has no place here.
      if (tags[STAGE_TAG] !== stage || !/^arn:[^:]+:kms:[^:]+:\d+:key\//.test(arn)) continue;
      facts.push({ keyArn: parseKeyArn(arn), tags });
    }
    return answer.PaginationToken === "" ? undefined : answer.PaginationToken;
  });
  return { facts, fault };
}

const OUR_TAGS: readonly string[] = [STAGE_TAG, TENANT_TAG, KEY_TAG, ATTEMPT_TAG];

/** The others are of no use here, and of 100,000 keys they would fill the memory. */
function ourTags(tags: readonly { readonly Key?: string | undefined; readonly Value?: string | undefined }[]): Tags {
  const ours = tags.filter(({ Key = "" }) => OUR_TAGS.includes(Key));
  return Object.fromEntries(ours.map(({ Key = "", Value = "" }) => [Key, Value]));
}

async function listRoles(
  { iam }: Observing,
  reader: Reader,
  { stage }: StageContext,
): Promise<Listing<ReadonlyMap<string, RoleDetail>>> {
  const facts = new Map<string, RoleDetail>();
  const path = tenantRolePath(stage);
  const { sharedTenantRole } = stageNames(stage);
  // A role of such a name under a path that no ARN of ours can hold isn't kept: anybody may make one, and it mustn't end a
  // sweep. Where a tenant's role should be, its absence here has it read directly.
  const isOurs = ({ RoleName: name = "", Path, Arn = "" }: RoleDetail) =>
    (Path === path || name === sharedTenantRole || name.startsWith(`tk-${stage}-`)) && ROLE_ARN_PATTERN.test(Arn);
  const fault = await eachPage(reader, "iam:GetAccountAuthorizationDetails", ROLE_PAGES_MAX, async (Marker) => {
    const command = new GetAccountAuthorizationDetailsCommand({
      Filter: ["Role"],
      MaxItems: 1_000,
      ...(Marker === undefined ? {} : { Marker }),
    });
    const answer = await iam.send(command, { abortSignal: reader.run.signal });
    // IAM knows no filter by path.
    for (const role of answer.RoleDetailList ?? []) if (isOurs(role)) facts.set(role.RoleName ?? "", withoutUse(role));
    return answer.IsTruncated === true ? answer.Marker : undefined;
  });
  return { facts, fault };
}

function withoutUse({ InstanceProfileList: _, RoleLastUsed: __, ...role }: RoleDetail): RoleDetail {
  return role;
}

/**
 * @param call reads one page and answers where the next begins; undefined after the last
 * @returns why it isn't whole, where it isn't
 */
async function eachPage(
  reader: Reader,
  operation: string,
  pagesMax: number,
  call: (marker: string | undefined) => Promise<string | undefined>,
): Promise<ListFault | undefined> {
  let marker: string | undefined;
  for (let page = 1; page <= pagesMax; page++) {
    const read = await readPage(reader, operation, () => call(marker));
    if (read.kind === "skipped" || read.kind === "unsupported") {
      return { operation, kind: "unsupported", reason: "the endpoint doesn't know it" };
    }
    if (read.kind !== "read") return { operation, kind: read.kind, reason: read.reason };
    if (read.value === undefined) return undefined;
    marker = read.value;
  }
  return { operation, kind: "cut", reason: `${operation}: cut after ${pagesMax} pages, and there are more` };
}

async function readPage(reader: Reader, operation: string, call: () => Promise<string | undefined>) {
  for (let tries = 1; ; tries++) {
    const read = await reading(reader, operation, call);
    if (read.kind !== "failed" || tries === PAGE_TRIES_MAX) return read;
    await reader.run.clock.sleep(PAGE_RETRY_DELAY_MS * tries);
  }
}
