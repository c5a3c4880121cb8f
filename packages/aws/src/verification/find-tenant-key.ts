/** Whose a key is, for who knows its ARN alone. */
import {
  KEY_TAG,
  type KeyArn,
  type KeyName,
  parseKeyName,
  parseRegion,
  parseTenantId,
  STAGE_TAG,
  TENANT_TAG,
  type TenantId,
  TenantKeysError,
} from "@tenantkeys/core";
import type { Clients } from "../clients.ts";
import { readTags } from "../keys.ts";
import { errorName } from "../narrow-error.ts";
import { queryPages } from "../query-pages.ts";
import { KEYS_INDEX } from "../registry-table.ts";
import type { Run } from "../run.ts";
import type { VerifyPorts } from "./ports.ts";
import { reading } from "./reading.ts";

export interface FoundTenantKey {
  readonly tenantId: TenantId;
  readonly keyName: KeyName;
}

export interface FindPorts extends Pick<VerifyPorts, "observing" | "observingIn" | "quota" | "context"> {
  /** Whose registry it is. */
  readonly clients: Clients;
  readonly tableName: string;
}

/** A key has one record and, after its end, a destruction record. */
const PAGES_MAX = 10;

/**
 * By the registry's index and, as that lags and knows neither keys that were replaced nor replicas, by the key's own tags.
 * @returns undefined for a key of nobody, of another stage, or that doesn't let us look
 * @throws TenantKeysError where neither can be asked
 */
export async function findTenantKey(ports: FindPorts, run: Run, keyArn: KeyArn): Promise<FoundTenantKey | undefined> {
  const query = {
    IndexName: KEYS_INDEX,
    KeyConditionExpression: "keyArn = :keyArn",
    ExpressionAttributeValues: { ":keyArn": keyArn },
    pagesMax: PAGES_MAX,
  };
  for await (const { tenantId, keyName } of queryPages(ports.clients, run, ports.tableName, query)) {
    const found = named(tenantId, keyName);
    if (found !== undefined) return found;
  }
  return findByTags(ports, run, keyArn);
}

async function findByTags(ports: FindPorts, run: Run, keyArn: KeyArn): Promise<FoundTenantKey | undefined> {
  const { context, quota } = ports;
  const region = parseRegion(keyArn.split(":")[3] ?? "");
  const clients = region === context.region ? ports.observing : ports.observingIn(region);
  const operation = "kms:ListResourceTags";
  const tags = await reading({ run, quota }, operation, async () => {
    try {
      return await readTags(clients, run, keyArn);
    } catch (error) {
      if (errorName(error) === "NotFoundException") return {};
      throw error;
    }
  });
  if (tags.kind === "failed") {
    throw new TenantKeysError("aws_unavailable", `whose key ${keyArn} is can't be told: ${tags.reason}`, {
      step: operation,
    });
  }
  if (tags.kind !== "read" || tags.value[STAGE_TAG] !== context.stage) return undefined;
  return named(tags.value[TENANT_TAG], tags.value[KEY_TAG]);
}

/** Undefined where they are no names of ours: whoever made the key could tag it as they liked. */
function named(tenantId: unknown, keyName: unknown): FoundTenantKey | undefined {
  try {
    return { tenantId: parseTenantId(String(tenantId)), keyName: parseKeyName(String(keyName)) };
  } catch {
    return undefined;
  }
}
