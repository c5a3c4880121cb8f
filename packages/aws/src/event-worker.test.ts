import { ERROR_CODES, TenantKeysError } from "@tenantkeys/core";
import { describe, expect, test } from "vitest";
import { failingWith, RECEIVES_MAX, signUp, worker } from "./event-worker.test-support.ts";
import { awsError, fakeClients } from "./test-support.ts";

const RETRYABLE = ERROR_CODES.filter((code) => new TenantKeysError(code, "").retryable);
const FINAL = ERROR_CODES.filter((code) => !new TenantKeysError(code, "").retryable);

describe("a sign-up", () => {
  test("is done: each of its keys active, and said on the bus", async () => {
    const { aws, said, work } = worker();
    const outcome = await work({ body: signUp({ keyNames: ["payroll", "default"] }) });
    expect(outcome).toMatchObject({
      kind: "done",
      event: { eventId: "event-1", tenantId: "acme", generation: Date.parse("2026-11-01T09:00:00Z") },
      result: {
        keys: [
          { kind: "active", key: { keyName: "payroll" } },
          { kind: "active", key: { keyName: "default" } },
        ],
      },
    });
    expect(aws.keys).toHaveLength(2);
    expect(aws.roles.size).toBe(1);
    expect(said).toEqual(["publish TenantKeyProvisioned", "publish TenantKeyProvisioned"]);
  });

  test("older than what is known is done too, and changes nothing", async () => {
    const { work, aws } = worker();
    await work({ body: signUp({ generation: 7 }) });
    await expect(work({ body: signUp({ generation: 6 }) })).resolves.toMatchObject({
      kind: "done",
      result: { keys: [{ kind: "superseded", byGeneration: 7 }] },
    });
    expect(aws.keys).toHaveLength(1);
  });

  test("of SBT-AWS answers with the registration that it asked about", async () => {
    const { work, aws } = worker();
    const detail = { tenantId: "acme", tenantRegistrationId: "registration-1" };
    await work({ body: signUp({}, { "detail-type": "sbt_aws_onboardingRequest", detail }) });
    expect(aws.replies).toMatchObject([
      { source: "tenantkeys", detailType: "TenantKeyProvisioned", detail: { tenantRegistrationId: "registration-1" } },
      { source: "sbt.application.plane", detailType: "sbt_aws_provisionSuccess" },
    ]);
  });

  test("delivered twice at once in one process is worked on in turn: neither finds the lease taken", async () => {
    const { work, aws } = worker(async (_name, _signal, effect) => {
      await new Promise((resolve) => setImmediate(resolve));
      return effect();
    });
    const outcomes = await Promise.all([work(), work({ messageId: "message-2" })]);
    expect(outcomes.map(({ kind }) => kind)).toEqual(["done", "done"]);
    expect(aws.keys).toHaveLength(1);
  });
});

describe("an event that waiting can't help", () => {
  test.each(FINAL)("(%s) is kept first, then said, then done with", async (code) => {
    const { said, kept, work } = failingWith(code);
    await expect(work()).resolves.toMatchObject({ kind: "refused", eventId: "event-1", error: { code } });
    expect(said).toEqual(["keep", `publish TenantKeyProvisioningFailed ${code}`]);
    expect(kept).toEqual([
      {
        code,
        event: {
          refusalId: "message-1",
          receivedAtMs: 1_767_225_000_000,
          body: signUp(),
          eventId: "event-1",
        },
      },
    ]);
  });

  test.each([
    ["not JSON", "{", "event_not_json", "message-1"],
    ["null", "null", "event_invalid", "message-1"],
    ["without an id", signUp({}, { id: undefined }), "event_invalid", "message-1"],
    ["under an id that is too long", signUp({}, { id: "x".repeat(129) }), "event_invalid", "message-1"],
    ["of an unknown type", signUp({}, { "detail-type": "TenantLeft" }), "event_type_unknown", "event-1"],
    ["with a bad tenant id", signUp({ tenantId: "Acme!" }), "event_invalid", "event-1"],
    ["with a profile that the stage lacks", signUp({ profile: "gold" }), "event_invalid", "event-1"],
  ])("that is %s is kept as it came under its id, and nothing is made", async (_, body, code, eventId) => {
    const { aws, kept, work } = worker();
    await expect(work({ body })).resolves.toMatchObject({ kind: "refused", eventId, error: { code } });
    expect(kept).toMatchObject([{ code, event: { body, eventId, refusalId: "message-1" } }]);
    expect(aws.log).toEqual(["publish"]);
    expect(aws.replies).toMatchObject([{ detail: { code, eventId, keptIn: "refused store" } }]);
  });

  test("is given back where it can't be kept, and isn't said: it isn't lost and isn't announced as kept", async () => {
    const { said, givenBack, work } = failingWith("role_taken", {
      refusedStore: { keep: () => Promise.reject(new TenantKeysError("throttled", "later")) },
    });
    await expect(work()).resolves.toMatchObject({ kind: "retry", error: { code: "throttled" }, lastReceive: false });
    expect(said).toEqual(["give back"]);
    expect(givenBack).toMatchObject([{ input: { VisibilityTimeout: 5 } }]);
  });

  test("is given back where it was kept and can't be said", async () => {
    const { kept, said, work } = failingWith("role_taken", {
      publisher: { publishReply: () => Promise.reject(new TenantKeysError("publish_failed", "later")) },
    });
    await expect(work()).resolves.toMatchObject({ kind: "retry", error: { code: "publish_failed" } });
    expect(kept).toHaveLength(1);
    expect(said).toEqual(["keep", "give back"]);
  });
});

