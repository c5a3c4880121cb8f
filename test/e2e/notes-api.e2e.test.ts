/**
 * The sample application as it is deployed: its own bundle, role and policies, on a local stage whose tenants come over the
 * bus. What its faults ask for is refused by AWS, and a suspended tenant is stopped within the limit.
 */
import { CreateTableCommand } from "@aws-sdk/client-dynamodb";
import { PutRuleCommand, PutTargetsCommand } from "@aws-sdk/client-eventbridge";
import {
  AttachRolePolicyCommand,
  DeleteRolePolicyCommand,
  GetRolePolicyCommand,
  IAMClient,
  PutRolePolicyCommand,
} from "@aws-sdk/client-iam";
import { DisableKeyCommand, EnableKeyCommand } from "@aws-sdk/client-kms";
import { AddPermissionCommand, LambdaClient } from "@aws-sdk/client-lambda";
import {
  CreateBucketCommand,
  DeleteBucketPolicyCommand,
  HeadObjectCommand,
  PutBucketPolicyCommand,
  S3Client,
} from "@aws-sdk/client-s3";
import { clientConfig, errorName } from "@tenantkeys/aws";
import { createTenantKeys } from "@tenantkeys/client";
import { taggedPrefixStatements } from "@tenantkeys/client/services";
import { type KeyRecord, policyDocument, stageArns, stageNames } from "@tenantkeys/core";
import {
  APPLICATION_ROLE_NAME,
  type Emulator,
  type LocalStage,
  openEmulator,
  startLocalStage,
} from "@tenantkeys/local";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { attachmentsOf } from "../../examples/notes-api/src/attachments.ts";
import { POLICY_NAME } from "../../examples/notes-api/src/tenant-policy.ts";
import { publish, tenantEnvelope, until, untilActive } from "../support/events.ts";
import { deployFunction, type FunctionOfTest, functionRole } from "../support/lambda-function.ts";
import { untilState } from "../support/life.ts";

const NOTES_TABLE = "notes";
const NOTES_BUCKET = "notes-attachments";
const RECORD_MAX_AGE_SECONDS = 1;
/** The limit, and what a loaded machine takes for a call. */
const WITHIN_LIMIT_MS = 1000 * RECORD_MAX_AGE_SECONDS + 5_000;

let emulator: Emulator;
let stage: LocalStage;
let s3: S3Client;
let api: FunctionOfTest;
let faulty: FunctionOfTest;
let acme: KeyRecord;
let globex: KeyRecord;

beforeAll(async () => {
  emulator = await openEmulator();
  const { endpoint, region, credentials } = emulator;
  const config = clientConfig({ endpoint, region, credentials });
  s3 = new S3Client({ ...config, forcePathStyle: true });
  // The role comes first: the trust policies of tenants' roles name it.
  const iam = new IAMClient(config);
  const roleArn = await functionRole(iam, "notes-api");
  iam.destroy();
  const applicationRoleArns = [roleArn, `arn:aws:iam::${emulator.accountId}:role/${APPLICATION_ROLE_NAME}`];
  stage = await startLocalStage({ emulator, settings: { applicationRoleArns } });
  await Promise.all([makeStores(), attachStagePolicy(), deployApi(roleArn), deployProvisioned()]);
  await Promise.all(
    ["acme", "globex"].map((tenantId) => publish(stage, tenantEnvelope("TenantSignedUp", { tenantId }))),
  );
  [acme, globex] = await Promise.all([untilWorking("acme"), untilWorking("globex")]);
});

afterAll(async () => {
  s3?.destroy();
  await stage?.stop();
  await emulator?.stop();
});

async function makeStores(): Promise<void> {
  await stage.root.documents.send(
    new CreateTableCommand({
      TableName: NOTES_TABLE,
      BillingMode: "PAY_PER_REQUEST",
      AttributeDefinitions: ["pk", "sk"].map((AttributeName) => ({ AttributeName, AttributeType: "S" })),
      KeySchema: [
        { AttributeName: "pk", KeyType: "HASH" },
        { AttributeName: "sk", KeyType: "RANGE" },
      ],
    }),
  );
  await s3.send(new CreateBucketCommand({ Bucket: NOTES_BUCKET }));
  await protectBucket();
}

