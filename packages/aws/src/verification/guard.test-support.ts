/** The guard on the in-memory AWS, for the tests of what becomes of an event. Nothing that ships imports it. */
import {
  FINDINGS_METRICS,
  type KeyRecord,
  parseKeyArn,
  parseStageSettings,
  type StageSettingsInput,
  stageContext,
} from "@tenantkeys/core";
import { type AroundCall, InMemoryAws, portsOn } from "../in-memory-aws.test-support.ts";
import { provisionTenantKey } from "../provision-tenant-key.ts";
import { ACME, CONTEXT, DEFAULT_KEY, FakeClock, fakeClients, KEY_ARN, runOn } from "../test-support.ts";
import { repairAutomatically } from "./automatic-repair.ts";
import { guardEvent } from "./guard.ts";
import type { GuardPorts } from "./guard-ports.ts";
import { verifyingOn } from "./verifying.test-support.ts";
import { createGuardMemory } from "./watch-use.ts";

export const TENANT_KEY = { tenantId: ACME, keyName: DEFAULT_KEY };
export const PROVISIONER = "arn:aws:iam::111122223333:role/tenantkeys/tenantkeys-dev-provisioner";
export const MINUTE_MS = 60_000;

interface SentEvent {
  readonly "detail-type": string;
  readonly detail: unknown;
}

interface ClientInput {
  readonly MessageBody: string;
  readonly ExpressionAttributeValues: { readonly ":keyArn": string };
}

/**
 * A stage with one tenant whose key is in use, and what the guard asked, counted and read.
 * @param around each of the auditor's reads
 */
export async function guard(settings: Partial<StageSettingsInput> = {}, around?: AroundCall) {
  const clock = new FakeClock();
  const aws = new InMemoryAws(clock);
  const declaration = { ...TENANT_KEY, generation: 5, profile: "default", eventId: "event-1" };
  await provisionTenantKey(portsOn(aws), runOn(clock), declaration);
  return guardOn({ aws, clock }, settings, around);
}

/** The guard of a stage that is there already. */
export function guardOn(
  { aws, clock }: { readonly aws: InMemoryAws; readonly clock: FakeClock },
  settings: Partial<StageSettingsInput> = {},
  around?: AroundCall,
) {
  const given = parseStageSettings({
    stage: "dev",
    applicationRoleArns: ["arn:aws:iam::111122223333:role/app/acme-web"],
    ...settings,
  });
  const context = stageContext(given, CONTEXT.accountId, CONTEXT.region);
  const metrics: Readonly<Record<string, number>>[] = [];
  const sent: SentEvent[] = [];
  const lookedUp: string[] = [];
  const counts = new Map<string, number>();
  let events = 0;
  const verifying = verifyingOn(aws, around);
  const ports: GuardPorts & typeof verifying = {
    ...verifying,
    settings: given,
    context,
    clients: fakeClients(({ name, input }) => {
      const { MessageBody, ExpressionAttributeValues: values } = input as unknown as ClientInput;
      if (name === "SendMessage") return sent.push(JSON.parse(MessageBody));
      // Of the repair ledger, and of the keys that its limit is a share of.
      if (name === "Get" || name === "Put") return {};
      if (name === "Scan") return { Items: [] };
      lookedUp.push(values[":keyArn"]);
      return { Items: [...aws.records.values()].filter(({ keyArn }) => keyArn === values[":keyArn"]) };
    }),
    tableName: "registry",
    putMetrics: async (_run, values) => {
      metrics.push(values);
    },
    provisioningQueueUrl: "https://sqs.example/provisioning",
    repair: (run, scope) => repairAutomatically(ports, run, scope),
    newEventId: () => `guard-${++events}`,
    useCounter: {
      count: async (_run, { tenantId, keyName }, atMs) => {
        const name = `${tenantId}/${keyName}/${Math.floor(atMs / MINUTE_MS)}`;
        counts.set(name, (counts.get(name) ?? 0) + 1);
        return counts.get(name);
      },
    },
    memory: createGuardMemory(),
  };
  const take = (event: unknown, receiveCount = 1, change: Partial<GuardPorts> = {}) =>
    guardEvent({ ...ports, ...change }, runOn(clock), { event, receiveCount });
  const openRules = () => [...ports.findings.open.values()].map(({ ruleId }) => ruleId);
  const change = (changes: Partial<KeyRecord>) =>
    aws.records.set("acme/default", { ...(aws.tenantRecord() as KeyRecord), ...changes });
  return { aws, clock, ports, metrics, sent, lookedUp, take, openRules, change };
}

const CALL = {
  id: "17793124-05d4-b198-2fde-7ededc63b103",
  source: "aws.kms",
  "detail-type": "AWS API Call via CloudTrail",
  account: "111122223333",
  region: "eu-west-1",
  time: "2026-01-01T00:00:00Z",
  resources: [],
};

const BY_HAND = { type: "IAMUser", arn: "arn:aws:iam::111122223333:user/maria", accountId: "111122223333" };

/** A session of this role, as CloudTrail writes it. */
export function sessionOf(roleArn: string): object {
  const name = roleArn.slice(roleArn.lastIndexOf("/") + 1);
  return {
    type: "AssumedRole",
    arn: `arn:aws:sts::111122223333:assumed-role/${name}/app`,
    accountId: "111122223333",
    sessionContext: { sessionIssuer: { type: "Role", arn: roleArn } },
  };
}

/** A call on the tenant's key, as CloudTrail tells of it. */
export function call(eventName: string, detail: object = {}): object {
  return {
    ...CALL,
    detail: {
      eventID: `${eventName}-1`,
      eventSource: "kms.amazonaws.com",
      eventName,
      eventTime: "2026-01-01T00:00:00Z",
      awsRegion: "eu-west-1",
      recipientAccountId: "111122223333",
      sourceIPAddress: "192.0.2.10",
      userIdentity: BY_HAND,
      requestParameters: { keyId: KEY_ARN },
      responseElements: null,
      resources: [{ ARN: KEY_ARN, accountId: "111122223333" }],
      ...detail,
    },
  };
}

/** What KMS itself says of a key. */
export function kmsSays(detailType: string, keyArn: string = KEY_ARN): object {
  return { ...CALL, "detail-type": detailType, resources: [keyArn], detail: { "key-id": keyArn.split("/")[1] } };
}

export const OTHER_KEY_ARN = parseKeyArn("arn:aws:kms:eu-west-1:111122223333:key/99");
export const CRITICAL = FINDINGS_METRICS.critical;
