/** Reads all that verification looks at for one tenant key. */
import {
  type DesiredTenantKey,
  hasReplicas,
  type InspectedKey,
  type InspectedReplica,
  type InspectedRole,
  type InspectedTenantKey,
  type KeyArn,
  type KeyRecord,
  parseRegion,
  type Reading,
  type Region,
  replicaArn,
} from "@tenantkeys/core";
import type { Clients } from "../clients.ts";
import { findKeysByTags } from "../keys.ts";
import { readAliasTarget } from "./alias-target.ts";
import { inspectKey, type KeyDepth } from "./inspect-key.ts";
import { inspectRole } from "./inspect-role.ts";
import type { InspectionDepth, VerifyPorts } from "./ports.ts";
import { type Reader, reading } from "./reading.ts";

/** Read in bulk for many tenants at once, and so a few minutes old. */
export interface BulkFacts {
  readonly aliasTarget: KeyArn | undefined;
  readonly taggedKeyArns: readonly KeyArn[];
  /** Of the role that the tenant's sessions are of: in role mode `session-tag` the shared one. */
  readonly role: InspectedRole | undefined;
}

export interface TenantKeyInspection {
  readonly inspected: InspectedTenantKey;
  /** Keys with this tenant key's tags. What of them isn't recorded is only found this way. */
  readonly tagged: Reading<readonly KeyArn[]>;
}

interface ToInspect {
  readonly desired: DesiredTenantKey;
  readonly record: KeyRecord;
  readonly depth: InspectionDepth;
  /** Absent: all is read now. */
  readonly bulk?: BulkFacts | undefined;
}

type InspectPorts = Pick<VerifyPorts, "observing" | "observingIn" | "quota" | "context">;

/** Strangers among the keys that are looked at. More would mean that something loops. */
const OTHER_KEYS_MAX = 20;

/** @throws TenantKeysError only what ends the whole check (`reading`) */
export async function inspectTenantKey(
  ports: InspectPorts,
  reader: Reader,
  toInspect: ToInspect,
): Promise<TenantKeyInspection> {
  const { desired, record, depth, bulk } = toInspect;
  const [role, aliasTarget, tagged, recordedKeys] = await Promise.all([
    bulk === undefined ? inspectRole(ports.observing, reader, desired.role.name) : known(bulk.role),
    bulk === undefined ? aliasOf(ports, reader, toInspect) : known(bulk.aliasTarget),
    bulk === undefined ? readTagged(ports, reader, desired) : known(bulk.taggedKeyArns),
    Promise.all(recordedArns(record).map((keyArn) => inspectOwn(ports, reader, record, keyArn, depth))),
  ]);
  const recorded = recordedKeys[0];
  const [others, replicas] = await Promise.all([
    inspectOthers(ports, reader, record, aliasTarget, tagged),
    inspectReplicas(ports, reader, toInspect, recorded),
  ]);
  return { inspected: { role, aliasTarget, keys: [...recordedKeys, ...others], replicas }, tagged };
}

async function known<T>(value: T): Promise<Reading<T>> {
  return { kind: "read", value };
}

/** The key in use first, then those that it replaced. */
function recordedArns({ keyArn, previousKeyArns = [] }: KeyRecord): readonly KeyArn[] {
  return [...new Set([...(keyArn === undefined ? [] : [keyArn]), ...previousKeyArns])];
}

/** An alias leads to keys of its own account only, so a key of the tenant's own has none. */
async function aliasOf(
  { observing, context }: InspectPorts,
  reader: Reader,
  { desired, record }: ToInspect,
): Promise<Reading<KeyArn | undefined>> {
  if (record.ownKeyArn !== undefined) return { kind: "skipped" };
  const { accountId, region } = context;
  const sought = { aliasName: desired.aliasName, likely: record.keyArn, accountId, region };
  return readAliasTarget(observing, reader, sought);
}

function readTagged(
  { observing }: InspectPorts,
  reader: Reader,
  desired: DesiredTenantKey,
): Promise<Reading<readonly KeyArn[]>> {
  return reading(reader, "tag:GetResources", () => findKeysByTags(observing, reader.run, desired.keyOwnership));
}

function inspectOwn(
  ports: InspectPorts,
  reader: Reader,
  { state, keyArn: current }: KeyRecord,
  keyArn: KeyArn,
  depth: InspectionDepth,
): Promise<InspectedKey> {
  const [region, accountId] = keyArn.split(":").slice(3, 5);
  const isShown = accountId === ports.context.accountId && state !== "destroyed";
  const parts: KeyDepth["parts"] = isShown ? "all" : "description";
  // How often a replaced key was rotated doesn't matter any more.
  const rotations = depth.rotations && keyArn === current;
  return inspectKey(clientsIn(ports, parseRegion(region ?? "")), reader, keyArn, { ...depth, rotations, parts });
}

/** The alias's key and tagged ones. One that the tagging index still lists, and that is gone, is none. */
async function inspectOthers(
  { observing, context }: InspectPorts,
  reader: Reader,
  record: KeyRecord,
  aliasTarget: Reading<KeyArn | undefined>,
  tagged: Reading<readonly KeyArn[]>,
): Promise<readonly InspectedKey[]> {
  const aliased = aliasTarget.kind === "read" && aliasTarget.value !== undefined ? [aliasTarget.value] : [];
  const arns = new Set([...aliased, ...(tagged.kind === "read" ? tagged.value : [])]);
  for (const keyArn of recordedArns(record)) arns.delete(keyArn);
  const here = [...arns].filter((keyArn) => keyArn.includes(`:${context.region}:`)).slice(0, OTHER_KEYS_MAX);
  const depth: KeyDepth = { grants: false, rotations: false, parts: "without-rotation" };
  const found = await Promise.all(here.map((keyArn) => inspectKey(observing, reader, keyArn, depth)));
  return found.filter(({ kind }) => kind === "present");
}

/** In every Region of the profile, and in every other that KMS lists. */
async function inspectReplicas(
  ports: InspectPorts,
  reader: Reader,
  { desired, record, depth }: ToInspect,
  primary: InspectedKey | undefined,
): Promise<readonly InspectedReplica[]> {
  const { keyArn } = record;
  if (keyArn === undefined || record.state === "destroyed" || !hasReplicas(keyArn)) return [];
  const description = primary?.kind === "present" ? primary.description : undefined;
  const listed = description?.kind === "read" ? (description.value.replicaRegions ?? []) : [];
  const regions = new Set<Region>([...desired.replicaRegions, ...listed]);
  return Promise.all([...regions].map((region) => inspectReplica(ports, reader, desired, keyArn, region, depth)));
}

async function inspectReplica(
  ports: InspectPorts,
  reader: Reader,
  { aliasName }: DesiredTenantKey,
  primaryArn: KeyArn,
  region: Region,
  depth: InspectionDepth,
): Promise<InspectedReplica> {
  const clients = ports.observingIn(region);
  const keyArn = replicaArn(primaryArn, region);
  const sought = { aliasName, likely: keyArn, accountId: ports.context.accountId, region };
  const [key, aliasTarget] = await Promise.all([
    inspectKey(clients, reader, keyArn, { ...depth, parts: "without-rotation" }),
    readAliasTarget(clients, reader, sought),
  ]);
  return { region, key, aliasTarget };
}

function clientsIn(ports: InspectPorts, region: Region): Clients {
  return region === ports.context.region ? ports.observing : ports.observingIn(region);
}
