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
import { readAliasTarget } from "./alias-target.ts";
import { inspectKey, type KeyDepth } from "./inspect-key.ts";
import { inspectRole } from "./inspect-role.ts";
import type { InspectionDepth, VerifyPorts } from "./ports.ts";
import type { Reader } from "./reading.ts";

/** Read in bulk for many tenants at once, and so a few minutes old. */
export interface BulkFacts {
  readonly aliasTarget: KeyArn | undefined;
  /** The tenant's own role, by its name: in role mode `session-tag` one that an earlier mode left. */
  readonly role: InspectedRole | undefined;
}

interface ToInspect {
  readonly desired: DesiredTenantKey;
  readonly record: KeyRecord;
  readonly depth: InspectionDepth;
  /** Absent: all is read now. */
  readonly bulk?: BulkFacts | undefined;
}

type InspectPorts = Pick<VerifyPorts, "observing" | "observingIn" | "quota" | "context">;

/** @throws TenantKeysError only what ends the whole check (`reading`) */
export async function inspectTenantKey(
  ports: InspectPorts,
  reader: Reader,
  toInspect: ToInspect,
): Promise<InspectedTenantKey> {
  const { desired, record, depth, bulk } = toInspect;
  const [role, aliasTarget, recorded] = await Promise.all([
    bulk === undefined ? inspectRole(ports.observing, reader, desired.ownRole.name) : known(bulk.role),
    bulk === undefined ? aliasOf(ports, reader, toInspect) : known(bulk.aliasTarget),
    Promise.all(recordedArns(record).map((keyArn) => inspectOwn(ports, reader, record, keyArn, depth))),
  ]);
  const [aliased, replicas] = await Promise.all([
    inspectAliased(ports, reader, record, aliasTarget),
    inspectReplicas(ports, reader, toInspect, recorded[0]),
  ]);
  return { role, aliasTarget, keys: [...recorded, ...aliased], replicas };
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

/** A key that isn't the tenant's, and that its alias leads to: whether it is dying is all that matters. */
async function inspectAliased(
  { observing }: InspectPorts,
  reader: Reader,
  record: KeyRecord,
  aliasTarget: Reading<KeyArn | undefined>,
): Promise<readonly InspectedKey[]> {
  const target = aliasTarget.kind === "read" ? aliasTarget.value : undefined;
  if (target === undefined || recordedArns(record).includes(target)) return [];
  return [await inspectKey(observing, reader, target, { grants: false, rotations: false, parts: "description" })];
}

/** In every Region of the profile, and in every other that the record names or KMS lists. */
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
  const recorded = (record.replicas ?? []).map(({ region }) => region);
  const regions = new Set<Region>([...desired.replicaRegions, ...recorded, ...listed]);
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
