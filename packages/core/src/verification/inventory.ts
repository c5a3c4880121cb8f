/**
 * What lies in the account under this stage's names and tags and belongs to nobody, and what belongs to somebody and lies
 * where nobody looks. Item by item, against sets of what the registry names: a sweep of 100,000 keys takes every record in
 * (`takeIntoInventory`, about 300 bytes each), then asks of each key, alias and role as its pages come, keeping none.
 */
import {
  type AccountId,
  type AliasName,
  type AttemptId,
  KEY_NAME_PATTERN,
  type KeyArn,
  type KeyName,
  type Region,
  type RoleArn,
  type Stage,
  TENANT_ID_PATTERN,
  type TenantId,
} from "../ids.ts";
import type { KeyRecord } from "../key-record.ts";
import {
  ATTEMPT_TAG,
  aliasName,
  KEY_TAG,
  STAGE_TAG,
  type Tags,
  TENANT_TAG,
  tenantRoleName,
  tenantRolePath,
} from "../names.ts";
import { DAY_MS } from "../offboarding.ts";
import type { StageContext } from "../stage-context.ts";
import { day, isDying, shortened } from "./facts.ts";
import { type Finding, finding } from "./finding.ts";
import type { KeyDescription, Reading } from "./inspection.ts";

/**
 * What began or ended within this isn't told: a sign-up makes its key and records it a moment later, and lists of a large
 * account are minutes older than the registry's last page.
 */
const YOUNG_MS = DAY_MS / 24;

/** All that the registry names. Filled by `takeIntoInventory`, and only read after the last record. */
export interface Inventory {
  readonly keyArns: Set<KeyArn>;
  readonly attemptIds: Set<AttemptId>;
  readonly aliasNames: Set<AliasName>;
  readonly roleNames: Set<string>;
}

export function emptyInventory(): Inventory {
  return { keyArns: new Set(), attemptIds: new Set(), aliasNames: new Set(), roleNames: new Set() };
}

/**
 * Of a key that is gone the name and the role are anybody's again; that the key itself is still there its verdict says.
 * What ended a moment ago may be in lists that were read before.
 */
export function takeIntoInventory(
  inventory: Inventory,
  { stage, roleMode }: Pick<StageContext, "stage" | "roleMode">,
  record: KeyRecord,
  nowMs: number,
): void {
  const { tenantId, keyName, keyArn, previousKeyArns = [], replicas = [], attempts } = record;
  const keyArns = [
    keyArn,
    ...previousKeyArns,
    ...replicas.map((one) => one.keyArn),
    ...attempts.map((one) => one.keyArn),
  ];
  for (const one of keyArns) if (one !== undefined) inventory.keyArns.add(one);
  for (const { attemptId } of attempts) inventory.attemptIds.add(attemptId);
  if (record.state === "destroyed" && nowMs >= (record.destroyedAtMs ?? 0) + YOUNG_MS) return;
  if (record.ownKeyArn === undefined) inventory.aliasNames.add(aliasName(stage, tenantId, keyName));
  if (roleMode === "per-tenant") inventory.roleNames.add(tenantRoleName(stage, tenantId));
}

export interface TaggedKey {
  readonly keyArn: KeyArn;
  readonly tags: Tags;
}

/** Whether a key with this stage's tag has to be described, to say whether it is an orphan: `orphanKey` then says it. */
export function mayBeOrphanKey({ keyArn, tags }: TaggedKey, stage: Stage, inventory: Inventory): boolean {
  const ofStage = tags[STAGE_TAG] === stage;
  // A spare of an attempt that is recorded: provisioning finds it and discards it, as nobody was ever let in.
  const isSpare = inventory.attemptIds.has(tags[ATTEMPT_TAG] as AttemptId);
  return ofStage && !isSpare && !inventory.keyArns.has(keyArn);
}

/**
 * @param key one that `mayBeOrphanKey`
 * @param description of a key that doesn't let itself be described nothing speaks for it
 */
