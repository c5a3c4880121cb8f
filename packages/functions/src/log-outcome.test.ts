import { Logger } from "@aws-lambda-powertools/logger";
import type { QueueMessage, WorkOutcome } from "@tenantkeys/aws";
import { parseKeyName, parseTenantId, TenantKeysError } from "@tenantkeys/core";
import { afterEach, describe, expect, test, vi } from "vitest";
import { logOutcome } from "./log-outcome.ts";
import { captureLog, type LogLine } from "./test-support.ts";

afterEach(() => {
  vi.restoreAllMocks();
  vi.unstubAllEnvs();
});

const BODY = JSON.stringify({ detail: { tenantId: "acme", note: "a body that nobody should read in a log" } });
const MESSAGE: QueueMessage = {
  messageId: "message-1",
  receiptHandle: "a receipt handle that lets its holder delete the message",
  body: BODY,
  receiveCount: 3,
  sentAtMs: 1_767_225_600_000,
};

function logged(outcome: WorkOutcome): LogLine {
  const lines = captureLog();
  logOutcome(new Logger({ serviceName: "test" }), MESSAGE, outcome, "request-1", {
    _aws: { Timestamp: 1 },
    Counted: 1,
  });
  expect(lines()).toHaveLength(1);
  return lines()[0] as LogLine;
}

const ERROR = new TenantKeysError("access_denied", "kms:CreateKey: User: x is not authorized", {
  tenantId: "acme",
  keyName: "payroll",
  step: "kms:CreateKey",
  cause: Object.assign(new Error("what AWS said"), { name: "AccessDeniedException" }),
});

const OUTCOMES: readonly (readonly [string, WorkOutcome, Partial<LogLine>])[] = [
  [
    "done",
    {
      kind: "done",
      event: {
        type: "TenantSignedUp",
        replyTo: "tenantkeys",
        eventId: "event-1",
        tenantId: parseTenantId("acme"),
        keyNames: [parseKeyName("payroll")],
        generation: 7,
        profile: "default",
      },
      result: {
        about: "sign-up",
        keys: [
          { kind: "active", key: { keyName: parseKeyName("payroll") } as never, tenant: {} as never },
          { kind: "superseded", byGeneration: 8 },
        ],
      },
    },
    {
      level: "INFO",
      message: "TenantSignedUp done",
      generation: 7,
      outcome: ["payroll: active", "superseded"],
    },
  ],
  [
    "refused",
    { kind: "refused", eventId: "event-1", error: ERROR },
    { level: "ERROR", message: "event refused and kept" },
  ],
  [
    "given back",
    { kind: "retry", eventId: "event-1", error: ERROR, lastReceive: false },
    { level: "WARN", message: "event given back to the queue" },
  ],
  [
    "given up",
    { kind: "retry", eventId: "event-1", error: ERROR, lastReceive: true },
    { level: "ERROR", message: "event given up to the dead-letter queue" },
  ],
];

describe.each(OUTCOMES)("a sign-up that is %s", (_, outcome, line) => {
  test("is one line that says who, which event, which try and what became of it", () => {
    expect(logged(outcome)).toMatchObject({
      ...line,
      tenantId: "acme",
      eventId: "event-1",
      attempt: 3,
      messageId: "message-1",
      requestId: "request-1",
    });
  });

  test("shows nothing of the event itself, and no receipt", () => {
    const text = JSON.stringify(logged(outcome));
    expect(text).not.toContain("nobody should read");
    expect(text).not.toContain("receipt handle");
  });
});

test.each(OUTCOMES)("the metrics of a sign-up that is %s are at the root of its line", (_, outcome) => {
  expect(logged(outcome)).toMatchObject({ _aws: { Timestamp: 1 }, Counted: 1 });
});

test("a failure's line says the code, the reason, the step and what to do", () => {
  expect(logged({ kind: "refused", eventId: "event-1", error: ERROR })).toMatchObject({
    code: "access_denied",
    reason: "kms:CreateKey: User: x is not authorized",
    step: "kms:CreateKey",
    keyName: "payroll",
    nextAction: expect.stringContaining("tenantkeys replay --dlq"),
    cause: "AccessDeniedException: what AWS said",
  });
});