async function protectBucket(): Promise<void> {
  const { tenantRoles, sharedTenantRole } = stageArns(stage.accountId, stage.region, stage.settings.stage);
  const statements = taggedPrefixStatements({ bucket: NOTES_BUCKET }, { roleArns: [tenantRoles, sharedTenantRole] });
  const Policy = JSON.stringify(policyDocument(statements));
  await s3.send(new PutBucketPolicyCommand({ Bucket: NOTES_BUCKET, Policy }));
}

async function attachStagePolicy(): Promise<void> {
  const { applicationPolicy } = stageNames(stage.settings.stage);
  const PolicyArn = `arn:aws:iam::${stage.accountId}:policy/tenantkeys/${applicationPolicy}`;
  await stage.iam.send(new AttachRolePolicyCommand({ RoleName: "notes-api", PolicyArn }));
}

async function deployApi(roleArn: string): Promise<void> {
  const environment = {
    TENANTKEYS_STAGE: stage.settings.stage,
    NOTES_TABLE,
    NOTES_BUCKET,
    RECORD_MAX_AGE_SECONDS: String(RECORD_MAX_AGE_SECONDS),
  };
  const deploy = (name: string, entry: string) => deployFunction(emulator, { name, entry, roleArn, environment });
  api = await deploy("notes-api", "examples/notes-api/src/handler.ts");
  faulty = await deploy("notes-api-with-faults", "test/support/notes-api-with-faults.ts");
}

/** The function that gives tenants' roles their policy, and the rule that calls it. */
async function deployProvisioned(): Promise<void> {
  const { tenantRoles, bus } = stageArns(stage.accountId, stage.region, stage.settings.stage);
  const right = {
    Sid: "GiveTenantsTheirData",
    Effect: "Allow",
    Action: "iam:PutRolePolicy",
    Resource: tenantRoles,
  } as const;
  const name = "notes-api-provisioned";
  const NOTES_TABLE_ARN = `arn:aws:dynamodb:${stage.region}:${stage.accountId}:table/${NOTES_TABLE}`;
  const provisioned = await deployFunction(emulator, {
    name,
    entry: "examples/notes-api/src/provisioned.ts",
    roleArn: await functionRole(stage.iam, name, policyDocument([right])),
    environment: { NOTES_TABLE_ARN, NOTES_BUCKET },
  });
  const EventBusName = stageNames(stage.settings.stage).bus;
  const EventPattern = JSON.stringify({
    source: ["tenantkeys"],
    "detail-type": ["TenantKeyProvisioned", "TenantKeyRotated"],
  });
  await stage.root.eventBridge.send(new PutRuleCommand({ Name: name, EventBusName, EventPattern }));
  const lambda = new LambdaClient(clientConfig({ ...stage.at, credentials: emulator.credentials }));
  const SourceArn = bus.replace(":event-bus/", ":rule/").concat(`/${name}`);
  const permission = {
    StatementId: "rule",
    Action: "lambda:InvokeFunction",
    Principal: "events.amazonaws.com",
    SourceArn,
  };
  await lambda.send(new AddPermissionCommand({ FunctionName: name, ...permission })).finally(() => lambda.destroy());
  const Targets = [{ Id: name, Arn: provisioned.arn }];
  await stage.root.eventBridge.send(new PutTargetsCommand({ Rule: name, EventBusName, Targets }));
}

/** Active, and with its policy for the application's data. */
async function untilWorking(tenantId: string): Promise<KeyRecord> {
  const record = await untilActive(stage, tenantId);
  await until(`the role of ${tenantId} to have its policy`, () =>
    stage.iam
      .send(new GetRolePolicyCommand({ RoleName: roleName(tenantId), PolicyName: POLICY_NAME }))
      .catch((error) => {
        if (errorName(error) !== "NoSuchEntityException") throw error;
        return undefined;
      }),
  );
  return record;
}

const roleName = (tenantId: string) => `tk-${stage.settings.stage}-${tenantId}`;

interface Answer {
  readonly statusCode: number;
  readonly body?: string;
  readonly isBase64Encoded?: boolean;
}

