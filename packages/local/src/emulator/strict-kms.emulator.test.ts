import { CreateUserCommand, DeleteRoleCommand, DeleteUserCommand, PutRolePolicyCommand } from "@aws-sdk/client-iam";
import {
  CancelKeyDeletionCommand,
  CreateAliasCommand,
  CreateGrantCommand,
  CreateKeyCommand,
  DecryptCommand,
  DeleteAliasCommand,
  DescribeKeyCommand,
  DisableKeyCommand,
  EnableKeyRotationCommand,
  EncryptCommand,
  GenerateDataKeyCommand,
  GetKeyPolicyCommand,
  GetKeyRotationStatusCommand,
  ListAliasesCommand,
  PutKeyPolicyCommand,
  ReEncryptCommand,
  ReplicateKeyCommand,
  ScheduleKeyDeletionCommand,
  TagResourceCommand,
} from "@aws-sdk/client-kms";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Emulator, startEmulator } from "./emulator.ts";
import {
  ACCOUNT_ROOT,
  assume,
  type Caller,
  callerWith,
  keyPolicy,
  makeRole,
  outcome,
  policy,
  type Statement,
} from "./test-support.ts";

const ALL_KMS: Statement = { Effect: "Allow", Action: "kms:*", Resource: "*" };
const KEYS = "arn:aws:kms:eu-west-1:000000000000:key/*";
const HELLO = Buffer.from("hello");

let emulator: Emulator;
let root: Caller;

beforeAll(async () => {
  emulator = await startEmulator();
  root = callerWith(emulator, emulator.credentials);
}, 120_000);

afterAll(async () => {
  await emulator?.stop();
});

async function newKey(document?: string): Promise<string> {
  const made = await root.kms.send(new CreateKeyCommand(document === undefined ? {} : { Policy: document }));
  return made.KeyMetadata?.Arn as string;
}

async function sessionOf(name: string, ...allow: readonly Statement[]): Promise<Caller> {
  return assume(emulator, root, await makeRole(root, name, { allow }));
}

