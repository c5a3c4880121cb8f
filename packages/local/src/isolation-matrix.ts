/**
 * The proof by trying: every tenant's session against every tenant's ciphertext, object and role. Only the diagonal may
 * work. It is tried twice: with the roles as they were made, and after each was given `kms:*` and `s3:*` on `*` by
 * mistake, when nothing but the key policies is left to refuse.
 */
import { DeleteRolePolicyCommand, type IAMClient, PutRolePolicyCommand } from "@aws-sdk/client-iam";
import { DecryptCommand, EncryptCommand, KMSClient } from "@aws-sdk/client-kms";
import { CreateBucketCommand, GetObjectCommand, PutObjectCommand, S3Client } from "@aws-sdk/client-s3";
import { type Credentials, clientConfig, errorName } from "@tenantkeys/aws";
import { inBatches } from "./in-batches.ts";
import { assumeRole, type Endpoint } from "./tenant-sessions.ts";

export interface MatrixTenant {
  readonly tenantId: string;
  readonly roleArn: string;
  readonly keys: readonly { readonly keyName: string; readonly keyArn: string }[];
}

export interface MatrixInput {
  readonly at: Endpoint;
  readonly tenants: readonly MatrixTenant[];
  /** A session of an application role that the tenants' trust policies name. */
  readonly application: Credentials;
  /** May change roles and make a bucket: it stands for the person who makes the mistake. */
  readonly root: Credentials;
  readonly iam: IAMClient;
  readonly bucket: string;
  readonly onProgress?: (done: number, total: number) => void;
}

export interface MatrixPart {
  readonly name: string;
  /** The tenant's own: must work. */
  readonly allowed: number;
  /** Somebody else's: must be refused. */
  readonly refused: number;
}

export interface MatrixResult {
  readonly parts: readonly MatrixPart[];
  /** Sentences: what worked and must not, or didn't work and must. Empty: isolation holds. */
  readonly violations: readonly string[];
}

/** Calls under way at once: more only queue up in the emulator. */
const WIDTH = 16;
/** What goes wrong in a matrix goes wrong often: the first are enough to act on. */
const VIOLATIONS_MAX = 20;
const MISTAKE = "given-by-mistake";

interface Member extends MatrixTenant {
  readonly kms: KMSClient;
  readonly s3: S3Client;
}

interface Secret {
  readonly tenantId: string;
  readonly keyName: string;
  readonly keyArn: string;
  readonly ciphertext: Uint8Array;
  readonly objectKey: string;
}

export async function proveIsolation(input: MatrixInput): Promise<MatrixResult> {
  const tally = new Tally(input);
  const members = await openSessions(input);
  try {
    await makeBucket(input);
    await giveToAll(input, "data-access", ["s3:GetObject", "s3:PutObject"], `arn:aws:s3:::${input.bucket}/*`);
    const secrets = await writeSecrets(input, members);
    await tryKeysAndObjects(members, secrets, input.bucket, tally, "as made");
    await tryRoles(input, members, tally);
    await giveToAll(input, MISTAKE, ["kms:*", "s3:*"], "*");
    await tryKeysAndObjects(members, secrets, input.bucket, tally, "given kms:* and s3:* by mistake");
    await takeFromAll(input, [MISTAKE, "data-access"]);
    return tally.result();
  } finally {
    for (const member of members) {
      member.kms.destroy();
      member.s3.destroy();
    }
  }
}

async function openSessions(input: MatrixInput): Promise<readonly Member[]> {
  const members: Member[] = [];
  await inBatches(input.tenants, WIDTH, async (tenant, index) => {
    const credentials = await assumeRole(input.at, input.application, tenant.roleArn, tenant.tenantId);
    const config = clientConfig({ ...input.at, credentials });
    members[index] = { ...tenant, kms: new KMSClient(config), s3: new S3Client({ ...config, forcePathStyle: true }) };
  });
  return members;
}

async function makeBucket(input: MatrixInput): Promise<void> {
  const s3 = new S3Client({ ...clientConfig({ ...input.at, credentials: input.root }), forcePathStyle: true });
  try {
    await s3.send(new CreateBucketCommand({ Bucket: input.bucket }));
  } catch (error) {
    if (errorName(error) !== "BucketAlreadyOwnedByYou") throw error;
  } finally {
    s3.destroy();
  }
}

/** What a team does to make its application work, and what it does by mistake: both come on top of our own policy. */
async function giveToAll(
  input: MatrixInput,
  name: string,
  actions: readonly string[],
  resource: string,
): Promise<void> {
  const document = {
    Version: "2012-10-17",
    Statement: [{ Effect: "Allow", Action: actions, Resource: resource }],
  };
  await inBatches(input.tenants, WIDTH, async ({ roleArn }) => {
    const RoleName = roleNameOf(roleArn);
    const command = new PutRolePolicyCommand({ RoleName, PolicyName: name, PolicyDocument: JSON.stringify(document) });
    await input.iam.send(command);
  });
}

