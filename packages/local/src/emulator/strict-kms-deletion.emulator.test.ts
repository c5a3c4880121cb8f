import {
  CancelKeyDeletionCommand,
  CreateAliasCommand,
  CreateKeyCommand,
  DecryptCommand,
  DescribeKeyCommand,
  DisableKeyCommand,
  EnableKeyCommand,
  EnableKeyRotationCommand,
  EncryptCommand,
  GetKeyPolicyCommand,
  GetKeyRotationStatusCommand,
  KMSClient,
  ListAliasesCommand,
  ListKeysCommand,
  ListResourceTagsCommand,
  ReplicateKeyCommand,
  ScheduleKeyDeletionCommand,
} from "@aws-sdk/client-kms";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { advanceClock, makeKeyOlder } from "./clock.ts";
import { type Emulator, startEmulator } from "./emulator.ts";
import { assume, type Caller, callerWith, keyPolicy, makeRole, outcome, policy } from "./test-support.ts";

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const HELLO = Buffer.from("hello");
const REPLICA_REGION = "eu-central-1";

let emulator: Emulator;
let root: Caller;
/** How far the emulator's KMS is ahead of this machine's time. */
let aheadMs = 0;

beforeAll(async () => {
  emulator = await startEmulator();
  root = callerWith(emulator, emulator.credentials);
}, 120_000);

afterAll(async () => {
  await emulator?.stop();
});

async function advance(durationMs: number): Promise<void> {
  aheadMs = await advanceClock(emulator.endpoint, durationMs);
}

async function newKey(options: { readonly alias?: string; readonly multiRegion?: boolean } = {}): Promise<string> {
  const made = await root.kms.send(new CreateKeyCommand({ MultiRegion: options.multiRegion }));
  const arn = made.KeyMetadata?.Arn as string;
  if (options.alias) await root.kms.send(new CreateAliasCommand({ AliasName: options.alias, TargetKeyId: arn }));
  return arn;
}

function kmsIn(region: string): KMSClient {
  return new KMSClient({ endpoint: emulator.endpoint, region, credentials: emulator.credentials, maxAttempts: 1 });
}

async function describeKey(KeyId: string, kms: KMSClient = root.kms) {
  const { KeyMetadata } = await kms.send(new DescribeKeyCommand({ KeyId }));
  return KeyMetadata;
}

const schedule = (KeyId: string, PendingWindowInDays?: number, kms: KMSClient = root.kms) =>
  kms.send(new ScheduleKeyDeletionCommand({ KeyId, PendingWindowInDays }));
const encrypt = async (KeyId: string, kms: KMSClient = root.kms) => {
  const { CiphertextBlob } = await kms.send(new EncryptCommand({ KeyId, Plaintext: HELLO }));
  return CiphertextBlob as Uint8Array;
};
const decrypt = async (CiphertextBlob: Uint8Array, KeyId?: string, kms: KMSClient = root.kms) => {
  const { Plaintext } = await kms.send(new DecryptCommand({ CiphertextBlob, KeyId }));
  return Buffer.from(Plaintext as Uint8Array).toString();
};