describe("key policies decide", () => {
  test("kms:* in IAM is worth nothing where the key policy says nothing of the caller or the account", async () => {
    const caller = await sessionOf("outsider", ALL_KMS);
    const friend = await makeRole(root, "friend");
    const closed = await newKey(
      policy({ Effect: "Allow", Principal: { AWS: friend }, Action: "kms:*", Resource: "*" }),
    );
    expect(await outcome(caller.kms.send(new EncryptCommand({ KeyId: closed, Plaintext: HELLO })))).toBe(
      "AccessDeniedException",
    );
    expect(await outcome(caller.kms.send(new EncryptCommand({ KeyId: await newKey(), Plaintext: HELLO })))).toBe("ok");
  });

  test("a role with a path is let in by its whole ARN, and by aws:PrincipalArn", async () => {
    const arn = await makeRole(root, "pathed", { path: "/tenantkeys/dev/" });
    const named = await newKey(keyPolicy({ Effect: "Allow", Principal: { AWS: arn }, Action: "kms:Encrypt" }));
    const conditioned = (principalArn: string) =>
      newKey(
        keyPolicy({
          Effect: "Allow",
          Principal: { AWS: "*" },
          Action: "kms:Encrypt",
          Condition: { ArnEquals: { "aws:PrincipalArn": principalArn } },
        }),
      );
    const caller = await assume(emulator, root, arn);
    const encrypt = async (key: Promise<string> | string) =>
      outcome(caller.kms.send(new EncryptCommand({ KeyId: await key, Plaintext: HELLO })));
    expect(await encrypt(named)).toBe("ok");
    expect(await encrypt(conditioned(arn))).toBe("ok");
    expect(await encrypt(conditioned("arn:aws:iam::000000000000:role/pathed"))).toBe("AccessDeniedException");
    expect(await encrypt(newKey())).toBe("AccessDeniedException");
  });

  test("a role created again under the same name stays out, and the policy shows the old role's id", async () => {
    const arn = await makeRole(root, "reborn");
    const key = await newKey(
      keyPolicy({
        Effect: "Allow",
        Principal: { AWS: arn },
        Action: "kms:Encrypt",
        Condition: { ArnEquals: { "aws:PrincipalArn": arn } },
      }),
    );
    const before = await assume(emulator, root, arn);
    const encrypt = (caller: Caller) => outcome(caller.kms.send(new EncryptCommand({ KeyId: key, Plaintext: HELLO })));
    expect(await encrypt(before)).toBe("ok");
    await root.iam.send(new DeleteRoleCommand({ RoleName: "reborn" }));
    expect(await encrypt(before)).toBe("UnrecognizedClientException");
    await makeRole(root, "reborn");
    expect(await encrypt(await assume(emulator, root, arn))).toBe("AccessDeniedException");
    expect(await encrypt(before)).toBe("UnrecognizedClientException");
    const shown = await root.kms.send(new GetKeyPolicyCommand({ KeyId: key, PolicyName: "default" }));
    const statement = JSON.parse(shown.Policy as string).Statement[1];
    expect(statement.Principal.AWS).toMatch(/^AROA/);
    expect(statement.Condition.ArnEquals["aws:PrincipalArn"]).toBe(arn);
  });

  test.each([
    ["isn't JSON", "{", "MalformedPolicyDocumentException"],
    ["has no statement", "{}", "MalformedPolicyDocumentException"],
    ["lets the account decide", keyPolicy(), "ok"],
    [
      "names a role that doesn't exist",
      keyPolicy({ Effect: "Allow", Principal: { AWS: `${ACCOUNT_ROOT.slice(0, -4)}role/nobody` }, Action: "kms:Sign" }),
      "MalformedPolicyDocumentException",
    ],
    [
      "names a service",
      keyPolicy({ Effect: "Allow", Principal: { Service: "events.amazonaws.com" }, Action: "kms:Decrypt" }),
      "ok",
    ],
    ["is too long", keyPolicy().padEnd(32_769, " "), "LimitExceededException"],
  ])("a key policy that %s", async (_, document, expected) => {
    expect(await outcome(root.kms.send(new CreateKeyCommand({ Policy: document })))).toBe(expected);
    const key = await newKey();
    expect(await outcome(root.kms.send(new PutKeyPolicyCommand({ KeyId: key, Policy: document })))).toBe(expected);
  });

  test("a deleted user leaves its id in the key policy", async () => {
    const made = await root.iam.send(new CreateUserCommand({ UserName: "leaver" }));
    const user = { AWS: [ACCOUNT_ROOT, made.User?.Arn] };
    const key = await newKey(keyPolicy({ Effect: "Allow", Principal: user, Action: "kms:Encrypt" }));
    await root.iam.send(new DeleteUserCommand({ UserName: "leaver" }));
    const shown = await root.kms.send(new GetKeyPolicyCommand({ KeyId: key, PolicyName: "default" }));
    expect(JSON.parse(shown.Policy as string).Statement[1].Principal.AWS).toEqual([ACCOUNT_ROOT, made.User?.UserId]);
  });

  test("a replica's own key policy is checked as well, and a primary that waits for it can't be used", async () => {
    const made = await root.kms.send(new CreateKeyCommand({ MultiRegion: true }));
    const KeyId = made.KeyMetadata?.Arn as string;
    const replicate = (Policy: string) =>
      outcome(root.kms.send(new ReplicateKeyCommand({ KeyId, ReplicaRegion: "eu-central-1", Policy })));
    expect(await replicate("{")).toBe("MalformedPolicyDocumentException");
    expect(await replicate(keyPolicy())).toBe("ok");
    const encrypt = () => outcome(root.kms.send(new EncryptCommand({ KeyId, Plaintext: HELLO })));
    expect(await encrypt()).toBe("ok");
    await root.kms.send(new ScheduleKeyDeletionCommand({ KeyId }));
    expect(await encrypt()).toBe("KMSInvalidStateException");
  });

  test("a role named with the wrong path doesn't exist", async () => {
    await makeRole(root, "elsewhere", { path: "/a/" });
    const wrong = keyPolicy({
      Effect: "Allow",
      Principal: { AWS: "arn:aws:iam::000000000000:role/elsewhere" },
      Action: "kms:Encrypt",
    });
    expect(await outcome(newKey(wrong))).toBe("MalformedPolicyDocumentException");
  });

  test("a caller can't lock itself out, unless it bypasses the check", async () => {
    const admin = await makeRole(root, "lock-admin", { allow: [ALL_KMS] });
    const other = await makeRole(root, "lock-other");
    const caller = await assume(emulator, root, admin);
    const only = (arn: string) =>
      policy({ Effect: "Allow", Principal: { AWS: arn }, Action: ["kms:PutKeyPolicy", "kms:Get*"], Resource: "*" });
    const create = (document: string, bypass = false) =>
      caller.kms.send(new CreateKeyCommand({ Policy: document, BypassPolicyLockoutSafetyCheck: bypass }));
    expect(await outcome(create(only(other)))).toBe("MalformedPolicyDocumentException");
    expect(await outcome(create(only(other), true))).toBe("ok");
    const made = await create(only(admin));
    const put = (document: string) =>
      caller.kms.send(new PutKeyPolicyCommand({ KeyId: made.KeyMetadata?.KeyId, Policy: document }));
    expect(await outcome(put(only(other)))).toBe("MalformedPolicyDocumentException");
    expect(await outcome(put(only(admin)))).toBe("ok");
  });
});