async function takeFromAll(input: MatrixInput, names: readonly string[]): Promise<void> {
  await inBatches(input.tenants, WIDTH, async ({ roleArn }) => {
    for (const PolicyName of names) {
      await input.iam.send(new DeleteRolePolicyCommand({ RoleName: roleNameOf(roleArn), PolicyName }));
    }
  });
}

function roleNameOf(roleArn: string): string {
  return roleArn.slice(roleArn.lastIndexOf("/") + 1);
}

async function writeSecrets(input: MatrixInput, members: readonly Member[]): Promise<readonly Secret[]> {
  const owned = members.flatMap((member) => member.keys.map((key) => ({ member, ...key })));
  const secrets: Secret[] = [];
  await inBatches(owned, WIDTH, async ({ member, keyName, keyArn }, index) => {
    const { tenantId } = member;
    const objectKey = `${tenantId}/${keyName}`;
    const text = Buffer.from(`what only ${tenantId} may read`);
    const [encrypted] = await Promise.all([
      member.kms.send(new EncryptCommand({ KeyId: keyArn, Plaintext: text })),
      member.s3.send(
        new PutObjectCommand({
          Bucket: input.bucket,
          Key: objectKey,
          Body: text,
          ServerSideEncryption: "aws:kms",
          SSEKMSKeyId: keyArn,
        }),
      ),
    ]);
    secrets[index] = { tenantId, keyName, keyArn, ciphertext: encrypted.CiphertextBlob ?? new Uint8Array(), objectKey };
  });
  return secrets;
}

async function tryKeysAndObjects(
  members: readonly Member[],
  secrets: readonly Secret[],
  bucket: string,
  tally: Tally,
  circumstance: string,
): Promise<void> {
  const pairs = members.flatMap((member) => secrets.map((secret) => ({ member, secret })));
  await inBatches(pairs, WIDTH, async ({ member, secret }) => {
    const own = member.tenantId === secret.tenantId;
    const who = `${member.tenantId} (${circumstance})`;
    const what = `key "${secret.keyName}" of ${secret.tenantId}`;
    await tally.attempt(`KMS Decrypt, roles ${circumstance}`, own, `${who} decrypting with ${what}`, () =>
      member.kms.send(new DecryptCommand({ KeyId: secret.keyArn, CiphertextBlob: secret.ciphertext })),
    );
    await tally.attempt(
      `S3 GetObject, roles ${circumstance}`,
      own,
      `${who} reading an object under ${what}`,
      async () => {
        const { Body } = await member.s3.send(new GetObjectCommand({ Bucket: bucket, Key: secret.objectKey }));
        await Body?.transformToByteArray();
      },
    );
  });
}

/** The application asks for every role with every tenant's tag: what code does that mixes up two tenants. */
async function tryRoles(input: MatrixInput, members: readonly Member[], tally: Tally): Promise<void> {
  const pairs = members.flatMap((tagged) => members.map((wanted) => ({ tagged, wanted })));
  await inBatches(pairs, WIDTH, async ({ tagged, wanted }) => {
    const own = tagged.tenantId === wanted.tenantId;
    await tally.attempt(
      "STS AssumeRole",
      own,
      `a session tagged ${tagged.tenantId} taking the role of ${wanted.tenantId}`,
      () => assumeRole(input.at, input.application, wanted.roleArn, tagged.tenantId),
    );
  });
}

/** Counts what was tried and remembers what went otherwise than it must. */
class Tally {
  readonly #parts = new Map<string, { allowed: number; refused: number }>();
  readonly #violations: string[] = [];
  readonly #total: number;
  readonly #onProgress: ((done: number, total: number) => void) | undefined;
  #done = 0;

  constructor(input: MatrixInput) {
    const keys = input.tenants.reduce((sum, tenant) => sum + tenant.keys.length, 0);
    this.#total = input.tenants.length * (4 * keys + input.tenants.length);
    this.#onProgress = input.onProgress;
  }

  async attempt(part: string, mustWork: boolean, what: string, call: () => Promise<unknown>): Promise<void> {
    const outcome = await call().then(
      () => "worked",
      (error: unknown) => errorName(error),
    );
    const counts = this.#parts.get(part) ?? { allowed: 0, refused: 0 };
    this.#parts.set(part, counts);
    if (mustWork && outcome === "worked") counts.allowed++;
    else if (!mustWork && isDenial(outcome)) counts.refused++;
    else this.#remember(`${what}: ${outcome}, and it must ${mustWork ? "work" : "be refused with AccessDenied"}`);
    this.#onProgress?.(++this.#done, this.#total);
  }

  #remember(violation: string): void {
    if (this.#violations.length < VIOLATIONS_MAX) this.#violations.push(violation);
  }

  result(): MatrixResult {
    const parts = [...this.#parts].map(([name, counts]) => ({ name, ...counts }));
    return { parts, violations: this.#violations };
  }
}

function isDenial(outcome: string): boolean {
  return outcome === "AccessDeniedException" || outcome === "AccessDenied";
}
