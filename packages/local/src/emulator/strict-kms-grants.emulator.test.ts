/** Grants: whom they let use a key, past its policy and without IAM, and who may make, retire and revoke them. */
import { CreatePolicyCommand, DeleteRoleCommand } from "@aws-sdk/client-iam";
import {
  CreateGrantCommand,
  type CreateGrantRequest,
  CreateKeyCommand,
  DecryptCommand,
  DescribeKeyCommand,
  EncryptCommand,
  type GrantOperation,
  ListGrantsCommand,
  PutKeyPolicyCommand,
  RetireGrantCommand,
  RevokeGrantCommand,
} from "@aws-sdk/client-kms";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Emulator, startEmulator } from "./emulator.ts";
import {
  ACCOUNT_ROOT,
  assume,
  type Caller,
  callerWith,
  makeRole,
  outcome,
  policy,
  type Statement,
} from "./test-support.ts";

const DENIED = "AccessDeniedException";
const ACME = { tenant: "acme", keyName: "default" };

let emulator: Emulator;
let root: Caller;
let lender: Caller;
let lenderArn: string;
let job: Caller;
let jobArn: string;
let stranger: Caller;
let strangerArn: string;

beforeAll(async () => {
  emulator = await startEmulator();
  root = callerWith(emulator, emulator.credentials);
  [lenderArn, jobArn, strangerArn] = await Promise.all([
    makeRole(root, "lender", { path: "/apps/" }),
    makeRole(root, "job", { path: "/jobs/" }),
    makeRole(root, "stranger"),
  ]);
  [lender, job, stranger] = (await Promise.all(
    [lenderArn, jobArn, strangerArn].map((arn) => assume(emulator, root, arn)),
  )) as [Caller, Caller, Caller];
}, 120_000);

afterAll(async () => {
  await emulator?.stop();
});

/** A key whose policy lets the root administer it and nobody use it, with further statements. */
async function keyWith(...statements: readonly Omit<Statement, "Resource">[]): Promise<string> {
  const { KeyMetadata } = await root.kms.send(
    new CreateKeyCommand({ Policy: keyPolicyOf(...statements), BypassPolicyLockoutSafetyCheck: true }),
  );
  return KeyMetadata?.Arn as string;
}

function keyPolicyOf(...statements: readonly Omit<Statement, "Resource">[]): string {
  const administration = { Effect: "Allow", Principal: { AWS: ACCOUNT_ROOT }, Action: "kms:PutKeyPolicy" } as const;
  return policy(...[administration, ...statements].map((statement) => ({ ...statement, Resource: "*" })));
}

const grant = (KeyId: string, more: Partial<CreateGrantRequest> = {}) =>
  new CreateGrantCommand({ KeyId, GranteePrincipal: jobArn, Operations: ["Encrypt", "Decrypt"], ...more });
const encrypt = (by: Caller, KeyId: string, EncryptionContext?: Record<string, string>) =>
  outcome(by.kms.send(new EncryptCommand({ KeyId, Plaintext: Buffer.from("hello"), EncryptionContext })));
const describeKey = (by: Caller, KeyId: string) => outcome(by.kms.send(new DescribeKeyCommand({ KeyId })));

