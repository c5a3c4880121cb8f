/** Reads back what AWS has, with the account's root, so that tests judge AWS's state and not our own records of it. */
import { ListRolePoliciesCommand } from "@aws-sdk/client-iam";
import { EncryptCommand, KMSClient } from "@aws-sdk/client-kms";
import { clientConfig, findKeysByTags, readKey, startRun, systemClock } from "@tenantkeys/aws";
import {
  aliasName,
  KEY_TAG,
  type ObservedKey,
  ownershipTags,
  parseKeyName,
  parseTenantId,
  tenantRoleName,
} from "@tenantkeys/core";
import { assumeRole, type LocalStage } from "@tenantkeys/local";

export interface TenantKeyState {
  /** The key behind the alias. */
  readonly aliasKeyArn: string | undefined;
  readonly keys: readonly ObservedKey[];
  readonly rolePolicyNames: readonly string[] | undefined;
}

export async function readTenantKey(stage: LocalStage, tenant: string, key = "default"): Promise<TenantKeyState> {
  const run = startRun(systemClock, 30_000, 1_000);
  const tenantId = parseTenantId(tenant);
  const keyName = parseKeyName(key);
  const tags = { ...ownershipTags(stage.settings.stage, tenantId), [KEY_TAG]: key };
  const [alias, arns] = await Promise.all([
    readKey(stage.root, run, aliasName(stage.settings.stage, tenantId, keyName)),
    findKeysByTags(stage.root, run, tags),
  ]);
  const readings = await Promise.all(arns.map((arn) => readKey(stage.root, run, arn)));
  return {
    aliasKeyArn: alias.kind === "read" ? alias.key.keyArn : undefined,
    keys: readings.flatMap((reading) => (reading.kind === "read" ? [reading.key] : [])),
    rolePolicyNames: await rolePolicyNames(stage, tenantRoleName(stage.settings.stage, tenantId)),
  };
}

async function rolePolicyNames(stage: LocalStage, roleName: string): Promise<readonly string[] | undefined> {
  try {
    return (await stage.iam.send(new ListRolePoliciesCommand({ RoleName: roleName }))).PolicyNames ?? [];
  } catch {
    return undefined;
  }
}

/** Encrypts as the tenant's application would; throws what AWS says. */
export async function encryptAsTenant(stage: LocalStage, tenant: string, key = "default"): Promise<void> {
  const application = await stage.application();
  const roleArn = `arn:aws:iam::${stage.accountId}:role/tenantkeys/${stage.settings.stage}/tk-${stage.settings.stage}-${tenant}`;
  const credentials = await assumeRole(stage.at, application, roleArn, tenant);
  const kms = new KMSClient(clientConfig({ ...stage.at, credentials }));
  const keyId = (await readTenantKey(stage, tenant, key)).aliasKeyArn;
  await kms.send(new EncryptCommand({ KeyId: keyId, Plaintext: Buffer.from("x") })).finally(() => kms.destroy());
}
