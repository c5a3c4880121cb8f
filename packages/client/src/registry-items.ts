/**
 * What an application reads of the registry: two items of a tenant, and of each only what says whether it may work and
 * by which key and role. What the worker wrote is read back by a test (docs/adr/0015).
 */
import type { AttributeValue } from "@aws-sdk/client-dynamodb";
import {
  KEY_ARN_PATTERN,
  type KeyArn,
  type KeyName,
  LIFECYCLE_STATES,
  type LifecycleState,
  ROLE_ARN_PATTERN,
  type RoleArn,
  TENANT_PREFIX,
  type TenantId,
  TenantKeysError,
  type TenantStanding,
} from "@tenantkeys/core";

type Item = Readonly<Record<string, AttributeValue>>;

export interface KeyItem {
  readonly state: LifecycleState;
  readonly keyArn?: KeyArn | undefined;
  readonly roleArn?: RoleArn | undefined;
  /** A key of the tenant's own account. */
  readonly ownKeyArn?: KeyArn | undefined;
  readonly replicaKeyArns: readonly KeyArn[];
  readonly previousKeyArns: readonly KeyArn[];
  readonly deletionDateMs?: number | undefined;
}

export function keyItemKey(tenantId: TenantId, keyName: KeyName) {
  return { pk: { S: `${TENANT_PREFIX}${tenantId}` }, sk: { S: `KEY#${keyName}` } };
}

export function tenantItemKey(tenantId: TenantId) {
  return { pk: { S: `${TENANT_PREFIX}${tenantId}` }, sk: { S: "TENANT" } };
}

/** Every name by a placeholder: `state` is reserved in DynamoDB, and others may be one day. */
export function projection(attributes: readonly string[]) {
  return {
    ProjectionExpression: attributes.map((_, index) => `#${index}`).join(", "),
    ExpressionAttributeNames: Object.fromEntries(attributes.map((name, index) => [`#${index}`, name])),
  };
}

/** @throws TenantKeysError `record_invalid` where the item isn't as the worker writes it */
export function readKeyItem(item: Item): KeyItem {
  const state = text(item, "state");
  if (!isState(state)) throw invalid("state", `one of ${LIFECYCLE_STATES.join(", ")}`, state);
  return {
    state,
    keyArn: keyArn("keyArn", text(item, "keyArn")),
    roleArn: roleArn(text(item, "roleArn")),
    ownKeyArn: keyArn("ownKeyArn", text(item, "ownKeyArn")),
    replicaKeyArns: keyArns(
      "replicas",
      list(item, "replicas").map((replica) => replica.M?.keyArn),
    ),
    previousKeyArns: keyArns("previousKeyArns", list(item, "previousKeyArns")),
    deletionDateMs: number(item, "deletionDateMs"),
  };
}

/** @throws TenantKeysError `record_invalid` where the item isn't as the worker writes it */
export function readTenantItem(item: Item): TenantStanding {
  return {
    lifeGeneration: number(item, "lifeGeneration"),
    endedGeneration: number(item, "endedGeneration"),
    suspension: register(item, "suspension"),
    leaving: register(item, "leaving"),
  };
}

function register(item: Item, field: string): TenantStanding["suspension"] {
  const found = item[field];
  if (found === undefined) return undefined;
  const value = found.M?.value?.BOOL;
  const generation = number(found.M ?? {}, "generation");
  // Read as declared where it can't be read: a tenant that may be suspended doesn't go on.
  if (value === undefined || generation === undefined) throw invalid(field, "a value and a generation", undefined);
  return { value, generation };
}

function isState(value: string | undefined): value is LifecycleState {
  return LIFECYCLE_STATES.some((state) => state === value);
}

function text(item: Item, field: string): string | undefined {
  const found = item[field];
  if (found !== undefined && found.S === undefined) throw invalid(field, "a string", undefined);
  return found?.S;
}

function number(item: Item, field: string): number | undefined {
  const found = item[field];
  if (found === undefined) return undefined;
  const value = Number(found.N);
  if (!Number.isFinite(value)) throw invalid(field, "a number", found.N);
  return value;
}

function list(item: Item, field: string): readonly AttributeValue[] {
  const found = item[field];
  if (found !== undefined && found.L === undefined) throw invalid(field, "a list", undefined);
  return found?.L ?? [];
}

function keyArns(field: string, values: readonly (AttributeValue | undefined)[]): readonly KeyArn[] {
  return values.map((value) => {
    const arn = keyArn(field, value?.S);
    if (arn === undefined) throw invalid(field, "ARNs of keys", undefined);
    return arn;
  });
}

function keyArn(field: string, value: string | undefined): KeyArn | undefined {
  if (value !== undefined && !KEY_ARN_PATTERN.test(value)) throw invalid(field, "the ARN of a key", value);
  return value as KeyArn | undefined;
}

function roleArn(value: string | undefined): RoleArn | undefined {
  if (value !== undefined && !ROLE_ARN_PATTERN.test(value)) throw invalid("roleArn", "the ARN of a role", value);
  return value as RoleArn | undefined;
}

function invalid(field: string, expected: string, found: string | undefined): TenantKeysError {
  const seen = found === undefined ? "something else" : `"${found.slice(0, 100)}"`;
  return new TenantKeysError("record_invalid", `${field}: expected ${expected}, found ${seen}`, { field });
}