describe("a grant", () => {
  test("lets its grantee use the key for its operations, and nobody else nor anything else", async () => {
    const [key, other] = [await keyWith(), await keyWith()];
    expect(await encrypt(job, key)).toBe(DENIED);
    const { GrantId } = await root.kms.send(grant(key, { Operations: ["Encrypt"] }));
    expect(await encrypt(job, key)).toBe("ok");
    const { CiphertextBlob } = await job.kms.send(new EncryptCommand({ KeyId: key, Plaintext: Buffer.from("x") }));
    expect(await outcome(job.kms.send(new DecryptCommand({ KeyId: key, CiphertextBlob })))).toBe(DENIED);
    expect(await describeKey(job, key)).toBe(DENIED);
    expect(await encrypt(job, other)).toBe(DENIED);
    expect(await encrypt(stranger, key)).toBe(DENIED);
    await root.kms.send(new RevokeGrantCommand({ KeyId: key, GrantId }));
    expect(await encrypt(job, key)).toBe(DENIED);
  });

  test("names one session where it names a session", async () => {
    const key = await keyWith();
    const session = (name: string) => `arn:aws:sts::000000000000:assumed-role/job/${name}`;
    await root.kms.send(grant(key, { GranteePrincipal: session("other") }));
    expect(await encrypt(job, key)).toBe(DENIED);
    await root.kms.send(grant(key, { GranteePrincipal: session("test") }));
    expect(await encrypt(job, key)).toBe("ok");
  });

  test("with EncryptionContextSubset holds for requests with these pairs, and others beside them", async () => {
    const key = await keyWith();
    await root.kms.send(grant(key, { Constraints: { EncryptionContextSubset: { tenant: "acme" } } }));
    expect(await encrypt(job, key, { tenant: "acme" })).toBe("ok");
    expect(await encrypt(job, key, ACME)).toBe("ok");
    for (const context of [undefined, { tenant: "globex" }, { tenant: "ACME" }, { keyName: "default" }]) {
      expect(await encrypt(job, key, context), JSON.stringify(context)).toBe(DENIED);
    }
  });

  test("with EncryptionContextEquals holds for requests with exactly these pairs", async () => {
    const key = await keyWith();
    await root.kms.send(grant(key, { Constraints: { EncryptionContextEquals: ACME } }));
    expect(await encrypt(job, key, ACME)).toBe("ok");
    for (const context of [undefined, { tenant: "acme" }, { ...ACME, more: "x" }, { ...ACME, tenant: "globex" }]) {
      expect(await encrypt(job, key, context), JSON.stringify(context)).toBe(DENIED);
    }
  });

  test("binds decryption to its constraint too, and DescribeKey to none", async () => {
    const key = await keyWith();
    const Operations: GrantOperation[] = ["Encrypt", "Decrypt", "DescribeKey"];
    await root.kms.send(grant(key, { Operations, Constraints: { EncryptionContextSubset: { tenant: "acme" } } }));
    const made = async (by: Caller, EncryptionContext: Record<string, string>) =>
      (await by.kms.send(new EncryptCommand({ KeyId: key, Plaintext: Buffer.from("x"), EncryptionContext })))
        .CiphertextBlob;
    const decrypt = (CiphertextBlob: Uint8Array | undefined, EncryptionContext?: Record<string, string>) =>
      outcome(job.kms.send(new DecryptCommand({ KeyId: key, CiphertextBlob, EncryptionContext })));
    expect(await decrypt(await made(job, ACME), ACME)).toBe("ok");
    expect(await decrypt(await made(job, ACME))).toBe(DENIED);
    expect(await decrypt(await made(root, { tenant: "globex" }), { tenant: "globex" })).toBe(DENIED);
    expect(await describeKey(job, key)).toBe("ok");
  });

  test("gives way to a Deny in the key's policy", async () => {
    const key = await keyWith();
    await root.kms.send(grant(key));
    const deny = { Effect: "Deny", Principal: { AWS: jobArn }, Action: "kms:Encrypt" } as const;
    await root.kms.send(
      new PutKeyPolicyCommand({ KeyId: key, Policy: keyPolicyOf(deny), BypassPolicyLockoutSafetyCheck: true }),
    );
    expect(await encrypt(job, key)).toBe(DENIED);
  });

  test("reaches no further than its grantee's permissions boundary", async () => {
    const document = policy({ Effect: "Allow", Action: "kms:Decrypt", Resource: "*" });
    const { Policy } = await root.iam.send(
      new CreatePolicyCommand({ PolicyName: "decrypts-at-most", PolicyDocument: document }),
    );
    const arn = await makeRole(root, "bounded-job", { boundary: Policy?.Arn as string });
    const bounded = await assume(emulator, root, arn);
    const key = await keyWith();
    await root.kms.send(grant(key, { GranteePrincipal: arn }));
    const { CiphertextBlob } = await root.kms.send(new EncryptCommand({ KeyId: key, Plaintext: Buffer.from("x") }));
    expect(await outcome(bounded.kms.send(new DecryptCommand({ KeyId: key, CiphertextBlob })))).toBe("ok");
    expect(await encrypt(bounded, key)).toBe(DENIED);
  });

  test("with CreateGrant among its operations lets nobody make grants here", async () => {
    const key = await keyWith();
    await root.kms.send(grant(key, { Operations: ["Encrypt", "CreateGrant"] }));
    expect(await outcome(job.kms.send(grant(key, { Operations: ["Encrypt"] })))).toBe(DENIED);
  });

  test("isn't for a role that was made again under its grantee's name", async () => {
    const RoleName = "replaced-job";
    const arn = await makeRole(root, RoleName);
    const key = await keyWith();
    await root.kms.send(grant(key, { GranteePrincipal: arn, RetiringPrincipal: arn }));
    await root.iam.send(new DeleteRoleCommand({ RoleName }));
    expect(await makeRole(root, RoleName)).toBe(arn);
    expect(await encrypt(await assume(emulator, root, arn), key)).toBe(DENIED);
    const { Grants } = await root.kms.send(new ListGrantsCommand({ KeyId: key }));
    expect(Grants).toMatchObject([
      { GranteePrincipal: expect.stringMatching(/^AROA/), RetiringPrincipal: expect.stringMatching(/^AROA/) },
    ]);
  });
});

