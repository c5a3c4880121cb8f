/** What the local AWS doesn't answer: throttling, sessions that can't be had, keys of other kinds. The rest: test/e2e. */
import { createServer, type Server } from "node:http";
import {
  CANARY_TENANTS,
  completeKeyProfile,
  desiredTenantKey,
  type KeyProfile,
  type ProvenTenant,
  parseKeyArn,
  parseRoleArn,
  parseTenantId,
  proveContainment,
  type TenantId,
} from "@tenantkeys/core";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { CONTEXT, CREDENTIALS, DEFAULT_KEY, FakeClock, runOn } from "../test-support.ts";
import { tryPairs } from "./try-pairs.ts";

const [A, B] = [parseTenantId("acme"), parseTenantId("globex")];
const APPLICATION = parseRoleArn("arn:aws:iam::111122223333:role/app/acme-web");
const EXPIRES = "2027-01-01T00:00:00Z";

interface Request {
  /** Such as `Decrypt`. */
  readonly name: string;
  /** Whose session asks: the tenant of its tag, or `application`. */
  readonly session: string;
  /** Of STS the tenant whose role is asked for, of KMS whose key. */
  readonly whose: string;
  readonly body: Readonly<Record<string, unknown>>;
}

/** `ok`, or the name of the error. */
type Answer = (request: Request) => string;

let server: Server;
let endpoint: string;
let answer: Answer;
let requests: Request[];