describe("the deletion window", () => {
  test("a deletion date is given, in the answer and by DescribeKey, as long as deletion is pending", async () => {
    const key = await newKey();
    expect((await describeKey(key))?.DeletionDate).toBeUndefined();
    const answer = await schedule(key, 9);
    expect(answer).toMatchObject({ KeyId: key, KeyState: "PendingDeletion", PendingWindowInDays: 9 });
    const fromNowMs = (answer.DeletionDate?.getTime() ?? 0) - Date.now() - aheadMs;
    expect(Math.abs(fromNowMs - 9 * DAY_MS)).toBeLessThan(HOUR_MS);
    const pending = await describeKey(key);
    expect(pending).toMatchObject({ KeyState: "PendingDeletion", Enabled: false, DeletionDate: answer.DeletionDate });
    await root.kms.send(new CancelKeyDeletionCommand({ KeyId: key }));
    const cancelled = await describeKey(key);
    expect([cancelled?.KeyState, cancelled?.Enabled, cancelled?.DeletionDate]).toEqual(["Disabled", false, undefined]);
    expect(await outcome(encrypt(key))).toBe("DisabledException");
    await root.kms.send(new EnableKeyCommand({ KeyId: key }));
    expect(await outcome(encrypt(key))).toBe("ok");
  });

  test.each([
    [6, "ValidationException"],
    [7, "ok"],
    [30, "ok"],
    [31, "ValidationException"],
  ])("a window of %i days: %s", async (days, expected) => {
    expect(await outcome(schedule(await newKey(), days))).toBe(expected);
  });

  test("when it is over the key is gone with its alias, and its ciphertext is lost", async () => {
    const key = await newKey({ alias: "alias/gone" });
    const kept = await newKey({ alias: "alias/kept" });
    const ciphertext = await encrypt(key);
    await schedule(key, 7);
    await advance(7 * DAY_MS - HOUR_MS);
    expect((await describeKey(key))?.KeyState).toBe("PendingDeletion");
    expect(await outcome(decrypt(ciphertext))).toBe("KMSInvalidStateException");
    await advance(2 * HOUR_MS);
    expect(await outcome(describeKey(key))).toBe("NotFoundException");
    expect(await outcome(describeKey("alias/gone"))).toBe("NotFoundException");
    expect(await outcome(root.kms.send(new CancelKeyDeletionCommand({ KeyId: key })))).toBe("NotFoundException");
    expect(await outcome(decrypt(ciphertext, key))).toBe("NotFoundException");
    expect(await outcome(decrypt(ciphertext))).toBe("AccessDeniedException");
    expect(await outcome(decrypt(ciphertext, kept))).toBe("IncorrectKeyException");
    const aliases = await root.kms.send(new ListAliasesCommand({}));
    expect(aliases.Aliases?.map(({ AliasName }) => AliasName)).toEqual(["alias/kept"]);
    const keys = await root.kms.send(new ListKeysCommand({}));
    expect(keys.Keys?.map(({ KeyArn }) => KeyArn)).not.toContain(key);
    // The name is free again.
    expect(await outcome(newKey({ alias: "alias/gone" }))).toBe("ok");
  });

  test("to a caller that only the key's policy let in, a key that is gone is one it has no access to", async () => {
    const [named, byIam] = await Promise.all([
      makeRole(root, "named-by-key"),
      makeRole(root, "by-iam", { allow: [{ Effect: "Allow", Action: "kms:DescribeKey", Resource: "*" }] }),
    ]);
    const made = await root.kms.send(
      new CreateKeyCommand({
        Policy: keyPolicy({ Effect: "Allow", Principal: { AWS: named }, Action: "kms:DescribeKey" }),
      }),
    );
    const key = made.KeyMetadata?.Arn as string;
    const callers = [await assume(emulator, root, named), await assume(emulator, root, byIam)];
    const seen = () => Promise.all(callers.map(({ kms }) => outcome(describeKey(key, kms))));
    await schedule(key, 7);
    expect(await seen()).toEqual(["ok", "ok"]);
    await advance(8 * DAY_MS);
    expect(await seen()).toEqual(["AccessDeniedException", "NotFoundException"]);
  });

  test("time doesn't go back", async () => {
    await expect(advanceClock(emulator.endpoint, -1)).rejects.toThrow("KMS's time doesn't go back");
    await expect(advanceClock("http://127.0.0.1:9", 1)).rejects.toThrow();
  });

  test("one key can be made older, and no other is", async () => {
    const madeAtMs = async (KeyId: string) => (await describeKey(KeyId))?.CreationDate?.getTime() ?? 0;
    const [older, other] = [await newKey(), await newKey()];
    const [wasMs, otherMs] = [await madeAtMs(older), await madeAtMs(other)];
    await makeKeyOlder(emulator.endpoint, older, 3_600_000);
    expect([wasMs - (await madeAtMs(older)), otherMs - (await madeAtMs(other))]).toEqual([3_600_000, 0]);
    await expect(makeKeyOlder(emulator.endpoint, "arn:none", 1)).rejects.toThrow("there is no key arn:none");
  });
});

test("automatic rotation moves its next date on, and not that of a disabled key", async () => {
  const nextDateOf = async (KeyId: string) =>
    (await root.kms.send(new GetKeyRotationStatusCommand({ KeyId }))).NextRotationDate?.getTime() ?? 0;
  const [used, disabled] = [await newKey(), await newKey()];
  for (const KeyId of [used, disabled])
    await root.kms.send(new EnableKeyRotationCommand({ KeyId, RotationPeriodInDays: 90 }));
  await root.kms.send(new DisableKeyCommand({ KeyId: disabled }));
  const ciphertext = await encrypt(used);
  const before = [await nextDateOf(used), await nextDateOf(disabled)];
  await advance(200 * DAY_MS);
  const after = [await nextDateOf(used), await nextDateOf(disabled)];
  expect(after.map((date, index) => (date - (before[index] ?? 0)) / DAY_MS)).toEqual([180, 0]);
  expect(await decrypt(ciphertext)).toBe("hello");
});