describe("condition keys of KMS", () => {
  async function under(name: string, condition: unknown, ...also: readonly Statement[]): Promise<Caller> {
    return sessionOf(name, { ...ALL_KMS, Condition: condition }, ...also);
  }

  test("kms:EncryptionContext and kms:EncryptionContextKeys", async () => {
    const key = await newKey();
    const caller = await under("context", {
      StringEquals: { "kms:EncryptionContext:Tenant": "acme" },
      "ForAllValues:StringEquals": { "kms:EncryptionContextKeys": ["tenant", "Tenant", "table"] },
    });
    const encrypt = (context?: Record<string, string>) =>
      outcome(caller.kms.send(new EncryptCommand({ KeyId: key, Plaintext: HELLO, EncryptionContext: context })));
    expect(await encrypt({ tenant: "acme" })).toBe("ok");
    expect(await encrypt({ tenant: "acme", table: "pay" })).toBe("ok");
    expect(await encrypt({ tenant: "acme", other: "x" })).toBe("AccessDeniedException");
    expect(await encrypt({ tenant: "umbrella" })).toBe("AccessDeniedException");
    expect(await encrypt()).toBe("AccessDeniedException");
    // Two context keys that differ by case only: neither may stand for the other.
    expect(await encrypt({ Tenant: "umbrella", tenant: "acme" })).toBe("AccessDeniedException");
  });

  test("kms:CallerAccount and kms:ViaService", async () => {
    const key = await newKey();
    const use = async (name: string, condition: unknown) =>
      outcome((await under(name, condition)).kms.send(new GenerateDataKeyCommand({ KeyId: key, KeySpec: "AES_256" })));
    expect(await use("account-hit", { StringEquals: { "kms:CallerAccount": "000000000000" } })).toBe("ok");
    expect(await use("account-miss", { StringEquals: { "kms:CallerAccount": "111111111111" } })).toBe(
      "AccessDeniedException",
    );
    expect(await use("via", { StringEquals: { "kms:ViaService": "s3.eu-west-1.amazonaws.com" } })).toBe(
      "AccessDeniedException",
    );
    expect(await use("via-null", { Null: { "kms:ViaService": "true" } })).toBe("ok");
  });

  test("kms:GrantIsForAWSResource is false when a caller grants by itself", async () => {
    const key = await newKey();
    const grantee = await makeRole(root, "grantee");
    const grant = async (name: string, value: string) => {
      const caller = await under(name, { Bool: { "kms:GrantIsForAWSResource": value } });
      const request = { KeyId: key, GranteePrincipal: grantee, Operations: ["Decrypt" as const] };
      return outcome(caller.kms.send(new CreateGrantCommand(request)));
    };
    expect(await grant("grant-own", "false")).toBe("ok");
    expect(await grant("grant-aws", "true")).toBe("AccessDeniedException");
  });

  test("kms:ScheduleKeyDeletionPendingWindowInDays", async () => {
    const caller = await under("window", {
      NumericGreaterThanEquals: { "kms:ScheduleKeyDeletionPendingWindowInDays": "30" },
    });
    const schedule = async (days?: number) =>
      outcome(caller.kms.send(new ScheduleKeyDeletionCommand({ KeyId: await newKey(), PendingWindowInDays: days })));
    expect(await schedule(7)).toBe("AccessDeniedException");
    expect(await schedule(30)).toBe("ok");
    expect(await schedule()).toBe("ok");
  });

  test("kms:RotationPeriodInDays and kms:BypassPolicyLockoutSafetyCheck", async () => {
    const caller = await under(
      "rotation",
      { NumericEquals: { "kms:RotationPeriodInDays": "365" } },
      {
        Effect: "Allow",
        Action: "kms:CreateKey",
        Resource: "*",
        Condition: { Bool: { "kms:BypassPolicyLockoutSafetyCheck": "false" } },
      },
    );
    const key = await newKey();
    const rotate = (days?: number) =>
      outcome(caller.kms.send(new EnableKeyRotationCommand({ KeyId: key, RotationPeriodInDays: days })));
    expect(await rotate(90)).toBe("AccessDeniedException");
    expect(await rotate()).toBe("ok");
    const create = (bypass: boolean) =>
      outcome(caller.kms.send(new CreateKeyCommand({ BypassPolicyLockoutSafetyCheck: bypass })));
    expect(await create(true)).toBe("AccessDeniedException");
  });

  test("aws:RequestTag and aws:TagKeys on CreateKey, which with tags needs kms:TagResource too", async () => {
    const tags = [{ TagKey: "tenantkeys:stage", TagValue: "dev" }];
    const condition = {
      StringEquals: { "aws:RequestTag/tenantkeys:stage": "dev" },
      "ForAllValues:StringEquals": { "aws:TagKeys": ["tenantkeys:stage"] },
    };
    const createOnly: Statement = { Effect: "Allow", Action: "kms:CreateKey", Resource: "*", Condition: condition };
    const tag: Statement = { Effect: "Allow", Action: "kms:TagResource", Resource: KEYS, Condition: condition };
    const untagged = await sessionOf("creator-untagged", createOnly);
    const tagging = await sessionOf("creator-tagging", createOnly, tag);
    const create = (caller: Caller, Tags?: typeof tags) =>
      outcome(caller.kms.send(new CreateKeyCommand({ Tags, BypassPolicyLockoutSafetyCheck: true })));
    expect(await create(untagged, tags)).toBe("AccessDeniedException");
    expect(await create(tagging, tags)).toBe("ok");
    expect(await create(tagging)).toBe("AccessDeniedException");
    expect(await create(tagging, [{ TagKey: "tenantkeys:stage", TagValue: "production" }])).toBe(
      "AccessDeniedException",
    );
    expect(await create(tagging, [...tags, { TagKey: "other", TagValue: "x" }])).toBe("AccessDeniedException");
  });
});