/** As API Gateway's HTTP API hands a request to a function, once its authorizer has looked at the token. */
function request(tenantId: string | undefined, routeKey: string, more: object = {}) {
  const claims = { sub: "a-user", ...(tenantId !== undefined && { "custom:tenant": tenantId }) };
  return { version: "2.0", routeKey, requestContext: { authorizer: { jwt: { claims, scopes: null } } }, ...more };
}

async function call(tenantId: string | undefined, routeKey: string, more: object = {}): Promise<[number, unknown]> {
  const { statusCode, body, isBase64Encoded } = (await api.invoke(request(tenantId, routeKey, more))) as Answer;
  if (body === undefined) return [statusCode, undefined];
  return [statusCode, isBase64Encoded ? Buffer.from(body, "base64").toString() : JSON.parse(body)];
}

const FIRST = { pathParameters: { noteId: "first" } };
const ATTACHMENT = { pathParameters: { noteId: "first", name: "a.txt" } };
const putNote = (tenantId: string, body: string) => call(tenantId, "PUT /notes/{noteId}", { ...FIRST, body });
const getNote = (tenantId: string) => call(tenantId, "GET /notes/{noteId}", FIRST);
const putAttachment = (tenantId: string, body: string) =>
  call(tenantId, "PUT /notes/{noteId}/attachments/{name}", { ...ATTACHMENT, body });
const getAttachment = (tenantId: string) => call(tenantId, "GET /notes/{noteId}/attachments/{name}", ATTACHMENT);

describe("two tenants", () => {
  it("write and read their notes and attachments, of the same names, each its own", async () => {
    for (const tenantId of ["acme", "globex"]) {
      expect(await putNote(tenantId, `a note of ${tenantId}`)).toEqual([204, undefined]);
      expect(await putAttachment(tenantId, `a file of ${tenantId}`)).toEqual([204, undefined]);
    }
    for (const tenantId of ["acme", "globex"]) {
      const note = { noteId: "first", text: `a note of ${tenantId}`, attachments: ["a.txt"] };
      expect(await getNote(tenantId)).toEqual([200, note]);
      expect(await getAttachment(tenantId)).toEqual([200, `a file of ${tenantId}`]);
      expect(await call(tenantId, "GET /notes")).toEqual([200, { noteIds: ["first"] }]);
    }
    const { SSEKMSKeyId } = await s3.send(new HeadObjectCommand({ Bucket: NOTES_BUCKET, Key: "globex/first/a.txt" }));
    expect(SSEKMSKeyId).toBe(globex.keyArn);
  });

  it("are told what they did wrong, and nothing of the account", async () => {
    expect(await call("acme", "GET /notes/{noteId}", { pathParameters: { noteId: "none" } })).toMatchObject([
      404,
      { error: "not_found" },
    ]);
    expect(await call("acme", "GET /notes/{noteId}", { pathParameters: { noteId: "../x" } })).toMatchObject([
      400,
      { error: "invalid" },
    ]);
    expect(await call(undefined, "GET /notes")).toEqual([400, { error: "tenant_missing" }]);
    expect(await call("nobody", "GET /notes")).toEqual([404, { error: "tenant_unknown" }]);
  });
});