/** STS and KMS in miniature. A session's access key is its tag; a ciphertext is the text under it. */
beforeEach(async () => {
  requests = [];
  server = createServer(async (incoming, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of incoming) chunks.push(chunk);
    const text = Buffer.concat(chunks).toString("utf8");
    const session = /Credential=([^/]+)\//.exec(incoming.headers.authorization ?? "")?.[1] ?? "";
    const target = String(incoming.headers["x-amz-target"] ?? "");
    const isKms = target !== "";
    const form = new URLSearchParams(isKms ? "" : text);
    const body = isKms ? JSON.parse(text) : Object.fromEntries(form);
    const whose =
      String(isKms ? body.KeyId : form.get("RoleArn"))
        .split(/[-/]/)
        .at(-1) ?? "";
    const request = { name: isKms ? target.slice("TrentService.".length) : "AssumeRole", session, whose, body };
    requests.push(request);
    const said = answer(request);
    if (!isKms) response.writeHead(said === "ok" ? 200 : 403).end(stsAnswer(said, form));
    else if (said === "ok" && body.DryRun !== true) response.writeHead(200).end(JSON.stringify(kmsAnswer(request)));
    else response.writeHead(400).end(JSON.stringify({ __type: said === "ok" ? "DryRunOperationException" : said }));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  endpoint = `http://127.0.0.1:${typeof address === "object" ? address?.port : 0}`;
});

afterEach(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

function stsAnswer(said: string, form: URLSearchParams): string {
  if (said !== "ok") return `<ErrorResponse><Error><Code>${said}</Code><Message>no</Message></Error></ErrorResponse>`;
  const tag = form.get("Tags.member.1.Value") ?? "application";
  const session = `<AccessKeyId>${tag}</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken>`;
  return `<AssumeRoleResponse><AssumeRoleResult><Credentials>${session}<Expiration>${EXPIRES}</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>`;
}

function kmsAnswer({ name, body }: Request): object {
  return name === "Encrypt" ? { CiphertextBlob: body.Plaintext } : { Plaintext: body.CiphertextBlob };
}

/** Lets every tenant use its own, and refuses all else. */
const contained: Answer = ({ name, session, whose, body }) => {
  if (name === "AssumeRole") return whose === "web" || whose === body["Tags.member.1.Value"] ? "ok" : "AccessDenied";
  return session === whose ? "ok" : "AccessDeniedException";
};

function provenTenant(
  tenantId: TenantId,
  profile: KeyProfile,
  target: "usable" | "disabled" = "usable",
  isOwnKey = false,
): ProvenTenant {
  const desired = desiredTenantKey(CONTEXT, tenantId, DEFAULT_KEY, profile);
  const keyArn = parseKeyArn(`arn:aws:kms:eu-west-1:111122223333:key/${tenantId}`);
  const nothing = { kind: "skipped" } as const;
  const read = <T>(value: T) => ({ kind: "read", value }) as const;
  const state = target === "usable" ? "Enabled" : "Disabled";
  const description = read({ state, origin: "AWS_KMS", keySpec: profile.keySpec, createdAtMs: 0 } as const);
  const documents = { policy: read(desired.admittedPolicy), grants: read([]) };
  const key = {
    kind: "present",
    keyArn,
    description,
    tags: nothing,
    rotation: nothing,
    rotations: nothing,
    ...documents,
  } as const;
  const { arn, path, tags, trustPolicy, boundaryArn } = desired.role;
  return {
    tenantId,
    role: read({
      arn,
      path,
      tags,
      trustPolicy,
      boundaryArn,
      policyNames: [],
      inlinePolicies: {},
      attachedPolicyArns: [],
    }),
    keys: [
      {
        keyArn,
        keyName: DEFAULT_KEY,
        part: "current",
        isOwnKey,
        profile,
        seen: { kind: "inspected", key, desired, target, readAtMs: 0 },
      },
    ],
  };
}

interface Trying {
  readonly target?: "disabled";
  readonly durationMs?: number;
  readonly besides?: readonly TenantId[];
  readonly isOwnKey?: boolean;
}

async function tryWith(
  said: Answer,
  profile: Partial<KeyProfile> = {},
  { target, durationMs, besides = [], isOwnKey = false }: Trying = {},
) {
  answer = said;
  const further = besides.map((tenantId) => provenTenant(tenantId, completeKeyProfile()));
  const tenants = [
    ...further,
    provenTenant(A, completeKeyProfile(profile), target, isOwnKey),
    provenTenant(B, completeKeyProfile()),
  ];
  const proven = { tenants, proof: proveContainment(CONTEXT, tenants) };
  const options = { region: "eu-west-1", endpoint, credentials: CREDENTIALS };
  const live = { applicationRoleArn: APPLICATION, pairsMax: 100, onProgress: () => {} };
  return tryPairs(options, CONTEXT, runOn(new FakeClock(), durationMs), proven, live);
}

const partOf = ({ parts }: Awaited<ReturnType<typeof tryWith>>, attempt: string) =>
  parts.find((part) => part.attempt === attempt);

test("every tenant's own works and every other is refused, with its context and no data key given away", async () => {
  const live = await tryWith(contained);
  const counts = {
    own: { worked: 2, shut: 0, failed: 0, notTried: 0 },
    others: { refused: 2, worked: 0, notTried: 0 },
  };
  expect(live.parts).toEqual(
    ["kms:Decrypt", "kms:GenerateDataKey", "sts:AssumeRole"].map((attempt) => ({ attempt, ...counts })),
  );
  expect(live).toMatchObject({ pairs: { tried: 2, total: 2 }, alarms: [], failures: [], notTried: [] });
  const ofKms = requests.filter(({ name }) => name !== "AssumeRole");
  for (const { body, whose } of ofKms) {
    expect(body.EncryptionContext).toEqual({ tenant: whose, keyName: "default", stage: "dev" });
  }
  expect(ofKms.filter(({ name }) => name === "GenerateDataKey").every(({ body }) => body.DryRun === true)).toBe(true);
});

test("what works and must not is told with who and whose", async () => {
  const live = await tryWith((request) =>
    request.session === B && request.name === "Decrypt" ? "ok" : contained(request),
  );
  expect(live.alarms).toEqual([
    expect.objectContaining({ attempt: "kms:Decrypt", session: B, tenantId: A, keyName: DEFAULT_KEY }),
  ]);
  expect(partOf(live, "kms:Decrypt")?.others).toEqual({ refused: 1, worked: 1, notTried: 0 });
  const role = await tryWith((request) => (request.name === "AssumeRole" ? "ok" : contained(request)));
  expect(role.alarms.map(({ attempt, session, tenantId }) => [attempt, session, tenantId])).toEqual([
    ["sts:AssumeRole", A, B],
    ["sts:AssumeRole", B, A],
  ]);
});

test.each([
  "ThrottlingException",
  "DisabledException",
  "KMSInternalException",
  "InvalidCiphertextException",
  "NotFoundException",
])(
  "an answer other than AccessDenied is no refusal: %s",
  async (error) => {
    const live = await tryWith((request) =>
      request.name === "Decrypt" && request.session !== request.whose ? error : contained(request),
    );
    expect(partOf(live, "kms:Decrypt")?.others).toEqual({ refused: 0, worked: 0, notTried: 2 });
    expect(live.notTried).toMatchObject([{ attempt: "kms:Decrypt", reason: error, isExpected: false, count: 2 }]);
    expect(live.alarms).toEqual([]);
  },
  20_000,
);

test("a tenant's own use that is refused has failed, and one that was throttled wasn't tried", async () => {
  const refused = await tryWith((request) =>
    request.whose === A && request.name !== "AssumeRole" ? "AccessDeniedException" : contained(request),
  );
  expect(refused.failures.map(({ attempt, tenantId, error }) => [attempt, tenantId, error.code])).toEqual([
    ["kms:Decrypt", A, "access_denied"],
    ["kms:GenerateDataKey", A, "access_denied"],
  ]);
  expect(refused.notTried).toMatchObject([
    { attempt: "kms:Decrypt", reason: "no ciphertext: AccessDeniedException", count: 1 },
  ]);
  const throttled = await tryWith((request) =>
    request.name === "Encrypt" ? "ThrottlingException" : contained(request),
  );
  expect(throttled.failures).toEqual([]);
  expect(partOf(throttled, "kms:Decrypt")).toMatchObject({ own: { notTried: 2 }, others: { notTried: 2 } });
}, 20_000);

test("a suspended tenant's own use is shut, as it must be", async () => {
  const disabled: Answer = (request) =>
    request.whose === A && request.name !== "AssumeRole" ? "DisabledException" : contained(request);
  const live = await tryWith(disabled, {}, { target: "disabled" });
  expect(partOf(live, "kms:Decrypt")?.own).toEqual({ worked: 1, shut: 1, failed: 0, notTried: 0 });
  expect(live.failures).toEqual([]);
  expect(live.notTried.every(({ isExpected }) => isExpected)).toBe(true);
});

test("a refusal of an own use is no failure where nobody could read whether the tenant may: suspended with a key of its own account", async () => {
  const refused: Answer = (request) =>
    request.whose === A && request.name !== "AssumeRole" ? "AccessDeniedException" : contained(request);
  const live = await tryWith(refused, {}, { isOwnKey: true });
  expect(live.failures).toEqual([]);
  expect(partOf(live, "kms:GenerateDataKey")).toMatchObject({
    own: { worked: 1, notTried: 1 },
    others: { refused: 2 },
  });
  expect(live.notTried).toContainEqual(expect.objectContaining({ reason: "AccessDeniedException", isExpected: false }));
});

test("a session that can't be had proves nothing by its attempts", async () => {
  const live = await tryWith((request) =>
    request.name === "AssumeRole" && request.whose === A ? "AccessDenied" : contained(request),
  );
  expect(live.failures).toMatchObject([{ attempt: "sts:AssumeRole", tenantId: A }]);
  expect(partOf(live, "kms:GenerateDataKey")).toMatchObject({
    own: { worked: 1, failed: 0, notTried: 1 },
    others: { refused: 1, notTried: 1 },
  });
  expect(live.notTried.some(({ reason }) => reason === "the session couldn't be had")).toBe(true);
});

test("a tenant of the canary's, which no application may be, is told and left to the canary", async () => {
  const canary = CANARY_TENANTS.a;
  const live = await tryWith(contained, {}, { besides: [canary] });
  expect(live).toMatchObject({ pairs: { tried: 2, total: 2 }, alarms: [], failures: [] });
  expect(live.notTried).toMatchObject([{ isExpected: true, count: 1, example: { tenantId: canary } }]);
  expect(requests.filter(({ whose, body }) => whose === "a" || body["Tags.member.1.Value"] === canary)).toEqual([]);
});

test("who can't become the application tries nothing", async () => {
  await expect(tryWith(() => "AccessDenied")).rejects.toMatchObject({ code: "access_denied" });
});

test("what the time doesn't suffice for wasn't tried", async () => {
  const live = await tryWith(contained, {}, { durationMs: 8 });
  expect(live.notTried.map(({ reason }) => reason)).toContain("the command's time was over");
  expect(live.failures).toEqual([]);
});

describe("a key of another kind is tried as far as its profile lets anybody try", () => {
  test.each([
    ["that makes MACs", { keySpec: "HMAC_256" }, "kms:GenerateMac", 1],
    ["that signs", { keySpec: "ECC_NIST_P256" }, "kms:Sign", 1],
    ["that encrypts only", { actions: "encrypt-only" }, "kms:GenerateDataKey", 2],
    ["that decrypts only", { actions: "decrypt-only" }, "kms:GenerateDataKey", 1],
    ["that is used through services", { viaServices: ["s3"] }, "kms:GenerateDataKey", 1],
  ] as const)("%s", async (_, profile, attempt, worked) => {
    const live = await tryWith(contained, profile);
    expect(partOf(live, attempt)?.own.worked).toBe(worked);
    expect(partOf(live, attempt)?.others.refused).toBeGreaterThan(0);
    expect(live.failures).toEqual([]);
    expect(live.notTried.every(({ isExpected }) => isExpected)).toBe(true);
  });
});
