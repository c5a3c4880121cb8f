import { type KmsEvent, parseKeyName, parseTenantId, TenantKeysError, verificationMessage } from "@tenantkeys/core";
import { describe, expect, test } from "vitest";
import { awsError, FakeClock } from "../test-support.ts";
import { sweepTick } from "./sweep/sweep-tick.ts";
import { CLEAN, longRun, SweepWorld, tenantKey } from "./sweep/sweep-world.test-support.ts";
import { type VerificationWorkerPorts, workVerificationMessage } from "./verification-worker.ts";

const ACME = parseTenantId("acme");
const PAYROLL = parseKeyName("payroll");

function world(): SweepWorld {
  const made = new SweepWorld();
  made.add(tenantKey("acme"));
  made.add(tenantKey("acme", "payroll"));
  return made;
}

/** Answers with the outcome and the delays after which the message was let come back. */
async function deliver(
  made: SweepWorld,
  body: string,
  more: Partial<VerificationWorkerPorts> & { readonly receiveCount?: number; readonly clock?: FakeClock } = {},
) {
  const { receiveCount = 1, clock = new FakeClock(), ...ports } = more;
  const delays: number[] = [];
  const sqs = {
    send: async ({ input }: { readonly input: { readonly VisibilityTimeout: number } }) => {
      delays.push(input.VisibilityTimeout);
    },
  };
  const delivery = { messageId: "m", body, receiptHandle: "r", receiveCount, queueUrl: "https://sqs.example/q" };
  const all = { ...made.workerPorts(), clients: { sqs: sqs as never }, ...ports };
  return { outcome: await workVerificationMessage(all, longRun(clock), delivery), delays };
}

describe("a message", () => {
  test("of a tenant has all its keys verified at once, every read direct and deep", async () => {
    const made = world();
    const { outcome, delays } = await deliver(made, verificationMessage({ kind: "tenant-key", tenantId: ACME }));
    expect(outcome).toMatchObject({ kind: "done", result: { tenantId: "acme", tenantKeys: 2, findings: 0 } });
    expect(made.verified.map(({ keyName }) => keyName)).toEqual(["default", "payroll"]);
    expect(made.verified).toMatchObject([{ depth: { grants: true, rotations: true } }, {}]);
    expect(made.verified[0]?.bulk).toBeUndefined();
    expect(delays).toEqual([]);
  });

  test("of one key has that one verified", async () => {
    const made = world();
    await deliver(made, verificationMessage({ kind: "tenant-key", tenantId: ACME, keyName: PAYROLL }));
    expect(made.verified.map(({ keyName }) => keyName)).toEqual(["payroll"]);
  });

  test("of a shard is worked off, and says what became of it", async () => {
    const made = world();
    await sweepTick(made.sweepPorts(), longRun(new FakeClock()));
    const { outcome } = await deliver(made, made.queue[0] ?? "");
    expect(outcome).toEqual({ kind: "done", work: "shard", result: { kind: "done", tenantKeys: 2, closed: true } });
  });

  test("whose shard lacked time comes back at once, and one that met a fault after a while", async () => {
    const made = world();
    await sweepTick(made.sweepPorts(), longRun(new FakeClock()));
    made.verdictOf = () => new TenantKeysError("deadline_near", "time is spent");
    const timely = await deliver(made, made.queue[0] ?? "");
    expect(timely).toMatchObject({ outcome: { kind: "retry", error: { code: "deadline_near" } }, delays: [0] });
    made.verdictOf = () => new TenantKeysError("throttled", "too fast");
    const later = await deliver(made, made.queue[0] ?? "", { receiveCount: 3 });
    expect(later).toMatchObject({ outcome: { kind: "retry", error: { code: "throttled" } }, delays: [20] });
  });

  test("of AWS's own is the guard's, which is told how often it came", async () => {
    const seen: unknown[] = [];
    const event = { source: "aws.kms", "detail-type": "KMS CMK Deletion", detail: {} };
    const outcomeOfGuard = { kind: "done", event: {} as KmsEvent, keys: [] } as const;
    const guard: VerificationWorkerPorts["guard"] = async (_run, given) => {
      seen.push(given);
      return outcomeOfGuard;
    };
    const { outcome } = await deliver(world(), JSON.stringify(event), { guard, receiveCount: 2 });
    expect(outcome).toEqual({ kind: "done", work: "aws-event", result: outcomeOfGuard });
    expect(seen).toEqual([{ event, receiveCount: 2 }]);
  });

  test("that the guard wants to see again comes back when it says", async () => {
    const error = new TenantKeysError("lease_taken", "a worker has the key in hand");
    const guard: VerificationWorkerPorts["guard"] = async () => ({
      kind: "unfinished",
      event: {} as KmsEvent,
      error,
      delaySeconds: 60,
    });
    const { outcome, delays } = await deliver(world(), '{"source":"aws.kms","detail-type":"x"}', { guard });
    expect({ outcome, delays }).toEqual({ outcome: { kind: "retry", error }, delays: [60] });
  });

  test.each([
    ["that isn't JSON", "{", "event_not_json"],
    ["of a kind that nobody knows", '{"version":"1","kind":"holiday"}', "event_type_unknown"],
    ["with a field too many", '{"version":"1","kind":"shard","sweepId":"s","shard":1,"more":1}', "event_invalid"],
  ])("%s is refused: it comes back at once until the queue gives it to its dead letters", async (_what, body, code) => {
    const { outcome, delays } = await deliver(world(), body);
    expect(outcome).toMatchObject({ kind: "refused", error: { code } });
    expect(delays).toEqual([0]);
  });

  test("that can't be given back comes back by itself, and its own error is the one that is told", async () => {
    const sqs = { send: () => Promise.reject(awsError("AccessDeniedException", 400)) };
    const { outcome } = await deliver(world(), "{", { clients: { sqs: sqs as never } });
    expect(outcome).toMatchObject({ kind: "refused", error: { code: "event_not_json" } });
  });

  test("is done where its tenant is nobody's", async () => {
    const made = world();
    made.verdictOf = () => CLEAN;
    const body = verificationMessage({ kind: "tenant-key", tenantId: parseTenantId("nobody") });
    expect((await deliver(made, body)).outcome).toMatchObject({ kind: "done", result: { tenantKeys: 0 } });
  });
});
