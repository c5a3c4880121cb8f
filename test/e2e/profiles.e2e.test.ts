/** What key profiles promise, tried with real sessions of tenants' roles. */
import { PutRolePolicyCommand } from "@aws-sdk/client-iam";
import {
  CancelKeyDeletionCommand,
  CreateGrantCommand,
  CreateKeyCommand,
  DecryptCommand,
  DescribeKeyCommand,
  EncryptCommand,
  GenerateDataKeyCommand,
  GenerateMacCommand,
  PutKeyPolicyCommand,
  ScheduleKeyDeletionCommand,
  SignCommand,
  VerifyMacCommand,
} from "@aws-sdk/client-kms";
import { CreateBucketCommand, GetObjectCommand, PutObjectCommand } from "@aws-sdk/client-s3";
import {
  type DesiredTenantKey,
  desiredTenantKey,
  type KeyProfile,
  parseKeyName,
  parseTenantId,
  type StageSettingsInput,
} from "@tenantkeys/core";
import type { LocalStage } from "@tenantkeys/local";
import { beforeAll, describe, expect, it } from "vitest";
import { deliver, signUpEnvelope, until, untilActive } from "../support/events.ts";
import { provisionerCredentials } from "../support/provisioner.ts";
import { outcome, type Session, sessionOf, tenantSession } from "../support/sessions.ts";
import { sharedStage } from "../support/shared-stage.ts";

const PROFILES = {
  default: {},
  "encrypt-only": { actions: "encrypt-only" },
  "decrypt-only": { actions: "decrypt-only" },
  strict: { strictEncryptionContext: true },
  objects: { viaServices: ["s3"] },
  volumes: { serviceGrants: true },
  codes: { keySpec: "HMAC_256" },
  slow: { deletionWindowDays: 14 },
} satisfies StageSettingsInput["profiles"];
const DENIED = "AccessDeniedException";
const TEXT = Buffer.from("a tenant's data");

let stage: LocalStage;

beforeAll(async () => {
  stage = await sharedStage({ settings: { profiles: PROFILES } });
});

interface TenantKey {
  readonly session: Session;
  readonly keyArn: string;
}

/** A tenant whose key has this profile, and a session of its role. */
async function tenantWith(profile: keyof typeof PROFILES, tenantId: string, generation = 1): Promise<TenantKey> {
  const envelope = signUpEnvelope(tenantId, { generation });
  await deliver(stage, { ...envelope, detail: { ...(envelope.detail as object), profile } });
  await until(`${tenantId} to have profile ${profile}`, async () => {
    const record = await untilActive(stage, tenantId);
    return record.profile === profile && record.generation === generation;
  });
  const { keyArn = "" } = await untilActive(stage, tenantId);
  return { session: await tenantSession(stage, tenantId), keyArn };
}

function desired(tenantId: string, profile: keyof typeof PROFILES): DesiredTenantKey {
  const checked = stage.settings.profiles[profile] as KeyProfile;
  return desiredTenantKey(stage.context, parseTenantId(tenantId), parseKeyName("default"), checked);
}

const encrypt = ({ session, keyArn }: TenantKey, EncryptionContext?: Record<string, string>) =>
  session.kms.send(new EncryptCommand({ KeyId: keyArn, Plaintext: TEXT, EncryptionContext }));
const decrypt = (
  { session, keyArn }: TenantKey,
  CiphertextBlob: Uint8Array | undefined,
  EncryptionContext?: Record<string, string>,
) => session.kms.send(new DecryptCommand({ KeyId: keyArn, CiphertextBlob, EncryptionContext }));
const describeKey = ({ session, keyArn }: TenantKey) => session.kms.send(new DescribeKeyCommand({ KeyId: keyArn }));
const dataKey = ({ session, keyArn }: TenantKey) =>
  session.kms.send(new GenerateDataKeyCommand({ KeyId: keyArn, KeySpec: "AES_256" }));

describe("an action profile", () => {
  it("encrypt-only lets the tenant encrypt and make data keys, and not decrypt what it encrypted", async () => {
    const key = await tenantWith("encrypt-only", "writer");
    const { CiphertextBlob } = await encrypt(key);

    expect(await outcome(dataKey(key))).toBe("worked");
    expect(await outcome(decrypt(key, CiphertextBlob))).toBe(DENIED);
  });

  it("decrypt-only lets the tenant decrypt, once its key is declared so, and no longer encrypt", async () => {
    const before = await tenantWith("default", "reader");
    const { CiphertextBlob } = await encrypt(before);

    const key = await tenantWith("decrypt-only", "reader", 2);
    const { Plaintext } = await decrypt(key, CiphertextBlob);

    expect(Buffer.from(Plaintext ?? [])).toEqual(TEXT);
    expect(await outcome(encrypt(key))).toBe(DENIED);
    expect(await outcome(dataKey(key))).toBe(DENIED);
    // The session of before is bound as well: the key's policy is asked anew at each call.
    expect(await outcome(encrypt(before))).toBe(DENIED);
  });
});

