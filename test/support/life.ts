/** What the tests of a tenant's life share: its key used as its application would, its state, and events from people. */
import { randomUUID } from "node:crypto";
import { CreateRoleCommand, PutRolePolicyCommand } from "@aws-sdk/client-iam";
import { DecryptCommand, DescribeKeyCommand, EncryptCommand, GetKeyPolicyCommand } from "@aws-sdk/client-kms";
import { GetQueueUrlCommand, SendMessageCommand, SQSClient } from "@aws-sdk/client-sqs";
import { AssumeRoleCommand, STSClient } from "@aws-sdk/client-sts";
import {
  clientConfig,
  destructionsOfTenant,
  type KeptEvent,
  listKeptEvents,
  readKeptBody,
  startRun,
  systemClock,
  workEvent,
} from "@tenantkeys/aws";
import { type KeyRecord, type LifecycleState, parseTenantId, REPLY_SOURCE, stageNames } from "@tenantkeys/core";
import { type LocalStage, readCalls } from "@tenantkeys/local";
import { type Envelope, publish, type ReplyTap, readRecord, tenantEnvelope, until, untilActive } from "./events.ts";
import { clockAhead, provisionerCredentials, provisionerPorts, testRun } from "./provisioner.ts";
import type { Session } from "./sessions.ts";

/** A stage and what is heard from it, with the steps of its tenants' lives. */
export function livesOn(stage: LocalStage, tap: ReplyTap) {
  const happens = (type: string, tenantId: string, detail: object = {}) =>
    publish(stage, tenantEnvelope(type, { tenantId, ...detail }));
  return {
    /** Over the bus, newer than everything before. */
    happens,
    /** @returns the key's ARN */
    async signUp(tenantId: string, profile?: string): Promise<string> {
      await happens("TenantSignedUp", tenantId, profile === undefined ? {} : { profile });
      return (await untilActive(stage, tenantId)).keyArn ?? "";
    },
    replyOf: (detailType: string, tenantId: string) =>
      tap.next(
        `${detailType} of ${tenantId}`,
        (reply) => reply.detailType === detailType && reply.detail.tenantId === tenantId,
      ),
    stateInKms: async (keyArn: string) => (await describeKey(stage, keyArn))?.KeyState,
  };
}

/** Changes in KMS and IAM that AWS was asked for so far, by anybody. */
export async function mutations(stage: LocalStage): Promise<number> {
  const calls = await readCalls(stage.emulator.endpoint);
  const changing = calls.filter(({ action }) =>
    /^(kms|iam):(?!Get|List|Describe|Encrypt|Decrypt|Generate)/.test(action),
  );
  return changing.reduce((sum, { count }) => sum + count, 0);
}

const reading = () => startRun(systemClock, 10_000, 1_000);

/** What stays of a tenant's keys that are gone. */
export function destructionsOf(stage: LocalStage, tenantId: string) {
  const { registryTable } = stageNames(stage.settings.stage);
  return destructionsOfTenant(stage.root, reading(), registryTable, parseTenantId(tenantId));
}

/** What waits in the refused store about a tenant, newest first. */
export function keptEvents(stage: LocalStage, tenantId: string): Promise<readonly KeptEvent[]> {
  const { registryTable } = stageNames(stage.settings.stage);
  return listKeptEvents(stage.root, reading(), registryTable, { limit: 10, tenantId });
}

/** A kept event exactly as it came, to be replayed as it is. */
export async function keptBody(stage: LocalStage, kept: KeptEvent): Promise<Envelope> {
  return JSON.parse(await readKeptBody(stage.root, reading(), stageNames(stage.settings.stage).registryTable, kept));
}

export async function encrypt({ kms }: Session, KeyId: string, text: string): Promise<Uint8Array> {
  const { CiphertextBlob } = await kms.send(new EncryptCommand({ KeyId, Plaintext: Buffer.from(text) }));
  return CiphertextBlob ?? new Uint8Array();
}

export async function decrypt({ kms }: Session, KeyId: string, CiphertextBlob: Uint8Array): Promise<string> {
  const { Plaintext } = await kms.send(new DecryptCommand({ KeyId, CiphertextBlob }));
  return Buffer.from(Plaintext ?? []).toString();
}