describe("what a request is checked against", () => {
  test("CreateAlias needs the permission on the alias and on the key", async () => {
    const key = await newKey();
    const onAlias: Statement = {
      Effect: "Allow",
      Action: "kms:CreateAlias",
      Resource: "arn:aws:kms:eu-west-1:000000000000:alias/tenantkeys/*",
    };
    const onKey: Statement = { Effect: "Allow", Action: "kms:CreateAlias", Resource: key };
    const create = async (caller: Caller, name: string) =>
      outcome(caller.kms.send(new CreateAliasCommand({ AliasName: name, TargetKeyId: key })));
    expect(await create(await sessionOf("alias-only", onAlias), "alias/tenantkeys/a")).toBe("AccessDeniedException");
    expect(await create(await sessionOf("key-only", onKey), "alias/tenantkeys/a")).toBe("AccessDeniedException");
    const both = await sessionOf("alias-and-key", onAlias, onKey);
    expect(await create(both, "alias/elsewhere/a")).toBe("AccessDeniedException");
    expect(await create(both, "alias/tenantkeys/a")).toBe("ok");
    expect(await outcome(root.kms.send(new CreateAliasCommand({ AliasName: "alias/aws/a", TargetKeyId: key })))).toBe(
      "InvalidAliasNameException",
    );
  });

  test("a key policy gives nobody the alias, only the key", async () => {
    const owner = await makeRole(root, "alias-owner");
    const key = await newKey(keyPolicy({ Effect: "Allow", Principal: { AWS: owner }, Action: "kms:DeleteAlias" }));
    await root.kms.send(new CreateAliasCommand({ AliasName: "alias/given", TargetKeyId: key }));
    const remove = async () =>
      outcome((await assume(emulator, root, owner)).kms.send(new DeleteAliasCommand({ AliasName: "alias/given" })));
    expect(await remove()).toBe("AccessDeniedException");
    const allow = policy({ Effect: "Allow", Action: "kms:DeleteAlias", Resource: "arn:aws:kms:*:*:alias/given" });
    await root.iam.send(
      new PutRolePolicyCommand({ RoleName: "alias-owner", PolicyName: "allow", PolicyDocument: allow }),
    );
    expect(await remove()).toBe("ok");
  });

  test("a key used through its alias is authorised by the key's ARN, not by the alias's", async () => {
    const key = await newKey();
    const alias = "arn:aws:kms:eu-west-1:000000000000:alias/used";
    await root.kms.send(new CreateAliasCommand({ AliasName: "alias/used", TargetKeyId: key }));
    const use = async (name: string, resource: string) => {
      const caller = await sessionOf(name, { Effect: "Allow", Action: "kms:Encrypt", Resource: resource });
      return outcome(caller.kms.send(new EncryptCommand({ KeyId: "alias/used", Plaintext: HELLO })));
    };
    expect(await use("by-key", key)).toBe("ok");
    expect(await use("by-alias", alias)).toBe("AccessDeniedException");
  });

  test("ListAliases is allowed by IAM alone, on every resource, even for one key", async () => {
    const closed = await newKey(
      policy({ Effect: "Allow", Principal: { AWS: ACCOUNT_ROOT }, Action: "kms:PutKeyPolicy", Resource: "*" }),
    );
    const list = async (name: string, resource: string) => {
      const caller = await sessionOf(name, { Effect: "Allow", Action: "kms:ListAliases", Resource: resource });
      return outcome(caller.kms.send(new ListAliasesCommand({ KeyId: closed })));
    };
    expect(await list("list-all", "*")).toBe("ok");
    expect(await list("list-one", closed)).toBe("AccessDeniedException");
  });

  test("ciphertext of a multi-Region key that names no key is still checked against that key's policy", async () => {
    const friend = await makeRole(root, "mrk-friend");
    const made = await root.kms.send(
      new CreateKeyCommand({
        MultiRegion: true,
        Policy: policy({ Effect: "Allow", Principal: { AWS: friend }, Action: "kms:Decrypt", Resource: "*" }),
      }),
    );
    const written = await root.kms.send(new EncryptCommand({ KeyId: made.KeyMetadata?.KeyId, Plaintext: HELLO }));
    const stranger = await sessionOf("mrk-stranger", ALL_KMS);
    const decrypt = new DecryptCommand({ CiphertextBlob: written.CiphertextBlob });
    expect(await outcome(stranger.kms.send(decrypt))).toBe("AccessDeniedException");
    expect(await outcome((await assume(emulator, root, friend)).kms.send(decrypt))).toBe("ok");
  });

  test("ReEncrypt needs kms:ReEncryptFrom on the old key and kms:ReEncryptTo on the new one", async () => {
    const [from, to] = [await newKey(), await newKey()];
    const written = await root.kms.send(new EncryptCommand({ KeyId: from, Plaintext: HELLO }));
    const request = new ReEncryptCommand({ CiphertextBlob: written.CiphertextBlob, DestinationKeyId: to });
    const allowFrom: Statement = { Effect: "Allow", Action: "kms:ReEncryptFrom", Resource: from };
    const allowTo: Statement = { Effect: "Allow", Action: "kms:ReEncryptTo", Resource: to };
    expect(await outcome((await sessionOf("re-from", allowFrom)).kms.send(request))).toBe("AccessDeniedException");
    expect(await outcome((await sessionOf("re-to", allowTo)).kms.send(request))).toBe("AccessDeniedException");
    const done = await (await sessionOf("re-both", allowFrom, allowTo)).kms.send(request);
    const read = await root.kms.send(new DecryptCommand({ CiphertextBlob: done.CiphertextBlob, KeyId: to }));
    expect(Buffer.from(read.Plaintext as Uint8Array).toString()).toBe("hello");
  });

  test("Decrypt with another key than the ciphertext's is refused, not answered with other bytes", async () => {
    const [right, wrong] = [await newKey(), await newKey()];
    const written = await root.kms.send(new EncryptCommand({ KeyId: right, Plaintext: HELLO }));
    const decrypt = (KeyId: string) =>
      outcome(root.kms.send(new DecryptCommand({ CiphertextBlob: written.CiphertextBlob, KeyId })));
    expect(await decrypt(wrong)).toBe("IncorrectKeyException");
    expect(await decrypt(right)).toBe("ok");
  });

  test("DryRun says whether the call would succeed, and never lets it", async () => {
    const key = await newKey();
    const encrypt = (caller: Caller, DryRun: boolean) =>
      outcome(caller.kms.send(new EncryptCommand({ KeyId: key, Plaintext: HELLO, DryRun })));
    expect(await encrypt(root, true)).toBe("DryRunOperationException");
    expect(await encrypt(root, false)).toBe("ok");
    expect(await encrypt(await sessionOf("dry"), true)).toBe("AccessDeniedException");
  });
});

