/** What the local AWS puts on the default event bus about keys: CloudTrail's events of calls, and KMS's own. */
import { PutEventsCommand, PutRuleCommand, PutTargetsCommand } from "@aws-sdk/client-eventbridge";
import {
  CreateAliasCommand,
  CreateGrantCommand,
  CreateKeyCommand,
  DeleteAliasCommand,
  DisableKeyCommand,
  EncryptCommand,
  PutKeyPolicyCommand,
  RotateKeyOnDemandCommand,
  ScheduleKeyDeletionCommand,
  TagResourceCommand,
  UpdateAliasCommand,
} from "@aws-sdk/client-kms";
import { CreateQueueCommand, DeleteMessageCommand, ReceiveMessageCommand, SQSClient } from "@aws-sdk/client-sqs";
import { afterAll, beforeAll, expect, test } from "vitest";
import { advanceClock } from "./clock.ts";
import { type Emulator, startEmulator } from "./emulator.ts";
import { assume, type Caller, callerWith, keyPolicy, makeRole } from "./test-support.ts";
import { startTrail } from "./trail.ts";

const CALLED = "AWS API Call via CloudTrail";
const DAY_MS = 86_400_000;

let emulator: Emulator;
let root: Caller;
let sqs: SQSClient;

beforeAll(async () => {
  emulator = await startEmulator();
  root = callerWith(emulator, emulator.credentials);
  sqs = new SQSClient({ endpoint: emulator.endpoint, region: emulator.region, credentials: emulator.credentials });
}, 120_000);

afterAll(async () => {
  await emulator?.stop();
});

interface BusEvent {
  readonly source: string;
  readonly "detail-type": string;
  readonly resources: readonly string[];
  // biome-ignore lint/suspicious/noExplicitAny: what CloudTrail writes differs from call to call.
  readonly detail: any;
}

/** A queue behind a rule on the default bus. @returns reads what has come, oldest first; delivery is at once here */
async function listen(name: string, pattern: object, state: "ENABLED" | typeof WITH_READS = "ENABLED") {
  const QueueUrl = (await sqs.send(new CreateQueueCommand({ QueueName: name }))).QueueUrl as string;
  await root.events.send(new PutRuleCommand({ Name: name, EventPattern: JSON.stringify(pattern), State: state }));
  const Arn = `arn:aws:sqs:${emulator.region}:${emulator.accountId}:${name}`;
  await root.events.send(new PutTargetsCommand({ Rule: name, Targets: [{ Id: "queue", Arn }] }));
  return async (): Promise<readonly BusEvent[]> => {
    const events: BusEvent[] = [];
    for (let page = 0; page < 20; page++) {
      const { Messages } = await sqs.send(new ReceiveMessageCommand({ QueueUrl, MaxNumberOfMessages: 10 }));
      if (Messages === undefined) break;
      for (const { Body, ReceiptHandle } of Messages) {
        events.push(JSON.parse(Body ?? ""));
        await sqs.send(new DeleteMessageCommand({ QueueUrl, ReceiptHandle }));
      }
    }
    return events;
  };
}
const WITH_READS = "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS";

async function newKey(): Promise<string> {
  return (await root.kms.send(new CreateKeyCommand({}))).KeyMetadata?.Arn as string;
}

test("calls are no events while no trail logs, and PutEvents takes none in AWS's name", async () => {
  const heard = await listen("before-the-trail", { source: ["aws.kms"] });
  await root.kms.send(new DisableKeyCommand({ KeyId: await newKey() }));
  const { Entries } = await root.events.send(
    new PutEventsCommand({ Entries: [{ Source: "aws.kms", DetailType: CALLED, Detail: "{}" }] }),
  );
  expect(Entries?.[0]?.ErrorCode).toBe("NotAuthorizedForSourceException");
  expect(await heard()).toEqual([]);
});

test("KMS tells by itself of a key that is gone and of a rotation, with the key's ARN among the resources", async () => {
  const heard = await listen("kms-itself", { source: ["aws.kms"], "detail-type": [{ prefix: "KMS CMK" }] });
  const [gone, rotated] = [await newKey(), await newKey()];
  await root.kms.send(new RotateKeyOnDemandCommand({ KeyId: rotated }));
  await root.kms.send(new ScheduleKeyDeletionCommand({ KeyId: gone, PendingWindowInDays: 7 }));
  await advanceClock(emulator.endpoint, 8 * DAY_MS);
  expect(await heard()).toMatchObject([
    { "detail-type": "KMS CMK Rotation", resources: [rotated], detail: { "rotation-type": "ON_DEMAND" } },
    { "detail-type": "KMS CMK Deletion", resources: [gone], detail: { "key-id": gone.split("/")[1] } },
  ]);
});