export async function describeKey(stage: LocalStage, KeyId: string) {
  const { KeyMetadata } = await stage.root.kms.send(new DescribeKeyCommand({ KeyId }));
  return KeyMetadata;
}

export async function keyPolicySids(stage: LocalStage, KeyId: string): Promise<readonly string[]> {
  const { Policy } = await stage.root.kms.send(new GetKeyPolicyCommand({ KeyId, PolicyName: "default" }));
  return JSON.parse(Policy ?? "{}").Statement.map(({ Sid }: { readonly Sid: string }) => Sid);
}

/** Waits until the worker has given the key back in this state. */
export function untilState(
  stage: LocalStage,
  tenantId: string,
  state: LifecycleState,
  keyName = "default",
): Promise<KeyRecord> {
  return until(`${tenantId}/${keyName} to be ${state}`, async () => {
    const record = await readRecord(stage, tenantId, keyName);
    return record?.state === state && record.leaseUntilMs === 0 && record;
  });
}

export interface Person {
  readonly sqs: SQSClient;
}

/** A role that people of the account may take, with these rights on everything. @returns its ARN */
export async function roleThatMay(stage: LocalStage, RoleName: string, ...Action: string[]): Promise<string> {
  const document = (statement: object) => JSON.stringify({ Version: "2012-10-17", Statement: [statement] });
  const Principal = { AWS: `arn:aws:iam::${stage.accountId}:root` };
  const AssumeRolePolicyDocument = document({ Effect: "Allow", Principal, Action: "sts:AssumeRole" });
  const { Role } = await stage.iam.send(new CreateRoleCommand({ RoleName, AssumeRolePolicyDocument }));
  const PolicyDocument = document({ Effect: "Allow", Action, Resource: "*" });
  await stage.iam.send(new PutRolePolicyCommand({ RoleName, PolicyName: "rights", PolicyDocument }));
  return Role?.Arn ?? "";
}

/** Somebody with a role of their own who may put messages into the provisioning queue: SQS tells the worker who it was. */
export async function person(stage: LocalStage, name: string): Promise<Person> {
  await roleThatMay(stage, name, "sqs:GetQueueUrl", "sqs:SendMessage");
  return anotherSession(stage, name, "tenantkeys-local");
}

/** The same person under another name of a session, which whoever assumes a role may choose. */
export async function anotherSession(stage: LocalStage, name: string, RoleSessionName: string): Promise<Person> {
  const sts = new STSClient(clientConfig({ ...stage.at, credentials: stage.emulator.credentials }));
  const RoleArn = `arn:aws:iam::${stage.accountId}:role/${name}`;
  const { Credentials: session } = await sts
    .send(new AssumeRoleCommand({ RoleArn, RoleSessionName }))
    .finally(() => sts.destroy());
  const credentials = {
    accessKeyId: session?.AccessKeyId ?? "",
    secretAccessKey: session?.SecretAccessKey ?? "",
    sessionToken: session?.SessionToken ?? "",
  };
  return { sqs: new SQSClient(clientConfig({ ...stage.at, credentials })) };
}

/** What a person says, straight to the queue. @returns the event */
export async function say({ sqs }: Person, stage: LocalStage, type: string, detail: object): Promise<Envelope> {
  const event = tenantEnvelope(type, detail);
  const { QueueUrl } = await sqs.send(new GetQueueUrlCommand({ QueueName: stageNames(stage.settings.stage).queue }));
  await sqs.send(new SendMessageCommand({ QueueUrl, MessageBody: JSON.stringify(event) }));
  return event;
}

export function reviewDue(tenantId: string, keyName = "default"): Envelope {
  return { ...tenantEnvelope("TenantKeyReviewDue", { tenantId, keyName }), source: REPLY_SOURCE };
}

/** Works on an event in this process, under the provisioner's own rights, at another time than now. */
export async function workAt(stage: LocalStage, event: Envelope, aheadMs: number): Promise<string> {
  const credentials = await provisionerCredentials(stage);
  const ports = provisionerPorts({ ...stage, credentials });
  const message = { messageId: randomUUID(), receiptHandle: "", receiveCount: 1, sentAtMs: Date.now() };
  const outcome = await workEvent(ports, testRun(clockAhead(aheadMs)), { ...message, body: JSON.stringify(event) });
  return outcome.kind;
}