export function orphanKey(
  { keyArn, tags }: TaggedKey,
  description: Reading<KeyDescription>,
  nowMs: number,
): Finding | undefined {
  const known = description.kind === "read" ? description.value : undefined;
  if (known !== undefined && (isDying(known.state) || nowMs < known.createdAtMs + YOUNG_MS)) return undefined;
  const tagged = [TENANT_TAG, KEY_TAG].map(
    (name) => `${name} = ${tags[name] === undefined ? "(none)" : `"${tags[name]}"`}`,
  );
  const state = known === undefined ? "can't be described" : `${known.state}, made on ${day(known.createdAtMs)}`;
  return finding("orphan-key", {
    tenantId: tenantIdOf(tags[TENANT_TAG]),
    keyName: keyNameOf(tags[KEY_TAG]),
    resource: keyArn,
    expected: "recorded in the registry",
    seen: shortened(`${state}; tagged ${tagged.join(", ")}`),
  });
}

export interface ListedAlias {
  readonly aliasName: string;
  readonly targetKeyArn?: KeyArn | undefined;
}

/** @param alias any of the account and Region: those of other names than this stage's are passed by */
export function orphanAlias(
  alias: ListedAlias,
  { stage, accountId, region }: Pick<StageContext, "stage" | "region"> & { readonly accountId: AccountId },
  inventory: Inventory,
): Finding | undefined {
  const prefix = `alias/tenantkeys/${stage}/`;
  if (!alias.aliasName.startsWith(prefix) || inventory.aliasNames.has(alias.aliasName as AliasName)) return undefined;
  const [tenantId, keyName] = alias.aliasName.slice(prefix.length).split("/");
  return finding("orphan-alias", {
    tenantId: tenantIdOf(tenantId),
    keyName: keyNameOf(keyName),
    resource: `arn:aws:kms:${region}:${accountId}:${alias.aliasName}`,
    expected: "the name of a key in the registry",
    seen: alias.targetKeyArn === undefined ? "leads to no key" : `leads to ${alias.targetKeyArn}`,
  });
}

export interface ListedRole {
  readonly name: string;
  readonly path: string;
  readonly arn: RoleArn;
  readonly tags: Tags;
}

/** @param role any of the account: those outside this stage's path are passed by */
export function orphanRole(role: ListedRole, stage: Stage, inventory: Inventory): Finding | undefined {
  if (role.path !== tenantRolePath(stage) || inventory.roleNames.has(role.name)) return undefined;
  const prefix = `tk-${stage}-`;
  const named = role.name.startsWith(prefix) ? role.name.slice(prefix.length) : undefined;
  const about = { tenantId: tenantIdOf(role.tags[TENANT_TAG] ?? named), keyName: undefined, resource: role.arn };
  const tagged = role.tags[STAGE_TAG];
  if (tagged !== undefined && tagged !== stage) {
    const expected = `${STAGE_TAG} = "${stage}", as its path says`;
    return finding("stage-mismatch", { ...about, expected, seen: shortened(`${STAGE_TAG} = "${tagged}"`) });
  }
  return finding("orphan-role", {
    ...about,
    expected: "the role of a tenant in the registry",
    seen:
      tagged === undefined
        ? "a role under this stage's path, without its tag"
        : "a role of this stage, by path and tag",
  });
}

/** Keys that the registry names in Regions that the stage doesn't look at. @param covered see `regionsOf` */
export function keysNotCovered(record: KeyRecord, covered: readonly Region[]): readonly Finding[] {
  if (record.state === "destroyed") return [];
  const { tenantId, keyName, keyArn, previousKeyArns = [], replicas = [] } = record;
  const keyArns = [keyArn, ...previousKeyArns, ...replicas.map((one) => one.keyArn)].filter((one) => one !== undefined);
  const isCovered = (one: KeyArn) => covered.some((region) => region === one.split(":")[3]);
  return [...new Set(keyArns)]
    .filter((one) => !isCovered(one))
    .map((resource) =>
      finding("region-not-covered", {
        tenantId,
        keyName,
        resource,
        expected: `in one of ${covered.join(", ")}`,
        seen: `in ${resource.split(":")[3]}`,
      }),
    );
}

/** Tags and names are anybody's to write: what isn't an id names no tenant. */
function tenantIdOf(text: string | undefined): TenantId | undefined {
  return text !== undefined && TENANT_ID_PATTERN.test(text) ? (text as TenantId) : undefined;
}

function keyNameOf(text: string | undefined): KeyName | undefined {
  return text !== undefined && KEY_NAME_PATTERN.test(text) ? (text as KeyName) : undefined;
}
