/**
 * What the worker has no right to put right, with the caller's own credentials: tags that say whose a key is, a policy
 * that shut the worker out, and what lies under the stage's names without a record. Each looks anew before it changes
 * anything: a finding may be hours old, and whoever may write findings could say of a live key that it is nobody's. So
 * whose something is, its own name, tags and policy have to say, beside the registry.
 */
import { TagResourceCommand } from "@aws-sdk/client-kms";
import {
  type AliasName,
  checkContainment,
  creationKeyPolicy,
  type DesiredTenantKey,
  type Finding,
  hasReplicas,
  hasTags,
  isDeadPrincipal,
  type KeyArn,
  type KeyRecord,
  type KeyTarget,
  type PolicyStatement,
  parseKeyArn,
  parseRegion,
  parseTenantId,
  type RuleId,
  replicaArn,
  STAGE_TAG,
  samePolicy,
  type Tags,
  TENANT_TAG,
  type TenantId,
  TenantKeysError,
  tenantKeyOfAlias,
  tenantOfRole,
  tenantRoleArn,
  withoutPrincipals,
} from "@tenantkeys/core";
import type { Clients } from "../clients.ts";
import { declaredState } from "../declared-state.ts";
import { deleteAlias, findTagsOfKey, putKeyPolicy, readKeyPolicy, scheduleKeyDeletion } from "../keys.ts";
import { narrowAwsError } from "../narrow-error.ts";
import type { Registry } from "../registry.ts";
import { deleteRoleWithPolicies } from "../roles.ts";
import { type Run, untilVisible } from "../run.ts";
import type { DeployedStage } from "./stage-settings-item.ts";

/** KMS's longest: an orphan that somebody misses after all can be kept for so long. */
const ORPHAN_KEY_WINDOW_DAYS = 30;
/** Until KMS goes by a policy that was just put. */
const POLICY_BUDGET_MS = 20_000;

export const AS_CALLER_RULES = [
  "key-tags-differ",
  "key-policy-not-contained",
  "key-policy-differs",
  "dead-principal",
  "orphan-key",
  "orphan-alias",
  "orphan-role",
] as const satisfies readonly RuleId[];

export interface AsCallerPorts extends DeployedStage {
  readonly clientsIn: (region: string) => Clients;
  readonly registry: Registry;
}

export type AsCallerOutcome =
  | { readonly kind: "done"; readonly did: string }
  /**
   * `may-hold-data`: an orphan that may have let somebody in, so that a person has to say that it may go ·
   * `whose-is-unclear`: the registry says that the key is the tenant's, and the key itself doesn't
   */
  | {
      readonly kind: "left";
      readonly why: "no-longer-so" | "may-hold-data" | "whose-is-unclear" | "not-for-the-caller";
    };

const NO_LONGER_SO: AsCallerOutcome = { kind: "left", why: "no-longer-so" };
const WHOSE_IS_UNCLEAR: AsCallerOutcome = { kind: "left", why: "whose-is-unclear" };
const NOT_FOR_THE_CALLER: AsCallerOutcome = { kind: "left", why: "not-for-the-caller" };

/**
 * @param mayHoldData whether a person has said that this very key may go
 * @throws TenantKeysError what AWS refuses the caller
 */
export async function repairAsCaller(
  ports: AsCallerPorts,
  run: Run,
  finding: Finding,
  mayHoldData = false,
): Promise<AsCallerOutcome> {
  switch (finding.ruleId) {
    case "key-tags-differ":
      return tagKey(ports, run, finding);
    case "key-policy-not-contained":
    case "key-policy-differs":
    case "dead-principal":
      return putIntendedPolicy(ports, run, finding);
    case "orphan-alias":
      return removeAlias(ports, run, finding);
    case "orphan-role":
      return removeRole(ports, run, finding);
    case "orphan-key":
      return condemnKey(ports, run, finding, mayHoldData);
    default:
      return NOT_FOR_THE_CALLER;
  }
}

interface OwnedKey {
  readonly record: KeyRecord;
  readonly keyArn: KeyArn;
  readonly clients: Clients;
  /** As it should be in the key's Region. */
  readonly desired: DesiredTenantKey;
  readonly target: KeyTarget;
}

/** The key that the finding is about, where the registry says that it is that tenant key's. */
async function ownedKey(ports: AsCallerPorts, run: Run, finding: Finding): Promise<OwnedKey | undefined> {
  const { registry, clientsIn } = ports;
  const { tenantId, keyName, resource } = finding;
  if (tenantId === undefined || keyName === undefined || !resource.includes(":key/")) return undefined;
  const record = await registry.get(run, tenantId, keyName);
  const keyArn = parseKeyArn(resource);
  const region = keyArn.split(":")[3] ?? "";
  const named = [record?.keyArn, ...(record?.previousKeyArns ?? [])].filter((arn) => arn !== undefined);
  const isOurs = named.some((arn) => arn === keyArn || replicaArn(arn, parseRegion(region)) === keyArn);
  if (record === undefined || record.ownKeyArn !== undefined || !isOurs) return undefined;
  const tenant = await registry.getTenant(run, tenantId);
  const there = { ...ports, context: { ...ports.context, region: parseRegion(region) } };
  const { desired, target } = declaredState(there, tenantId, keyName, { record, tenant }, run.clock.nowMs());
  return { record, keyArn, clients: clientsIn(region), desired, target };
}