describe("a strict encryption context", () => {
  it("must name the tenant in every use, and the key is described without one", async () => {
    const key = await tenantWith("strict", "pedant");
    const own = { tenant: "pedant", document: "7" };
    const { CiphertextBlob } = await encrypt(key, own);

    expect(await outcome(decrypt(key, CiphertextBlob, own))).toBe("worked");
    expect(await outcome(describeKey(key))).toBe("worked");
    for (const context of [undefined, { tenant: "another" }, { document: "7" }, { tenant: "" }]) {
      expect(await outcome(encrypt(key, context)), JSON.stringify(context)).toBe(DENIED);
      expect(await outcome(decrypt(key, CiphertextBlob, context)), JSON.stringify(context)).toBe(DENIED);
    }
  });
});

describe("a key that is used through services", () => {
  it("encrypts objects in S3 for its tenant, and refuses the tenant's own calls", async () => {
    const key = await tenantWith("objects", "archivist");
    const Bucket = "objects-of-archivist";
    await sessionOf(stage.at, stage.emulator.credentials).s3.send(new CreateBucketCommand({ Bucket }));
    await allowRole("tk-local-archivist", ["s3:GetObject", "s3:PutObject"], `arn:aws:s3:::${Bucket}/*`);
    const put = new PutObjectCommand({
      Bucket,
      Key: "a",
      Body: TEXT,
      ServerSideEncryption: "aws:kms",
      SSEKMSKeyId: key.keyArn,
    });

    expect(await outcome(key.session.s3.send(put))).toBe("worked");
    const { Body } = await key.session.s3.send(new GetObjectCommand({ Bucket, Key: "a" }));
    expect(await Body?.transformToString()).toBe(TEXT.toString());
    expect(await outcome(encrypt(key))).toBe(DENIED);
    expect(await outcome(dataKey(key))).toBe(DENIED);
    expect(await outcome(describeKey(key))).toBe("worked");
  });
});

async function allowRole(RoleName: string, Action: readonly string[], Resource: string): Promise<void> {
  const document = { Version: "2012-10-17", Statement: [{ Effect: "Allow", Action, Resource }] };
  const command = { RoleName, PolicyName: "given-by-a-test", PolicyDocument: JSON.stringify(document) };
  await stage.iam.send(new PutRolePolicyCommand(command));
}

describe("grants for services", () => {
  it("aren't made by the tenant itself, not even with kms:* given to its role by mistake", async () => {
    const key = await tenantWith("volumes", "mounter");
    await allowRole("tk-local-mounter", ["kms:*"], "*");
    const grant = new CreateGrantCommand({
      KeyId: key.keyArn,
      GranteePrincipal: stage.applicationRoleArn,
      Operations: ["Decrypt"],
    });

    expect(await outcome(encrypt(key))).toBe("worked");
    expect(await outcome(key.session.kms.send(grant))).toBe(DENIED);
  });
});

describe("a key of another spec", () => {
  it("gives the actions of its kind, from the key's policy alone and within the boundary", async () => {
    await tenantWith("default", "coder");
    const session = await tenantSession(stage, "coder");
    const { KeyMetadata } = await stage.root.kms.send(
      new CreateKeyCommand({
        KeySpec: "HMAC_256",
        KeyUsage: "GENERATE_VERIFY_MAC",
        Policy: JSON.stringify(desired("coder", "codes").admittedPolicy),
      }),
    );
    const shared = { KeyId: KeyMetadata?.Arn, MacAlgorithm: "HMAC_SHA_256", Message: TEXT } as const;

    const { Mac } = await session.kms.send(new GenerateMacCommand(shared));
    expect(await outcome(session.kms.send(new VerifyMacCommand({ ...shared, Mac })))).toBe("worked");
    const sign = { KeyId: KeyMetadata?.Arn, Message: TEXT, SigningAlgorithm: "ECDSA_SHA_256" } as const;
    expect(await outcome(session.kms.send(new SignCommand(sign)))).toBe(DENIED);
  });
});

describe("the deletion of a key", () => {
  const schedule = (session: Session, keyArn: string, PendingWindowInDays: number) =>
    outcome(session.kms.send(new ScheduleKeyDeletionCommand({ KeyId: keyArn, PendingWindowInDays })));

  it("can't be scheduled by the provisioner while a tenant uses the key", async () => {
    const { keyArn } = await tenantWith("slow", "stayer");
    const provisioner = sessionOf(stage.at, await provisionerCredentials(stage));

    expect(await schedule(provisioner, keyArn, 30)).toBe(DENIED);
  });

  it("is scheduled with the profile's window or a longer one once the tenant leaves, and can be cancelled", async () => {
    const key = await tenantWith("slow", "leaver");
    const provisioner = sessionOf(stage.at, await provisionerCredentials(stage));
    const Policy = JSON.stringify(desired("leaver", "slow").departingPolicy);
    await provisioner.kms.send(new PutKeyPolicyCommand({ KeyId: key.keyArn, PolicyName: "default", Policy }));

    expect(await outcome(encrypt(key))).toBe(DENIED);
    expect(await schedule(provisioner, key.keyArn, 13)).toBe(DENIED);
    expect(await schedule(provisioner, key.keyArn, 14)).toBe("worked");
    const cancel = new CancelKeyDeletionCommand({ KeyId: key.keyArn });
    expect(await outcome(provisioner.kms.send(cancel))).toBe("worked");
  });
});
