/**
 * What the worker has no right to put right, with the caller's own credentials: tags that say whose a key is, a policy
 * that shut the worker out, and what lies under the stage's names without a record. Each looks anew before it changes
 * anything: a finding may be hours old.
 */
import { TagResourceCommand } from "@aws-sdk/client-kms";
import {
  type AliasName,
  checkContainment,
  creationKeyPolicy,
  type Finding,
  type KeyArn,
  type KeyRecord,
  type PolicyStatement,
  parseKeyArn,
  parseRegion,
  type RuleId,
  replicaArn,
  samePolicy,
  TenantKeysError,
} from "@tenantkeys/core";
import type { Clients } from "../clients.ts";
import { declaredState } from "../declared-state.ts";
import { deleteAlias, putKeyPolicy, readKeyPolicy, scheduleKeyDeletion } from "../keys.ts";
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
  /** `may-hold-data`: an orphan that may have let somebody in, so that a person has to say that it may go. */
  | { readonly kind: "left"; readonly why: "no-longer-so" | "may-hold-data" | "not-for-the-caller" };

const NO_LONGER_SO: AsCallerOutcome = { kind: "left", why: "no-longer-so" };

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
      return { kind: "left", why: "not-for-the-caller" };
  }
}

interface OwnedKey {
  readonly record: KeyRecord;
  readonly keyArn: KeyArn;
  readonly clients: Clients;
  readonly region: string;
}

/** The key that the finding is about, where the registry says that it is that tenant key's. */
async function ownedKey(
  { registry, clientsIn }: AsCallerPorts,
  run: Run,
  finding: Finding,
): Promise<OwnedKey | undefined> {
  const { tenantId, keyName, resource } = finding;
  if (tenantId === undefined || keyName === undefined || !resource.includes(":key/")) return undefined;
  const record = await registry.get(run, tenantId, keyName);
  const keyArn = parseKeyArn(resource);
  const region = keyArn.split(":")[3] ?? "";
  const named = [record?.keyArn, ...(record?.previousKeyArns ?? [])].filter((arn) => arn !== undefined);
  const isOurs = named.some((arn) => arn === keyArn || replicaArn(arn, parseRegion(region)) === keyArn);
  if (record === undefined || record.ownKeyArn !== undefined || !isOurs) return undefined;
  return { record, keyArn, clients: clientsIn(region), region };
}

async function tagKey(ports: AsCallerPorts, run: Run, finding: Finding): Promise<AsCallerOutcome> {
  const owned = await ownedKey(ports, run, finding);
  if (owned === undefined) return NO_LONGER_SO;
  const { record, keyArn, clients } = owned;
  const { desired } = declaredState(
    ports,
    record.tenantId,
    record.keyName,
    { record, tenant: undefined },
    run.clock.nowMs(),
  );
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
  const { record, keyArn, clients, region } = owned;
  const tenant = await ports.registry.getTenant(run, record.tenantId);
  const there = { ...ports, context: { ...ports.context, region: parseRegion(region) } };
  const known = { record, tenant };
  const { desired, target } = declaredState(there, record.tenantId, record.keyName, known, run.clock.nowMs());
  const leaves = target === "withdrawn" || target === "deleted";
  if (!leaves && checkContainment(desired.admittedPolicy, desired).kind !== "contained") {
    throw new TenantKeysError("policy_not_contained", `the policy to be put on ${keyArn} isn't contained`);
  }
  await call("kms:PutKeyPolicy", () =>
    putKeyPolicy(clients, run, keyArn, leaves ? desired.departingPolicy : desired.admittedPolicy),
  );
  return { kind: "done", did: `put the policy of ${record.tenantId}/${record.keyName} on ${keyArn}` };
}

async function removeAlias(
  ports: AsCallerPorts,
  run: Run,
  { tenantId, keyName, resource }: Finding,
): Promise<AsCallerOutcome> {
  const name = resource.slice(resource.indexOf("alias/")) as AliasName;
  if (!name.startsWith(`alias/tenantkeys/${ports.context.stage}/`)) return { kind: "left", why: "not-for-the-caller" };
  const record = tenantId && keyName ? await ports.registry.get(run, tenantId, keyName) : undefined;
  if (record !== undefined && record.state !== "destroyed") return NO_LONGER_SO;
  const region = resource.startsWith("arn:") ? (resource.split(":")[3] ?? "") : ports.context.region;
  await call("kms:DeleteAlias", () => deleteAlias(ports.clientsIn(region), run, name));
  return { kind: "done", did: `deleted ${name}` };
}

async function removeRole(ports: AsCallerPorts, run: Run, { tenantId, resource }: Finding): Promise<AsCallerOutcome> {
  const { stage, roleMode, region } = ports.context;
  if (!resource.includes(`:role/tenantkeys/${stage}/tk-${stage}-`)) return { kind: "left", why: "not-for-the-caller" };
  const keys = tenantId === undefined ? [] : await ports.registry.keysOfTenant(run, tenantId);
  if (roleMode === "per-tenant" && keys.some(({ state }) => state !== "destroyed")) return NO_LONGER_SO;
  const name = resource.slice(resource.lastIndexOf("/") + 1);
  await call("iam:DeleteRole", () => deleteRoleWithPolicies(ports.clientsIn(region), run, name));
  return { kind: "done", did: `deleted role ${name}` };
}

/** The registry is asked anew by name; a key that any record of its tenant names is no orphan. */
async function condemnKey(
  ports: AsCallerPorts,
  run: Run,
  { tenantId, resource }: Finding,
  mayHoldData: boolean,
): Promise<AsCallerOutcome> {
  const keyArn = parseKeyArn(resource);
  const keys = tenantId === undefined ? [] : await ports.registry.keysOfTenant(run, tenantId);
  const isNamed = keys.some(({ keyArn: own, previousKeyArns = [], attempts }) =>
    [own, ...previousKeyArns, ...attempts.map((attempt) => attempt.keyArn)].includes(keyArn),
  );
  if (isNamed) return NO_LONGER_SO;
  const clients = ports.clientsIn(keyArn.split(":")[3] ?? "");
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