/**
 * By its policy, where its tags don't say it: one that lets in this tenant and nobody else, or, as far as its tags name
 * nobody else either, one that lets in no stranger. Else a changed record could give one tenant's key to another.
 */
function isTheirs(desired: DesiredTenantKey, policy: unknown, tags: Tags): boolean {
  if (samePolicy(policy, desired.admittedPolicy)) return true;
  const namesOthers = Object.entries(desired.keyOwnership).some(([name, value]) => (tags[name] ?? value) !== value);
  return !namesOthers && checkContainment(withoutPrincipals(policy, isDeadPrincipal), desired).kind === "contained";
}

async function tagKey(ports: AsCallerPorts, run: Run, finding: Finding): Promise<AsCallerOutcome> {
  const owned = await ownedKey(ports, run, finding);
  if (owned === undefined) return NO_LONGER_SO;
  const { record, keyArn, clients, desired } = owned;
  const policy = await call("kms:GetKeyPolicy", () => readKeyPolicy(clients, run, keyArn));
  if (!isTheirs(desired, policy, await tagsOf(clients, run, keyArn))) return WHOSE_IS_UNCLEAR;
  const attempt = record.attempts.find((one) => one.keyArn === record.keyArn);
  const tags =
    attempt === undefined || keyArn !== record.keyArn ? desired.keyOwnership : desired.keyTags(attempt.attemptId);
  const Tags = Object.entries(tags).map(([TagKey, TagValue]) => ({ TagKey, TagValue }));
  const command = new TagResourceCommand({ KeyId: keyArn, Tags });
  await clients.kms.send(command, { abortSignal: run.signal }).catch((error) => {
    throw narrowAwsError(error, "kms:TagResource");
  });
  return { kind: "done", did: `put the tags of ${record.tenantId}/${record.keyName} on ${keyArn}` };
}

async function putIntendedPolicy(ports: AsCallerPorts, run: Run, finding: Finding): Promise<AsCallerOutcome> {
  const owned = await ownedKey(ports, run, finding);
  if (owned === undefined) return NO_LONGER_SO;
  const { record, keyArn, clients, desired, target } = owned;
  if (!hasTags(await tagsOf(clients, run, keyArn), desired.keyOwnership)) return WHOSE_IS_UNCLEAR;
  const leaves = target === "withdrawn" || target === "deleted";
  if (!leaves && checkContainment(desired.admittedPolicy, desired).kind !== "contained") {
    throw new TenantKeysError("policy_not_contained", `the policy to be put on ${keyArn} isn't contained`);
  }
  await call("kms:PutKeyPolicy", () =>
    putKeyPolicy(clients, run, keyArn, leaves ? desired.departingPolicy : desired.admittedPolicy),
  );
  return { kind: "done", did: `put the policy of ${record.tenantId}/${record.keyName} on ${keyArn}` };
}

function tagsOf(clients: Clients, run: Run, keyArn: KeyArn): Promise<Tags> {
  return call("tag:GetResources", () => findTagsOfKey(clients, run, keyArn));
}

async function removeAlias(ports: AsCallerPorts, run: Run, { resource }: Finding): Promise<AsCallerOutcome> {
  const { stage } = ports.context;
  const name = resource.slice(resource.indexOf("alias/")) as AliasName;
  if (!name.startsWith(`alias/tenantkeys/${stage}/`)) return NOT_FOR_THE_CALLER;
  const named = tenantKeyOfAlias(stage, name);
  const record = named && (await ports.registry.get(run, named.tenantId, named.keyName));
  if (record !== undefined && record.state !== "destroyed") return NO_LONGER_SO;
  const region = resource.startsWith("arn:") ? (resource.split(":")[3] ?? "") : ports.context.region;
  await call("kms:DeleteAlias", () => deleteAlias(ports.clientsIn(region), run, name));
  return { kind: "done", did: `deleted ${name}` };
}

async function removeRole(ports: AsCallerPorts, run: Run, { resource }: Finding): Promise<AsCallerOutcome> {
  const { accountId, stage, roleMode, region } = ports.context;
  const prefix = tenantRoleArn(accountId, stage, "" as TenantId);
  const isOfStage = resource.startsWith(prefix) && !resource.slice(prefix.length).includes("/");
  if (!isOfStage) return NOT_FOR_THE_CALLER;
  // IAM takes names that differ in case for the same.
  const tenantId = tenantOfRole(accountId, stage, resource.toLowerCase());
  const keys = tenantId === undefined ? [] : await ports.registry.keysOfTenant(run, tenantId);
  if (roleMode === "per-tenant" && keys.some(({ state }) => state !== "destroyed")) return NO_LONGER_SO;
  const name = resource.slice(resource.lastIndexOf("/") + 1);
  await call("iam:DeleteRole", () => deleteRoleWithPolicies(ports.clientsIn(region), run, name));
  return { kind: "done", did: `deleted role ${name}` };
}

