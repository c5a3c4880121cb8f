/** The worker on the in-memory AWS, for the tests of what becomes of an event. Nothing that ships imports it. */
import { type ErrorCode, REPLY_SOURCE, TenantKeysError } from "@tenantkeys/core";
import { type QueueMessage, type WorkerPorts, workEvent } from "./event-worker.ts";
import { type AroundCall, InMemoryAws, portsOn } from "./in-memory-aws.test-support.ts";
import { createTurns } from "./in-turn.ts";
import type { RefusedEvent } from "./refused-store.ts";
import { type Call, FakeClock, fakeClients, runOn, SETTINGS } from "./test-support.ts";

export const RECEIVES_MAX = 5;

export const signUp = (detail: object = {}, envelope: object = {}) =>
  JSON.stringify({
    id: "event-1",
    source: "tenantkeys.application",
    "detail-type": "TenantSignedUp",
    time: "2026-11-01T09:00:00Z",
    detail: { version: "1", tenantId: "acme", ...detail },
    ...envelope,
  });

const message = (change: Partial<QueueMessage> = {}): QueueMessage => ({
  messageId: "message-1",
  receiptHandle: "receipt-1",
  body: signUp(),
  receiveCount: 1,
  sentAtMs: 1_767_225_000_000,
  ...change,
});

/** A worker on the in-memory AWS, and what it told the queue, the bus and the refused store, in order. */
export function worker(around?: AroundCall, change: Partial<WorkerPorts> = {}) {
  const clock = new FakeClock();
  const aws = new InMemoryAws(clock);
  const said: string[] = [];
  const kept: { readonly event: RefusedEvent; readonly code: ErrorCode }[] = [];
  const givenBack: Call[] = [];
  const askedToVerify: unknown[] = [];
  const inMemory = portsOn(aws, around);
  const ports: WorkerPorts = {
    ...inMemory,
    publisher: {
      async publishReply(run, reply) {
        said.push(`publish ${reply.detailType} ${reply.detail.code ?? ""}`.trim());
        await inMemory.publisher.publishReply(run, reply);
      },
    },
    refusedStore: {
      keep: async (_run, event, reason) => {
        said.push("keep");
        kept.push({ event, code: reason.code });
      },
    },
    sqs: fakeClients((call) => {
      if (call.name === "SendMessage") {
        askedToVerify.push({ queueUrl: call.input.QueueUrl, ...JSON.parse(call.input.MessageBody) });
        return;
      }
      said.push("give back");
      givenBack.push(call);
    }).sqs,
    queueUrl: "https://sqs.example/provisioning",
    verificationQueueUrl: "https://sqs.example/verification",
    receivesMax: RECEIVES_MAX,
    retryDelaySeconds: 5,
    stage: SETTINGS,
    inTurn: createTurns(),
    ...change,
  };
  const work = (sent: Partial<QueueMessage> = {}) => workEvent(ports, runOn(clock), message(sent));
  return { aws, clock, said, kept, givenBack, askedToVerify, ports, work };
}

/** A worker that fails with this code before anything is made. */
export function failingWith(code: ErrorCode, change: Partial<WorkerPorts> = {}) {
  return worker(async (name, _signal, effect) => {
    if (name === "declare") throw new TenantKeysError(code, `${code} for a test`, { step: "declare" });
    return effect();
  }, change);
}

/** The body of any other event about the tenant, as the bus delivers it, or as our own schedule sends it. */
export const tenantEvent = (type: string, generation: number, detail: object = {}): string => {
  const source = type === "TenantKeyReviewDue" ? REPLY_SOURCE : "tenantkeys.application";
  const keyName = type === "TenantKeyReviewDue" ? { keyName: "default" } : {};
  const envelope = { id: `${type}-${generation}`, "detail-type": type, source };
  return signUp({ generation, ...keyName, ...detail }, envelope);
};