describe("a fault of the application that names the wrong tenant", () => {
  const REFUSED_BY_AWS = [
    ["reads the other tenant's note", ["access_denied", "AccessDeniedException"]],
    ["writes over the other tenant's note", ["access_denied", "AccessDeniedException"]],
    ["lists the other tenant's notes", ["access_denied", "AccessDeniedException"]],
    ["reads the other tenant's attachment", ["access_denied", "AccessDenied"]],
    ["puts an attachment under the other tenant's prefix", ["access_denied", "AccessDenied"]],
    ["puts its attachment with the other tenant's key", ["access_denied", "AccessDenied"]],
    ["asks KMS for a data key of the other tenant's", ["AccessDeniedException"]],
    ["takes the other tenant's role with its own tag", ["AccessDenied"]],
  ] as const;

  async function commit(fault: string): Promise<unknown> {
    const { tenantId, roleArn, keyArn } = globex;
    const queryStringParameters = { fault, tenantId, roleArn, keyArn };
    const { body = "" } = (await faulty.invoke(request("acme", "GET /fault", { queryStringParameters }))) as Answer;
    return JSON.parse(body);
  }

  it.each(REFUSED_BY_AWS)("and %s is refused by AWS itself", async (fault, errors) => {
    expect(await commit(fault)).toEqual({ errors });
  });

  it("and asks for the other tenant's key is refused before anything is asked of AWS", async () => {
    expect(await commit("asks for the other tenant's key")).toEqual({ errors: ["tenant_mixed_up"] });
  });

  it("reads nothing either where its role was given all tenants' data by mistake and the bucket has no policy: the key refuses", async () => {
    const PolicyName = "by-mistake";
    const RoleName = roleName("acme");
    const everything = {
      Sid: "ByMistake",
      Effect: "Allow",
      Action: ["s3:*", "dynamodb:*", "kms:*"],
      Resource: "*",
    } as const;
    const PolicyDocument = JSON.stringify(policyDocument([everything]));
    await stage.iam.send(new PutRolePolicyCommand({ RoleName, PolicyName, PolicyDocument }));
    await s3.send(new DeleteBucketPolicyCommand({ Bucket: NOTES_BUCKET }));
    const noteOutcome = await commit("reads the other tenant's note");
    const attachmentOutcome = await commit("reads the other tenant's attachment");
    await stage.iam.send(new DeleteRolePolicyCommand({ RoleName, PolicyName }));
    await protectBucket();

    expect(noteOutcome).toEqual({ errors: ["ciphertext_of_another_tenant"] });
    expect(attachmentOutcome).toEqual({ errors: ["access_denied", "AccessDenied"] });
  });

  it("changed nothing of the other tenant's", async () => {
    expect(await getNote("globex")).toMatchObject([200, { text: "a note of globex" }]);
    expect(await getAttachment("globex")).toEqual([200, "a file of globex"]);
  });
});

describe("a tenant that is stopped", () => {
  it("when suspended has its typed error within the limit, the other works on, and resumed it works again", async () => {
    await publish(stage, tenantEnvelope("TenantSuspended", { tenantId: "acme" }));
    await untilState(stage, "acme", "suspended");
    const refused = await until(
      "acme to be refused",
      async () => {
        const answer = await getNote("acme");
        return answer[0] !== 200 && answer;
      },
      WITHIN_LIMIT_MS,
    );
    expect(refused).toEqual([423, { error: "tenant_suspended" }]);
    expect(await putAttachment("acme", "more")).toEqual([423, { error: "tenant_suspended" }]);
    expect((await getNote("globex"))[0]).toBe(200);

    await publish(stage, tenantEnvelope("TenantResumed", { tenantId: "acme" }));
    await untilActive(stage, "acme");
    const works = () => until("acme to work again", async () => (await getNote("acme"))[0] === 200, WITHIN_LIMIT_MS);
    expect(await works()).toBe(true);
    expect(await getAttachment("acme")).toEqual([200, "a file of acme"]);
  });

  it("when somebody disabled its key by hand has the error that S3 gives for it, typed", async () => {
    const credentials = await stage.application();
    const tenantKeys = createTenantKeys({ stage: stage.settings.stage, ...stage.at, credentials });
    const own = tenantKeys.for("acme");
    const session = new S3Client({ ...stage.at, credentials: () => own.credentials(), forcePathStyle: true });
    const attachments = attachmentsOf(own, { bucket: NOTES_BUCKET }, { s3: session });
    expect(Buffer.from(await attachments.get("first", "a.txt")).toString()).toBe("a file of acme");

    await stage.root.kms.send(new DisableKeyCommand({ KeyId: acme.keyArn }));
    const error = await attachments.get("first", "a.txt").catch((cause: unknown) => cause);
    const answer = await putAttachment("acme", "more");
    await stage.root.kms.send(new EnableKeyCommand({ KeyId: acme.keyArn }));

    expect(error).toMatchObject({ code: "key_disabled", details: { tenantId: "acme", step: "s3:GetObject" } });
    expect(errorName((error as Error).cause)).toBe("KMS.DisabledException");
    expect(answer).toEqual([423, { error: "key_disabled" }]);
    expect(Buffer.from(await attachments.get("first", "a.txt")).toString()).toBe("a file of acme");
    session.destroy();
    tenantKeys.destroy();
  });
});