describe("multi-Region keys", () => {
  const there = () => kmsIn(REPLICA_REGION);
  const inReplicaRegion = (arn: string) => arn.replace(":eu-west-1:", `:${REPLICA_REGION}:`);

  async function replicated(): Promise<{ primary: string; replica: string }> {
    const primary = await newKey({ multiRegion: true });
    await root.kms.send(
      new ReplicateKeyCommand({
        KeyId: primary,
        ReplicaRegion: REPLICA_REGION,
        Policy: keyPolicy({ Effect: "Deny", Principal: "*", Action: "kms:Sign" }),
        Tags: [{ TagKey: "of", TagValue: "replica" }],
      }),
    );
    return { primary, replica: inReplicaRegion(primary) };
  }

  test("a replica shares the id and the material, and has a policy, alias, tags and state of its own", async () => {
    const { primary, replica } = await replicated();
    expect(await describeKey(replica, there())).toMatchObject({
      Arn: replica,
      MultiRegion: true,
      KeyState: "Enabled",
      MultiRegionConfiguration: {
        MultiRegionKeyType: "REPLICA",
        PrimaryKey: { Arn: primary },
        ReplicaKeys: [{ Arn: replica }],
      },
    });
    expect(await decrypt(await encrypt(primary), undefined, there())).toBe("hello");
    expect(await decrypt(await encrypt(replica, there()), primary)).toBe("hello");

    const policyOf = async (KeyId: string, kms: KMSClient) =>
      (await kms.send(new GetKeyPolicyCommand({ KeyId, PolicyName: "default" }))).Policy;
    expect(await policyOf(replica, there())).toContain("kms:Sign");
    expect(await policyOf(primary, root.kms)).not.toContain("kms:Sign");
    const tagsOf = async (KeyId: string, kms: KMSClient) =>
      (await kms.send(new ListResourceTagsCommand({ KeyId }))).Tags;
    expect(await tagsOf(replica, there())).toEqual([{ TagKey: "of", TagValue: "replica" }]);
    expect(await tagsOf(primary, root.kms)).toEqual([]);

    await root.kms.send(new CreateAliasCommand({ AliasName: "alias/of-primary", TargetKeyId: primary }));
    expect(await outcome(describeKey("alias/of-primary", there()))).toBe("NotFoundException");
    await there().send(new CreateAliasCommand({ AliasName: "alias/of-primary", TargetKeyId: replica }));
    expect((await describeKey("alias/of-primary", there()))?.Arn).toBe(replica);

    await there().send(new DisableKeyCommand({ KeyId: replica }));
    expect(await outcome(encrypt(replica, there()))).toBe("DisabledException");
    expect(await outcome(encrypt(primary))).toBe("ok");
  });

  test("a replica's own key policy decides in its Region", async () => {
    const role = await makeRole(root, "in-replica-only");
    const primary = await newKey({ multiRegion: true });
    const Policy = keyPolicy({ Effect: "Allow", Principal: { AWS: role }, Action: ["kms:Encrypt", "kms:Decrypt"] });
    await root.kms.send(new ReplicateKeyCommand({ KeyId: primary, ReplicaRegion: REPLICA_REGION, Policy }));
    const caller = await assume(emulator, root, role);
    const credentials = await caller.kms.config.credentials();
    const kms = new KMSClient({ endpoint: emulator.endpoint, region: REPLICA_REGION, credentials, maxAttempts: 1 });
    expect(await outcome(encrypt(inReplicaRegion(primary), kms))).toBe("ok");
    expect(await outcome(encrypt(primary, caller.kms))).toBe("AccessDeniedException");
  });

  test("a primary waits for its last replica to be gone, and its own window starts then", async () => {
    const { primary, replica } = await replicated();
    const answer = await schedule(primary, 10);
    expect(answer).toMatchObject({ KeyState: "PendingReplicaDeletion", PendingWindowInDays: 10 });
    expect(answer.DeletionDate).toBeUndefined();
    expect(await describeKey(primary)).toMatchObject({
      KeyState: "PendingReplicaDeletion",
      PendingDeletionWindowInDays: 10,
    });
    expect((await describeKey(primary))?.DeletionDate).toBeUndefined();
    await advance(40 * DAY_MS);
    expect((await describeKey(primary))?.KeyState).toBe("PendingReplicaDeletion");

    const replicaAnswer = await schedule(replica, 7, there());
    expect(replicaAnswer.KeyState).toBe("PendingDeletion");
    await advance(6 * DAY_MS);
    expect((await describeKey(primary))?.KeyState).toBe("PendingReplicaDeletion");
    await advance(2 * DAY_MS);
    expect(await outcome(describeKey(replica, there()))).toBe("NotFoundException");
    const waiting = await describeKey(primary);
    expect(waiting?.KeyState).toBe("PendingDeletion");
    expect(waiting?.DeletionDate?.getTime()).toBe((replicaAnswer.DeletionDate?.getTime() ?? 0) + 10 * DAY_MS);
    await advance(10 * DAY_MS);
    expect(await outcome(describeKey(primary))).toBe("NotFoundException");
  });

  test("deletion of a primary that waits can be cancelled, and a replica can be deleted alone", async () => {
    const { primary, replica } = await replicated();
    await schedule(primary, 7);
    await root.kms.send(new CancelKeyDeletionCommand({ KeyId: primary }));
    expect((await describeKey(primary))?.KeyState).toBe("Disabled");
    await root.kms.send(new EnableKeyCommand({ KeyId: primary }));
    const ciphertext = await encrypt(replica, there());
    await schedule(replica, 7, there());
    await advance(8 * DAY_MS);
    expect(await outcome(describeKey(replica, there()))).toBe("NotFoundException");
    expect(await decrypt(ciphertext, primary)).toBe("hello");
    const alone = await describeKey(primary);
    expect([alone?.KeyState, alone?.MultiRegionConfiguration?.ReplicaKeys]).toEqual(["Enabled", []]);
  });
});

