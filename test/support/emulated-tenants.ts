/** Tenants of a local AWS with a role and a key each, as the service makes them but without it, and the way to their keys. */
import { CreateKeyCommand, KMS } from "@aws-sdk/client-kms";
import { AssumeRoleCommand } from "@aws-sdk/client-sts";
import type { KeyAccess, KeyAccessSource, TenantCredentials } from "@tenantkeys/client";
import {
  type KeyArn,
  parseKeyName,
  parseStage,
  parseTenantId,
  type RoleArn,
  TenantKeysError,
  type TenantKeysError as TenantKeysErrorType,
} from "@tenantkeys/core";
import type { Emulator } from "@tenantkeys/local";
import { type Caller, callerWith, makeRole, policy } from "../../packages/local/src/emulator/test-support.ts";

const USE = [
  "kms:Decrypt",
  "kms:DescribeKey",
  "kms:Encrypt",
  "kms:GenerateDataKey",
  "kms:GenerateDataKeyWithoutPlaintext",
  "kms:ReEncryptFrom",
  "kms:ReEncryptTo",
];

export interface EmulatedTenant {
  readonly access: KeyAccess;
  readonly credentials: TenantCredentials;
}

export function rootOf(emulator: Emulator): Caller {
  return callerWith(emulator, emulator.credentials);
}

/** A key that the tenant's role may use and the account's root may administer. */
export async function makeTenantKey(root: Caller, roleArn: string): Promise<KeyArn> {
  const Policy = policy(
    {
      Effect: "Allow",
      Principal: { AWS: "arn:aws:iam::000000000000:root" },
      Action: ["kms:DisableKey", "kms:EnableKey", "kms:PutKeyPolicy", "kms:ScheduleKeyDeletion", "kms:DescribeKey"],
      Resource: "*",
    },
    { Effect: "Allow", Principal: { AWS: roleArn }, Action: USE, Resource: "*" },
  );
  const { KeyMetadata } = await root.kms.send(new CreateKeyCommand({ Policy }));
  return KeyMetadata?.Arn as KeyArn;
}

export async function makeTenant(emulator: Emulator, tenantId: string): Promise<EmulatedTenant> {
  const root = rootOf(emulator);
  const allow = [{ Effect: "Allow", Action: USE, Resource: "*" }] as const;
  const roleArn = await makeRole(root, `tk-local-${tenantId}`, { allow });
  const keyArn = await makeTenantKey(root, roleArn);
  const { Credentials: session } = await root.sts.send(
    new AssumeRoleCommand({ RoleArn: roleArn, RoleSessionName: "a-test" }),
  );
  const credentials: TenantCredentials = {
    accessKeyId: session?.AccessKeyId as string,
    secretAccessKey: session?.SecretAccessKey as string,
    sessionToken: session?.SessionToken as string,
    expiration: session?.Expiration as Date,
  };
  const { endpoint, region } = emulator;
  const access: KeyAccess = {
    stage: parseStage("local"),
    tenantId: parseTenantId(tenantId),
    keyName: parseKeyName("default"),
    keyArn,
    decryptKeyArns: [keyArn],
    roleArn: roleArn as RoleArn,
    kms: new KMS({ endpoint, region, credentials, maxAttempts: 1 }),
    credentials: async () => credentials,
  };
  return { access, credentials };
}

/** Opens what it was given, and explains by the name of KMS's error. `state` may be changed while a test runs. */
export class SimpleSource implements KeyAccessSource {
  readonly accesses: Map<string, KeyAccess>;
  /** Thrown instead of opening a tenant's key. */
  readonly refusing = new Map<string, TenantKeysErrorType>();
  readonly explained: { readonly name: string; readonly step: string }[] = [];

  constructor(accesses: readonly KeyAccess[]) {
    this.accesses = new Map(accesses.map((access) => [access.tenantId, access]));
  }

  async open({ tenantId }: { readonly tenantId: string }): Promise<KeyAccess> {
    const refused = this.refusing.get(tenantId);
    if (refused !== undefined) throw refused;
    const access = this.accesses.get(tenantId);
    if (access === undefined) throw new TenantKeysError("tenant_unknown", `Nobody knows tenant "${tenantId}".`);
    return access;
  }

  async explain(ref: { readonly tenantId: string }, error: unknown, step: string): Promise<TenantKeysErrorType> {
    const { name, message } = error as Error;
    this.explained.push({ name, step });
    const code =
      name === "DisabledException"
        ? "key_disabled"
        : name === "AccessDeniedException"
          ? "access_denied"
          : "aws_unexpected";
    return new TenantKeysError(code, message, { tenantId: ref.tenantId, step, cause: error });
  }
}
