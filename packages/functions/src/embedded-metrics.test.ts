import type { QueueMessage, WorkOutcome } from "@tenantkeys/aws";
import { parseTenantId, type Stage, TenantKeysError } from "@tenantkeys/core";
import { describe, expect, test } from "vitest";
import { outcomeMetrics } from "./embedded-metrics.ts";

const STAGE = "dev" as Stage;
const SENT_AT_MS = 1_767_225_600_000;
const NOW_MS = SENT_AT_MS + 2_345;
const MESSAGE = { messageId: "message-1", receiveCount: 1, sentAtMs: SENT_AT_MS } as QueueMessage;
const ERROR = new TenantKeysError("throttled", "slower");

type Kind = "active" | "suspended" | "awaiting-material" | "superseded";

function done(type: string, ...kinds: readonly Kind[]): WorkOutcome {
  const event = { type, tenantId: parseTenantId("acme") };
  return { kind: "done", event, result: { about: "sign-up", keys: kinds.map((kind) => ({ kind })) } } as never;
}

const of = (outcome: WorkOutcome, message = MESSAGE) => outcomeMetrics(STAGE, message, outcome, NOW_MS);
const FAILED = [
  ["refused", { kind: "refused", eventId: "event-1", error: ERROR }],
  ["given up", { kind: "retry", eventId: "event-1", error: ERROR, lastReceive: true }],
] as const satisfies readonly (readonly [string, WorkOutcome])[];

describe("an outcome's metrics", () => {
  test("of a sign-up are the seconds from its arrival in the queue until the tenant could use its keys", () => {
    expect(of(done("TenantSignedUp", "active", "active"))).toEqual({
      _aws: {
        Timestamp: NOW_MS,
        CloudWatchMetrics: [
          {
            Namespace: "tenantkeys/dev",
            Dimensions: [["Stage"]],
            Metrics: [{ Name: "SignUpToActiveSeconds", Unit: "Seconds" }],
          },
        ],
      },
      Stage: "dev",
      SignUpToActiveSeconds: 2.345,
    });
  });

  test("are never less than nothing, whatever the two clocks say", () => {
    const fromTheFuture = { ...MESSAGE, sentAtMs: NOW_MS + 50 };
    expect(of(done("TenantSignedUp", "active"), fromTheFuture)).toMatchObject({ SignUpToActiveSeconds: 0 });
  });

  test.each(FAILED)("of an event that is %s are one failure", (_, outcome) => {
    expect(of(outcome)).toMatchObject({
      _aws: { CloudWatchMetrics: [{ Metrics: [{ Name: "ProvisioningFailed", Unit: "Count" }] }] },
      Stage: "dev",
      ProvisioningFailed: 1,
    });
  });

  test.each([
    ["that is tried again", { kind: "retry", eventId: "event-1", error: ERROR, lastReceive: false } as const],
    ["that leaves one key without its material", done("TenantSignedUp", "active", "awaiting-material")],
    ["that is older than what is known", done("TenantSignedUp", "superseded")],
    ["that isn't a sign-up", done("TenantKeyAdded", "active")],
  ])("of an event %s are none", (_, outcome) => {
    expect(of(outcome)).toEqual({});
  });

  test("name no tenant: each dimension's value is a metric of its own, and billed as one", () => {
    for (const outcome of [done("TenantSignedUp", "active"), ...FAILED.map(([, failed]) => failed)]) {
      expect(JSON.stringify(of(outcome))).not.toContain("acme");
    }
  });
});