describe("a function of the stage", () => {
  const OFFBOARDED = signUp({}, { "detail-type": "TenantOffboarded" });
  const APPROVED = signUp({ offboardingGeneration: 1 }, { "detail-type": "TenantOffboardingApproved" });

  test.each(["verify", "sweep", "review", "provision"])(
    "(%s) neither offboards nor approves nor signs up",
    async (name) => {
      const { aws, kept, work } = worker();
      for (const body of [signUp(), OFFBOARDED, APPROVED]) {
        const outcome = work({ body, senderId: `AROAFUNCTIONEXAMPLE:tenantkeys-dev-${name}` });
        await expect(outcome).resolves.toMatchObject({ kind: "refused", error: { code: "sender_refused" } });
      }
      expect(kept).toHaveLength(3);
      expect(aws.log.filter((call) => call !== "publish")).toEqual([]);
    },
  );

  test("has keys reviewed, and nobody else is taken for it", async () => {
    const { work } = worker();
    await expect(work({ senderId: "AROAPERSONEXAMPLE:tenantkeys-dev-verifying" })).resolves.toMatchObject({
      kind: "done",
    });
    const review = signUp({ keyName: "default" }, { "detail-type": "TenantKeyReviewDue", source: "tenantkeys" });
    const outcome = work({ body: review, senderId: "AROAFUNCTIONEXAMPLE:tenantkeys-dev-verify" });
    await expect(outcome).resolves.toMatchObject({ kind: "done" });
  });
});

describe("a tenant of the canary's", () => {
  const CANARY = "AROAFUNCTIONEXAMPLE:tenantkeys-dev-canary";
  const canaryEvent = (type: string, tenantId: string, detail: object = {}) =>
    signUp({ tenantId, ...detail }, { "detail-type": type });

  test.each([undefined, "AIDAEVENTBRIDGE", "AROAPERSONEXAMPLE:alice"])(
    "is signed up by nobody else: %s",
    async (by) => {
      const { aws, work } = worker();
      for (const tenantId of ["tenantkeys-canary-a", "tenantkeys-canary-nobody"]) {
        for (const body of [
          canaryEvent("TenantSignedUp", tenantId),
          canaryEvent("TenantKeyAdded", tenantId, { keyName: "payroll" }),
        ]) {
          const outcome = work({ body, senderId: by });
          await expect(outcome).resolves.toMatchObject({ kind: "refused", error: { code: "tenant_id_reserved" } });
        }
      }
      expect(aws.log.filter((call) => call !== "publish")).toEqual([]);
    },
  );

  test("is offboarded by whoever may offboard any tenant", async () => {
    const outcome = worker().work({ body: canaryEvent("TenantOffboarded", "tenantkeys-canary-a") });
    await expect(outcome).resolves.toMatchObject({ kind: "done" });
  });

  test("is all that the canary asks for", async () => {
    const { aws, work } = worker();
    for (const body of [
      signUp(),
      canaryEvent("TenantSignedUp", "tenantkeys-canary-nobody"),
      canaryEvent("TenantKeyAdded", "tenantkeys-canary-a", { keyName: "payroll" }),
      canaryEvent("TenantOffboarded", "tenantkeys-canary-a"),
      canaryEvent("TenantOffboarded", "acme"),
    ]) {
      const outcome = work({ body, senderId: CANARY });
      await expect(outcome).resolves.toMatchObject({ kind: "refused", error: { code: "sender_refused" } });
    }
    const review = canaryEvent("TenantKeyReviewDue", "tenantkeys-canary-a", { keyName: "default" });
    const outcome = work({ body: review.replace("tenantkeys.application", "tenantkeys"), senderId: CANARY });
    await expect(outcome).resolves.toMatchObject({ kind: "refused", error: { code: "sender_refused" } });
    expect(aws.log.filter((call) => call !== "publish")).toEqual([]);
  });
});