describe("who may make a grant", () => {
  let key: string;

  beforeAll(async () => {
    key = await keyWith({
      Effect: "Allow",
      Principal: { AWS: lenderArn },
      Action: "kms:CreateGrant",
      Condition: {
        "ForAllValues:StringEquals": { "kms:GrantOperations": ["Decrypt", "DescribeKey"] },
        StringEquals: {
          "kms:EncryptionContext:tenant": "acme",
          "kms:GrantConstraintType": ["EncryptionContextEquals", "EncryptionContextSubset"],
          "kms:GranteePrincipal": [jobArn],
          "kms:RetiringPrincipal": lenderArn,
        },
      },
    });
  });

  const asked = (more: Partial<CreateGrantRequest> = {}) =>
    outcome(
      lender.kms.send(
        grant(key, {
          Operations: ["Decrypt"],
          Constraints: { EncryptionContextSubset: { tenant: "acme" } },
          RetiringPrincipal: lenderArn,
          ...more,
        }),
      ),
    );

  test("may be held to grantee, operations, context, kind of constraint and retiring principal", async () => {
    expect(await asked()).toBe("ok");
    expect(await asked({ Constraints: { EncryptionContextEquals: ACME } })).toBe("ok");
    expect(await asked({ Operations: ["Decrypt", "DescribeKey"] })).toBe("ok");
  });

  test.each<readonly [string, Partial<CreateGrantRequest> | (() => Partial<CreateGrantRequest>)]>([
    ["to another grantee", () => ({ GranteePrincipal: strangerArn })],
    ["to a session of the grantee's role", { GranteePrincipal: "arn:aws:sts::000000000000:assumed-role/job/test" }],
    ["of an operation more", { Operations: ["Decrypt", "Encrypt"] }],
    ["without a constraint", { Constraints: undefined }],
    ["with an empty constraint", { Constraints: { EncryptionContextSubset: {} } }],
    ["for another value of the context", { Constraints: { EncryptionContextSubset: { tenant: "globex" } } }],
    ["for another pair of the context", { Constraints: { EncryptionContextSubset: { keyName: "default" } } }],
    ["without a retiring principal", { RetiringPrincipal: undefined }],
    ["with another retiring principal", () => ({ RetiringPrincipal: jobArn })],
  ])("and then makes none %s", async (_, more) => {
    expect(await asked(typeof more === "function" ? more() : more)).toBe(DENIED);
  });
});

describe("who may retire a grant", () => {
  const made = async (more: Partial<CreateGrantRequest> = {}) => {
    const KeyId = await keyWith();
    const { GrantId, GrantToken } = await root.kms.send(grant(KeyId, more));
    return { KeyId, GrantId, GrantToken };
  };
  const retire = (
    by: Caller,
    request: { KeyId?: string; GrantId?: string | undefined; GrantToken?: string | undefined },
  ) => outcome(by.kms.send(new RetireGrantCommand(request)));

  test("is its retiring principal, by the grant's id or its token", async () => {
    const first = await made({ RetiringPrincipal: lenderArn });
    expect(await retire(stranger, { GrantToken: first.GrantToken })).toBe(DENIED);
    expect(await retire(job, { GrantToken: first.GrantToken })).toBe(DENIED);
    expect(await encrypt(job, first.KeyId)).toBe("ok");
    expect(await retire(lender, { GrantToken: first.GrantToken })).toBe("ok");
    expect(await encrypt(job, first.KeyId)).toBe(DENIED);
    const { KeyId, GrantId } = await made({ RetiringPrincipal: lenderArn });
    expect(await retire(stranger, { KeyId, GrantId })).toBe(DENIED);
    expect(await retire(lender, { KeyId, GrantId })).toBe("ok");
  });

  test("is its grantee where the grant holds RetireGrant, for this grant only", async () => {
    const { KeyId, GrantId } = await made({ Operations: ["Encrypt", "RetireGrant"] });
    const other = await root.kms.send(grant(KeyId));
    expect(await retire(job, { KeyId, GrantId: other.GrantId })).toBe(DENIED);
    expect(await retire(stranger, { KeyId, GrantId })).toBe(DENIED);
    expect(await retire(job, { KeyId, GrantId })).toBe("ok");
  });

  test("is nobody by the key's policy, in which kms:RetireGrant has no effect", async () => {
    const KeyId = await keyWith({ Effect: "Allow", Principal: { AWS: strangerArn }, Action: "kms:RetireGrant" });
    const { GrantId } = await root.kms.send(grant(KeyId));
    expect(await retire(stranger, { KeyId, GrantId })).toBe(DENIED);
  });

  test("isn't somebody who names the grant with another key", async () => {
    const { KeyId } = await made({ RetiringPrincipal: lenderArn });
    const other = await made({ RetiringPrincipal: lenderArn });
    expect(await retire(lender, { KeyId, GrantId: other.GrantId })).toBe("NotFoundException");
    expect(await retire(stranger, { KeyId, GrantId: other.GrantId })).toBe(DENIED);
    expect(await encrypt(job, other.KeyId)).toBe("ok");
  });

  test("finds none that was retired already", async () => {
    const { KeyId, GrantId } = await made({ RetiringPrincipal: lenderArn });
    expect(await retire(lender, { KeyId, GrantId })).toBe("ok");
    expect(await retire(lender, { KeyId, GrantId })).toBe("NotFoundException");
  });
});
