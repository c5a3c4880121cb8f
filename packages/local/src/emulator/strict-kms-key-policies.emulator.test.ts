import { DeleteRoleCommand } from "@aws-sdk/client-iam";
import {
  CreateGrantCommand,
  CreateKeyCommand,
  DecryptCommand,
  EncryptCommand,
  GenerateDataKeyCommand,
  GetKeyPolicyCommand,
  ReEncryptCommand,
} from "@aws-sdk/client-kms";
import { CreateBucketCommand, GetObjectCommand, PutObjectCommand } from "@aws-sdk/client-s3";
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

const HELLO = Buffer.from("hello");
const CRYPTO = ["kms:Encrypt", "kms:Decrypt", "kms:GenerateDataKey", "kms:ReEncryptFrom", "kms:ReEncryptTo"];
const Bucket = "tenant-documents";

let emulator: Emulator;
let root: Caller;

beforeAll(async () => {
  emulator = await startEmulator();
  root = callerWith(emulator, emulator.credentials);
  await root.s3.send(new CreateBucketCommand({ Bucket }));
}, 120_000);

afterAll(async () => {
  await emulator?.stop();
});

/** A key that its administrator, the root, may change, and whose policy alone lets anybody in. */
async function keyWith(...statements: readonly Omit<Statement, "Resource">[]): Promise<string> {
  const administration: Statement = {
    Effect: "Allow",
    Principal: { AWS: ACCOUNT_ROOT },
    Action: ["kms:PutKeyPolicy", "kms:GetKeyPolicy", "kms:DescribeKey"],
    Resource: "*",
  };
  const document = policy(administration, ...statements.map((statement) => ({ ...statement, Resource: "*" })));
  const made = await root.kms.send(new CreateKeyCommand({ Policy: document, BypassPolicyLockoutSafetyCheck: true }));
  return made.KeyMetadata?.Arn as string;
}

const encrypt = (caller: Caller, KeyId: string, EncryptionContext?: Record<string, string>) =>
  outcome(caller.kms.send(new EncryptCommand({ KeyId, Plaintext: HELLO, EncryptionContext })));

describe("aws:PrincipalTag in a key policy", () => {
  test("is the session's tag, and a session without it or with another's stays out", async () => {
    const role = await makeRole(root, "shared");
    const key = await keyWith({
      Effect: "Allow",
      Principal: { AWS: role },
      Action: CRYPTO,
      Condition: { StringEquals: { "aws:PrincipalTag/tenantkeys:tenant": "acme" } },
    });
    const tagged = (Value: string) => assume(emulator, root, role, [{ Key: "tenantkeys:tenant", Value }]);
    expect(await encrypt(await tagged("acme"), key)).toBe("ok");
    expect(await encrypt(await tagged("umbrella"), key)).toBe("AccessDeniedException");
    expect(await encrypt(await tagged("ACME"), key)).toBe("AccessDeniedException");
    expect(await encrypt(await assume(emulator, root, role), key)).toBe("AccessDeniedException");
  });

  test("doesn't reach a role that the session assumes in its turn", async () => {
    const first = await makeRole(root, "chain-first", {
      allow: [{ Effect: "Allow", Action: "sts:AssumeRole", Resource: "*" }],
    });
    const second = await makeRole(root, "chain-second");
    const key = await keyWith({
      Effect: "Allow",
      Principal: { AWS: [first, second] },
      Action: CRYPTO,
      Condition: { StringEquals: { "aws:PrincipalTag/tenantkeys:tenant": "acme" } },
    });
    const caller = await assume(emulator, root, first, [{ Key: "tenantkeys:tenant", Value: "acme" }]);
    expect(await encrypt(caller, key)).toBe("ok");
    expect(await encrypt(await assume(emulator, caller, second), key)).toBe("AccessDeniedException");
  });
});

describe("kms:EncryptionContext in a key policy", () => {
  test("binds an Allow to a pair of the context, on every operation", async () => {
    const role = await makeRole(root, "context-user");
    const Condition = { StringEquals: { "kms:EncryptionContext:tenant": "acme" } };
    const key = await keyWith({ Effect: "Allow", Principal: { AWS: role }, Action: CRYPTO, Condition });
    const caller = await assume(emulator, root, role);
    const own = { tenant: "acme" };
    expect(await encrypt(caller, key, own)).toBe("ok");
    expect(await encrypt(caller, key, { tenant: "umbrella" })).toBe("AccessDeniedException");
    expect(await encrypt(caller, key)).toBe("AccessDeniedException");
    const { CiphertextBlob } = await caller.kms.send(
      new GenerateDataKeyCommand({ KeyId: key, KeySpec: "AES_256", EncryptionContext: own }),
    );
    const decrypt = (EncryptionContext?: Record<string, string>) =>
      outcome(caller.kms.send(new DecryptCommand({ CiphertextBlob, EncryptionContext })));
    expect([await decrypt(own), await decrypt(), await decrypt({ tenant: "umbrella" })]).toEqual([
      "ok",
      "AccessDeniedException",
      "AccessDeniedException",
    ]);
    const reEncrypt = (DestinationEncryptionContext: Record<string, string>) =>
      outcome(
        caller.kms.send(
          new ReEncryptCommand({
            CiphertextBlob,
            SourceEncryptionContext: own,
            DestinationKeyId: key,
            DestinationEncryptionContext,
          }),
        ),
      );
    expect(await reEncrypt(own)).toBe("ok");
    expect(await reEncrypt({ tenant: "umbrella" })).toBe("AccessDeniedException");
  });

  test("a Deny of every other context holds against an Allow without a condition", async () => {
    const role = await makeRole(root, "strict-context");
    const key = await keyWith(
      { Effect: "Allow", Principal: { AWS: role }, Action: CRYPTO },
      {
        Effect: "Deny",
        Principal: "*",
        Action: CRYPTO,
        Condition: { StringNotEquals: { "kms:EncryptionContext:tenant": "acme" } },
      },
    );
    const caller = await assume(emulator, root, role);
    expect(await encrypt(caller, key, { tenant: "acme" })).toBe("ok");
    expect(await encrypt(caller, key, { tenant: "umbrella" })).toBe("AccessDeniedException");
    expect(await encrypt(caller, key)).toBe("AccessDeniedException");
  });
});