describe("an event that may succeed later", () => {
  test.each(RETRYABLE)("(%s) is given back to the queue, unsaid until its last receive", async (code) => {
    const { said, work } = failingWith(code);
    await expect(work()).resolves.toMatchObject({
      kind: "retry",
      eventId: "event-1",
      error: { code, details: { tenantId: "acme" } },
      lastReceive: false,
    });
    expect(said).toEqual(["give back"]);
  });

  test("comes back after a delay that doubles with each receive", async () => {
    const { givenBack, work, ports } = failingWith("throttled");
    for (const receiveCount of [1, 2, 3, 4]) await work({ receiveCount });
    expect(givenBack.map(({ input }) => input.VisibilityTimeout)).toEqual([5, 10, 20, 40]);
    expect(givenBack[0]).toMatchObject({
      name: "ChangeMessageVisibility",
      input: { QueueUrl: ports.queueUrl, ReceiptHandle: "receipt-1" },
    });
  });

  test("comes back sooner where only the lease was taken", async () => {
    const { givenBack, work } = failingWith("lease_taken");
    for (const receiveCount of [1, 2, 3, 4]) await work({ receiveCount });
    expect(givenBack.map(({ input }) => input.VisibilityTimeout)).toEqual([1, 3, 5, 7]);
  });

  test("is said to have failed at its last receive, before SQS moves it to the dead-letter queue", async () => {
    const { aws, said, work } = failingWith("access_denied");
    const before = await work({ receiveCount: RECEIVES_MAX - 1 });
    expect(before).toMatchObject({ kind: "retry", lastReceive: false });
    expect(said).toEqual(["give back"]);
    await expect(work({ receiveCount: RECEIVES_MAX })).resolves.toMatchObject({ kind: "retry", lastReceive: true });
    expect(aws.replies).toMatchObject([
      {
        detailType: "TenantKeyProvisioningFailed",
        detail: { code: "access_denied", tenantId: "acme", step: "declare", keptIn: "dead-letter queue" },
      },
    ]);
  });

  test("stays given back where neither the queue nor the bus answers: the queue shows it again by itself", async () => {
    const { work } = failingWith("throttled", {
      sqs: fakeClients(() => {
        throw awsError("InternalError", 500);
      }).sqs,
      publisher: { publishReply: () => Promise.reject(new TenantKeysError("publish_failed", "no")) },
    });
    await expect(work({ receiveCount: RECEIVES_MAX })).resolves.toMatchObject({
      kind: "retry",
      error: { code: "throttled" },
    });
  });

  test("keeps the keys that were made before the failed one", async () => {
    let creations = 0;
    const { aws, work } = worker(async (name, _signal, effect) => {
      if (name === "CreateKey" && ++creations === 2) throw awsError("ThrottlingException", 400);
      return effect();
    });
    const body = signUp({ keyNames: ["default", "payroll"] });
    await expect(work({ body })).resolves.toMatchObject({
      kind: "retry",
      error: { code: "throttled", details: { keyName: "payroll" } },
    });
    expect(aws.tenantRecord()?.state).toBe("active");
    await expect(work({ body, receiveCount: 2 })).resolves.toMatchObject({ kind: "done" });
    expect(aws.keys).toHaveLength(2);
  });
});