/** The registry is asked anew, by the tenant of the finding and of the tags: a key that a record of either names is no orphan. */
async function condemnKey(
  ports: AsCallerPorts,
  run: Run,
  { tenantId, resource }: Finding,
  mayHoldData: boolean,
): Promise<AsCallerOutcome> {
  const keyArn = parseKeyArn(resource);
  if (tenantId !== undefined && (await isNamed(ports, run, tenantId, keyArn))) return NO_LONGER_SO;
  const clients = ports.clientsIn(keyArn.split(":")[3] ?? "");
  const tags = await tagsOf(clients, run, keyArn);
  if (tags[STAGE_TAG] !== ports.context.stage) return NOT_FOR_THE_CALLER;
  const tagged = tenantIdOf(tags[TENANT_TAG]);
  if (tagged !== undefined && (await isNamed(ports, run, tagged, keyArn))) return NO_LONGER_SO;
  const policy = await call("kms:GetKeyPolicy", () => readKeyPolicy(clients, run, keyArn));
  if (!mayHoldData && !neverAdmitted(ports, policy)) return { kind: "left", why: "may-hold-data" };
  const schedule = () => scheduleKeyDeletion(clients, run, keyArn, ORPHAN_KEY_WINDOW_DAYS);
  try {
    await schedule();
  } catch (error) {
    const refused = narrowAwsError(error, "kms:ScheduleKeyDeletion");
    if (refused.code !== "access_denied" || ports.context.administratorRoleArns.length === 0) throw refused;
    await letAdministratorsDelete(ports, run, clients, keyArn, policy);
    const isDenied = (thrown: unknown) => narrowAwsError(thrown, "kms:ScheduleKeyDeletion").code === "access_denied";
    await call("kms:ScheduleKeyDeletion", () => untilVisible(run, POLICY_BUDGET_MS, isDenied, schedule));
  }
  return { kind: "done", did: `scheduled the deletion of ${keyArn} in ${ORPHAN_KEY_WINDOW_DAYS} days` };
}

/** Whether a record of the tenant names the key, or the key that it is a replica of. */
async function isNamed(
  { registry, context }: AsCallerPorts,
  run: Run,
  tenantId: TenantId,
  keyArn: KeyArn,
): Promise<boolean> {
  const primary = hasReplicas(keyArn) ? replicaArn(keyArn, context.region) : keyArn;
  const keys = await registry.keysOfTenant(run, tenantId);
  return keys
    .flatMap(({ keyArn: own, previousKeyArns = [], attempts }) => [
      own,
      ...previousKeyArns,
      ...attempts.map((attempt) => attempt.keyArn),
    ])
    .some((named) => named === keyArn || named === primary);
}

/** Undefined where it is no tenant's id: whoever made the key could tag it as they liked. */
function tenantIdOf(tag: string | undefined): TenantId | undefined {
  try {
    return parseTenantId(tag ?? "");
  } catch {
    return undefined;
  }
}

/** Still under the policy that some profile of the stage makes a key with: it never let anybody in. */
function neverAdmitted({ context, settings }: AsCallerPorts, policy: unknown): boolean {
  return Object.values(settings.profiles).some((profile) => samePolicy(policy, creationKeyPolicy(context, profile)));
}

/** Administrators may replace a policy and nothing that ends a key: that they do is to be seen, as a change of the policy. */
async function letAdministratorsDelete(
  { context }: AsCallerPorts,
  run: Run,
  clients: Clients,
  keyArn: KeyArn,
  policy: unknown,
): Promise<void> {
  const document = policy as { readonly Statement?: unknown };
  const statements = Array.isArray(document?.Statement) ? (document.Statement as readonly PolicyStatement[]) : [];
  const deletes: PolicyStatement = {
    Sid: "DeleteOrphanByAdministrators",
    Effect: "Allow",
    Principal: { AWS: `arn:aws:iam::${context.accountId}:root` },
    Action: "kms:ScheduleKeyDeletion",
    Resource: "*",
    Condition: { ArnEquals: { "aws:PrincipalArn": [...context.administratorRoleArns] } },
  };
  await call("kms:PutKeyPolicy", () =>
    putKeyPolicy(clients, run, keyArn, { Version: "2012-10-17", Statement: [...statements, deletes] }),
  );
}

async function call<T>(step: string, made: () => Promise<T>): Promise<T> {
  try {
    return await made();
  } catch (error) {
    throw narrowAwsError(error, step);
  }
}