describe("who may schedule deletion, under a key policy", () => {
  const WINDOW = "kms:ScheduleKeyDeletionPendingWindowInDays";

  test.each([
    ["Allow", { NumericGreaterThanEquals: { [WINDOW]: "14" } }],
    ["Deny", { NumericLessThan: { [WINDOW]: "14" } }],
  ] as const)("%s with a lower limit of the window", async (effect, Condition) => {
    const role = await makeRole(root, `window-${effect}`);
    const Action = "kms:ScheduleKeyDeletion";
    const limit =
      effect === "Allow"
        ? [{ Effect: effect, Principal: { AWS: role }, Action, Condition }]
        : [
            { Effect: "Allow" as const, Principal: { AWS: role }, Action },
            { Effect: effect, Principal: { AWS: "arn:aws:iam::000000000000:root" }, Action, Condition },
          ];
    const made = await root.kms.send(new CreateKeyCommand({ Policy: keyPolicy(...limit) }));
    const caller = await assume(emulator, root, role);
    const use = (days?: number) => outcome(schedule(made.KeyMetadata?.Arn as string, days, caller.kms));
    expect([await use(7), await use(13), await use(14)]).toEqual([
      "AccessDeniedException",
      "AccessDeniedException",
      "ok",
    ]);
  });

  test("a Deny that names the account's root binds every principal of the account", async () => {
    const everything = { Effect: "Allow", Action: "kms:*", Resource: "*" } as const;
    const admin = await makeRole(root, "account-admin", { path: "/admins/", allow: [everything] });
    const Policy = policy(
      { Effect: "Allow", Principal: { AWS: "arn:aws:iam::000000000000:root" }, Action: "kms:*", Resource: "*" },
      { Effect: "Allow", Principal: { AWS: admin }, Action: "kms:*", Resource: "*" },
      {
        Effect: "Deny",
        Principal: { AWS: "arn:aws:iam::000000000000:root" },
        Action: "kms:ScheduleKeyDeletion",
        Resource: "*",
        Condition: { NumericLessThan: { [WINDOW]: "30" } },
      },
    );
    const made = await root.kms.send(new CreateKeyCommand({ Policy }));
    const { kms } = await assume(emulator, root, admin);
    const KeyId = made.KeyMetadata?.Arn as string;
    expect(await outcome(schedule(KeyId, 29, kms))).toBe("AccessDeniedException");
    expect(await outcome(schedule(KeyId, undefined, kms))).toBe("ok");
  });
});