describe("key states and parameters", () => {
  test("a key that is pending deletion takes no rotation, alias, tag or second deletion", async () => {
    const KeyId = await newKey();
    await root.kms.send(new EnableKeyRotationCommand({ KeyId, RotationPeriodInDays: 90 }));
    await root.kms.send(new ScheduleKeyDeletionCommand({ KeyId }));
    const answers = await Promise.all([
      outcome(root.kms.send(new ScheduleKeyDeletionCommand({ KeyId }))),
      outcome(root.kms.send(new EnableKeyRotationCommand({ KeyId }))),
      outcome(root.kms.send(new CreateAliasCommand({ AliasName: "alias/pending", TargetKeyId: KeyId }))),
      outcome(root.kms.send(new TagResourceCommand({ KeyId, Tags: [{ TagKey: "a", TagValue: "b" }] }))),
      outcome(root.kms.send(new DisableKeyCommand({ KeyId }))),
    ]);
    expect(new Set(answers)).toEqual(new Set(["KMSInvalidStateException"]));
    const pending = await root.kms.send(new GetKeyRotationStatusCommand({ KeyId }));
    expect(pending.KeyRotationEnabled).toBe(false);
    await root.kms.send(new CancelKeyDeletionCommand({ KeyId }));
    const described = await root.kms.send(new DescribeKeyCommand({ KeyId }));
    expect(described.KeyMetadata?.KeyState).toBe("Disabled");
    expect(await outcome(root.kms.send(new CancelKeyDeletionCommand({ KeyId })))).toBe("KMSInvalidStateException");
    const restored = await root.kms.send(new GetKeyRotationStatusCommand({ KeyId }));
    expect([restored.KeyRotationEnabled, restored.RotationPeriodInDays]).toEqual([true, 90]);
  });

  test("a disabled key takes no rotation, and gives no grants", async () => {
    const KeyId = await newKey();
    await root.kms.send(new DisableKeyCommand({ KeyId }));
    expect(await outcome(root.kms.send(new EnableKeyRotationCommand({ KeyId })))).toBe("DisabledException");
    const grant = { KeyId, GranteePrincipal: ACCOUNT_ROOT, Operations: ["Decrypt" as const] };
    expect(await outcome(root.kms.send(new CreateGrantCommand(grant)))).toBe("DisabledException");
  });

  test.each([
    [89, "ValidationException"],
    [90, "ok"],
    [2560, "ok"],
    [2561, "ValidationException"],
  ])("rotation every %i days: %s", async (days, expected) => {
    const KeyId = await newKey();
    expect(await outcome(root.kms.send(new EnableKeyRotationCommand({ KeyId, RotationPeriodInDays: days })))).toBe(
      expected,
    );
    const status = await root.kms.send(new GetKeyRotationStatusCommand({ KeyId }));
    expect(status.RotationPeriodInDays).toBe(expected === "ok" ? days : undefined);
    expect(status.NextRotationDate instanceof Date).toBe(expected === "ok");
  });

  test("keys with imported material don't rotate by themselves", async () => {
    const made = await root.kms.send(new CreateKeyCommand({ Origin: "EXTERNAL" }));
    const rotate = new EnableKeyRotationCommand({ KeyId: made.KeyMetadata?.KeyId });
    expect(await outcome(root.kms.send(rotate))).toBe("UnsupportedOperationException");
  });
});