test("with a trail each write names the call, the key and who called, as CloudTrail writes it", async () => {
  await startTrail(emulator);
  const roleArn = await makeRole(root, "somebody", {
    path: "/people/",
    allow: [{ Effect: "Allow", Action: "kms:*", Resource: "*" }],
  });
  const somebody = await assume(emulator, root, roleArn);
  const heard = await listen("writes", { source: ["aws.kms"], "detail-type": [CALLED] });
  const KeyId = await newKey();
  await somebody.kms.send(new ScheduleKeyDeletionCommand({ KeyId, PendingWindowInDays: 7 }));
  const [created, scheduled, ...others] = await heard();
  expect(others).toEqual([]);
  expect(created).toMatchObject({
    resources: [],
    detail: {
      eventName: "CreateKey",
      userIdentity: { type: "Root", arn: `arn:aws:iam::${emulator.accountId}:root` },
      responseElements: { keyMetadata: { arn: KeyId, keyState: "Enabled" } },
    },
  });
  expect(scheduled?.detail).toMatchObject({
    eventSource: "kms.amazonaws.com",
    eventName: "ScheduleKeyDeletion",
    readOnly: false,
    eventType: "AwsApiCall",
    requestParameters: { keyId: KeyId, pendingWindowInDays: 7 },
    responseElements: { keyId: KeyId, keyState: "PendingDeletion", deletionDate: expect.not.stringMatching(/T/) },
    resources: [{ accountId: emulator.accountId, type: "AWS::KMS::Key", ARN: KeyId }],
    userIdentity: {
      type: "AssumedRole",
      arn: `arn:aws:sts::${emulator.accountId}:assumed-role/somebody/test`,
      sessionContext: { sessionIssuer: { type: "Role", arn: roleArn, userName: "somebody" } },
    },
  });
});

test("aliases, grants, tags and policies name the key too, also where the call names none", async () => {
  const [KeyId, other] = [await newKey(), await newKey()];
  const heard = await listen("other-writes", { source: ["aws.kms"], detail: { readOnly: [false] } });
  const AliasName = "alias/tenantkeys/dev/a";
  const alias = `arn:aws:kms:${emulator.region}:${emulator.accountId}:${AliasName}`;
  await root.kms.send(new CreateAliasCommand({ AliasName, TargetKeyId: KeyId }));
  await root.kms.send(new UpdateAliasCommand({ AliasName, TargetKeyId: other }));
  await root.kms.send(new DeleteAliasCommand({ AliasName }));
  await root.kms.send(new TagResourceCommand({ KeyId, Tags: [{ TagKey: "A", TagValue: "b" }] }));
  const GranteePrincipal = `arn:aws:iam::${emulator.accountId}:root`;
  const Constraints = { EncryptionContextSubset: { Tenant: "A" } };
  await root.kms.send(new CreateGrantCommand({ KeyId, GranteePrincipal, Operations: ["Decrypt"], Constraints }));
  await root.kms.send(new PutKeyPolicyCommand({ KeyId, PolicyName: "default", Policy: keyPolicy() }));
  const told = (await heard()).map(({ detail }) => detail);
  const ofKey = (arn: string) => ({ accountId: emulator.accountId, type: "AWS::KMS::Key", ARN: arn });
  expect(told.map(({ eventName, resources }) => [eventName, resources])).toEqual([
    ["CreateAlias", [ofKey(alias), ofKey(KeyId)]],
    ["UpdateAlias", [ofKey(alias), ofKey(other)]],
    ["DeleteAlias", [ofKey(alias), ofKey(other)]],
    ["TagResource", [ofKey(KeyId)]],
    ["CreateGrant", [ofKey(KeyId)]],
    ["PutKeyPolicy", [ofKey(KeyId)]],
  ]);
  expect(told[3].requestParameters.tags).toEqual([{ tagKey: "A", tagValue: "b" }]);
  expect(told[4].requestParameters.constraints).toEqual({ encryptionContextSubset: { Tenant: "A" } });
  expect(told[5]).toMatchObject({ requestParameters: { policy: keyPolicy() }, responseElements: null });
});

test("a call that KMS refuses is told with its error", async () => {
  const KeyId = await newKey();
  await root.kms.send(new ScheduleKeyDeletionCommand({ KeyId }));
  const heard = await listen("refused", { source: ["aws.kms"], detail: { errorCode: [{ exists: true }] } });
  await expect(root.kms.send(new DisableKeyCommand({ KeyId }))).rejects.toThrow();
  expect((await heard())[0]?.detail).toMatchObject({
    eventName: "DisableKey",
    errorCode: "KMSInvalidStateException",
    responseElements: null,
  });
});

test("a use of a key goes to a rule in the state that asks for reads, without plaintext, and to no other", async () => {
  const pattern = { source: ["aws.kms"], detail: { eventName: ["Encrypt"] } };
  const [ordinary, withReads] = [await listen("ordinary", pattern), await listen("with-reads", pattern, WITH_READS)];
  const KeyId = await newKey();
  const EncryptionContext = { TenantId: "a" };
  await root.kms.send(new EncryptCommand({ KeyId, Plaintext: Buffer.from("secret"), EncryptionContext }));
  expect(await ordinary()).toEqual([]);
  const [used] = await withReads();
  expect(used?.detail).toMatchObject({
    readOnly: true,
    requestParameters: { keyId: KeyId, encryptionContext: EncryptionContext },
    responseElements: null,
  });
  expect(JSON.stringify(used)).not.toContain(Buffer.from("secret").toString("base64"));
});