describe("kms:ViaService in a key policy", () => {
  const S3: Statement = { Effect: "Allow", Action: "s3:*", Resource: "*" };
  const put = (caller: Caller, Key: string, SSEKMSKeyId: string) =>
    outcome(
      caller.s3.send(
        new PutObjectCommand({ Bucket, Key, Body: "hello", ServerSideEncryption: "aws:kms", SSEKMSKeyId }),
      ),
    );
  const get = (caller: Caller, Key: string) => outcome(caller.s3.send(new GetObjectCommand({ Bucket, Key })));

  test("lets a caller in through S3, and not directly", async () => {
    const role = await makeRole(root, "via-s3-only", { allow: [S3] });
    const Condition = { StringEquals: { "kms:ViaService": "s3.eu-west-1.amazonaws.com" } };
    const key = await keyWith({ Effect: "Allow", Principal: { AWS: role }, Action: CRYPTO, Condition });
    const caller = await assume(emulator, root, role);
    expect(await encrypt(caller, key)).toBe("AccessDeniedException");
    expect([await put(caller, "only", key), await get(caller, "only")]).toEqual(["ok", "ok"]);
  });

  test("keeps S3 out where other services are named, and a Deny of every service leaves direct calls alone", async () => {
    const role = await makeRole(root, "not-via-s3", { allow: [S3] });
    const viaDynamodb = { StringEquals: { "kms:ViaService": "dynamodb.eu-west-1.amazonaws.com" } };
    const otherService = await keyWith({
      Effect: "Allow",
      Principal: { AWS: role },
      Action: CRYPTO,
      Condition: viaDynamodb,
    });
    const direct = await keyWith(
      { Effect: "Allow", Principal: { AWS: role }, Action: CRYPTO },
      { Effect: "Deny", Principal: "*", Action: CRYPTO, Condition: { Null: { "kms:ViaService": "false" } } },
    );
    const caller = await assume(emulator, root, role);
    expect(await put(caller, "other", otherService)).toBe("AccessDenied");
    expect(await encrypt(caller, direct)).toBe("ok");
    expect(await put(caller, "direct", direct)).toBe("AccessDenied");
  });
});

test("kms:GrantIsForAWSResource in a key policy keeps a caller from granting by itself", async () => {
  const role = await makeRole(root, "granting");
  const grant = async (value: "true" | "false") => {
    const Condition = { Bool: { "kms:GrantIsForAWSResource": value } };
    const key = await keyWith({ Effect: "Allow", Principal: { AWS: role }, Action: "kms:CreateGrant", Condition });
    const request = { KeyId: key, GranteePrincipal: role, Operations: ["Decrypt" as const] };
    return outcome((await assume(emulator, root, role)).kms.send(new CreateGrantCommand(request)));
  };
  expect([await grant("true"), await grant("false")]).toEqual(["AccessDeniedException", "ok"]);
});

test("a role made again under the name of a deleted one is a stranger to every statement of a key policy", async () => {
  const name = "second-life";
  const arn = await makeRole(root, name, { path: "/tenantkeys/dev/" });
  const keeper = await makeRole(root, "keeper");
  const key = await keyWith({ Effect: "Allow", Principal: { AWS: [arn, keeper] }, Action: CRYPTO });
  expect(await encrypt(await assume(emulator, root, arn), key)).toBe("ok");
  await root.iam.send(new DeleteRoleCommand({ RoleName: name }));
  await makeRole(root, name, { path: "/tenantkeys/dev/" });
  expect(await encrypt(await assume(emulator, root, arn), key)).toBe("AccessDeniedException");
  expect(await encrypt(await assume(emulator, root, keeper), key)).toBe("ok");
  const { Policy } = await root.kms.send(new GetKeyPolicyCommand({ KeyId: key }));
  expect(JSON.parse(Policy as string).Statement[1].Principal.AWS).toEqual([expect.stringMatching(/^AROA/), keeper]);
  // A policy with such an id in it can't be put again: AWS takes only principals that exist.
  const again = keyPolicy({
    Effect: "Allow",
    Principal: { AWS: JSON.parse(Policy as string).Statement[1].Principal.AWS[0] },
    Action: "kms:Encrypt",
  });
  expect(await outcome(root.kms.send(new CreateKeyCommand({ Policy: again })))).toBe(
    "MalformedPolicyDocumentException",
  );
});
