/** What the tests of a tenant's life share: its key used as its application would, its state, and events from people. */
import { randomUUID } from "node:crypto";
import { CreateRoleCommand, PutRolePolicyCommand } from "@aws-sdk/client-iam";
import { DecryptCommand, DescribeKeyCommand, EncryptCommand, GetKeyPolicyCommand } from "@aws-sdk/client-kms";
import { GetQueueUrlCommand, SendMessageCommand, SQSClient } from "@aws-sdk/client-sqs";
import { clientConfig, workEvent } from "@tenantkeys/aws";
import { type KeyRecord, type LifecycleState, REPLY_SOURCE, stageNames } from "@tenantkeys/core";
import { assumeRole, type LocalStage } from "@tenantkeys/local";
import { type Envelope, readRecord, tenantEnvelope, until } from "./events.ts";
import { clockAhead, provisionerCredentials, provisionerPorts, testRun } from "./provisioner.ts";
import type { Session } from "./sessions.ts";

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

/** Somebody with a role of their own who may put messages into the provisioning queue: SQS tells the worker who it was. */
export async function person(stage: LocalStage, name: string): Promise<Person> {
  const AssumeRolePolicyDocument = JSON.stringify({
    Version: "2012-10-17",
    Statement: [
      { Effect: "Allow", Principal: { AWS: `arn:aws:iam::${stage.accountId}:root` }, Action: "sts:AssumeRole" },
    ],
  });
  await stage.iam.send(new CreateRoleCommand({ RoleName: name, AssumeRolePolicyDocument }));
  const PolicyDocument = JSON.stringify({
    Version: "2012-10-17",
    Statement: [{ Effect: "Allow", Action: ["sqs:GetQueueUrl", "sqs:SendMessage"], Resource: "*" }],
  });
  await stage.iam.send(new PutRolePolicyCommand({ RoleName: name, PolicyName: "send", PolicyDocument }));
  const roleArn = `arn:aws:iam::${stage.accountId}:role/${name}`;
  const credentials = await assumeRole(stage.at, stage.emulator.credentials, roleArn);
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
