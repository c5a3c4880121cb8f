import { ATTEMPT_TAG, type KeyDeclaration, type KeyRecord, TenantKeysError } from "@tenantkeys/core";
import { describe, expect, test } from "vitest";
import { type AroundCall, faultsOf, InMemoryAws, LEASE_DURATION_MS, portsOn } from "./in-memory-aws.test-support.ts";
import type { ProvisionPorts } from "./ports.ts";
import { provisionTenantKey } from "./provision-tenant-key.ts";
import { ACME, awsError, DEFAULT_KEY, DESIRED, FakeClock, lostReply, runOn, START_MS } from "./test-support.ts";

const CLEAN_CALLS = [
  "declare",
  "CreateRole",
  "CreateKey",
  "EnableKeyRotation",
  "PutRolePolicy",
  "CreateAlias",
  "PutKeyPolicy",
  "replace",
  "publish",
];

const declaration = (change: Partial<KeyDeclaration> = {}): KeyDeclaration => ({
  tenantId: ACME,
  keyName: DEFAULT_KEY,
  generation: 5,
  profile: "default",
  eventId: "event-1",
  ...change,
});

/** An AWS without the tenant, and workers on it that come one after the other. */
function world(indexLagMs = 0) {
  const clock = new FakeClock();
  const aws = new InMemoryAws(clock, indexLagMs);
  const provision = (change: Partial<KeyDeclaration> = {}, around?: AroundCall, ports: Partial<ProvisionPorts> = {}) =>
    provisionTenantKey({ ...portsOn(aws, around), ...ports }, runOn(clock), declaration(change));
  return { clock, aws, provision };
}

/** Fails the calls of this name, before or after they took effect. */
const failing =
  (failed: string, error: Error, moment: "before" | "after" = "before"): AroundCall =>
  async (name, _signal, effect) => {
    if (name !== failed) return effect();
    if (moment === "after") effect();
    throw error;
  };

const KMS_AND_IAM_MUTATION = /^(Create|Enable|Put|Update|Schedule)/;

describe("a first sign-up", () => {
  test("takes nine calls: two writes, six mutations, one event, and reads nothing", async () => {
    const { aws, provision } = world();
    const outcome = await provision();
    expect(aws.log).toEqual(CLEAN_CALLS);
    expect(faultsOf(aws)).toEqual([]);
    expect(outcome).toMatchObject({
      kind: "active",
      tenant: { tenantId: "acme", version: 1, lifeGeneration: 5 },
      key: {
        state: "active",
        stage: "dev",
        tenantId: "acme",
        keyName: "default",
        generation: 5,
        keyArn: aws.keys[0]?.arn,
        aliasName: "alias/tenantkeys/dev/acme/default",
        roleArn: "arn:aws:iam::111122223333:role/tenantkeys/dev/tk-dev-acme",
        eventId: "event-1",
        tenantRegistrationId: undefined,
      },
    });
    expect(aws.replies).toMatchObject([
      { detailType: "TenantKeyProvisioned", detail: { replyId: "dev/acme/default/5/provisioned" } },
    ]);
  });

  test("records its attempt and its lease before anything is made", async () => {
    const { aws, provision } = world();
    const seen: (KeyRecord | undefined)[] = [];
    await provision({}, async (name, _signal, effect) => {
      if (name === "CreateKey") seen.push(aws.tenantRecord());
      return effect();
    });
    expect(seen).toMatchObject([
      {
        state: "provisioning",
        attempts: [{ attemptId: "attempt-1", outcome: "open" }],
        fence: 1,
        leaseUntilMs: START_MS + LEASE_DURATION_MS,
      },
    ]);
    expect(aws.keys[0]?.tags[ATTEMPT_TAG]).toBe("attempt-1");
  });

  test("knows its own first write where the first reply to it was lost: it observes nothing", async () => {
    const { aws, provision } = world();
    // The SDK sends again what got no reply, and the condition then meets the first sending.
    await provision({}, async (name, _signal, effect) => {
      if (name === "declare") effect();
      return effect();
    });
    expect(aws.log).toEqual(["declare", ...CLEAN_CALLS]);
    expect(faultsOf(aws)).toEqual([]);
  });
});

describe("a sign-up sent again", () => {
  test.each([5, 6])(
    "with generation %i after 5 changes nothing in KMS and IAM, and says again what is",
    async (generation) => {
      const { aws, provision, clock } = world();
      await provision();
      clock.advance(1_000);
      aws.log.length = 0;
      await expect(provision({ generation, eventId: "event-2" })).resolves.toMatchObject({ kind: "active" });
      expect(aws.log.filter((name) => KMS_AND_IAM_MUTATION.test(name))).toEqual([]);
      expect(aws.keys).toHaveLength(1);
      expect(aws.tenantRecord()).toMatchObject({ generation, fence: 2, state: "active", activeAtMs: START_MS });
      expect(aws.replies.map(({ detail }) => detail.replyId)).toEqual([
        "dev/acme/default/5/provisioned",
        `dev/acme/default/${generation}/provisioned`,
      ]);
    },
  );

  test("with an older generation is superseded: it changes nothing and says nothing", async () => {
    const { aws, provision } = world();
    await provision();
    const before = aws.tenantRecord();
    aws.log.length = 0;
    await expect(provision({ generation: 4 })).resolves.toEqual({ kind: "superseded", byGeneration: 5 });
    // The tenant's own record learns since when the tenant is one.
    expect(aws.log).toEqual(["declare", "putTenant", "declare"].slice(0, aws.log.length));
    expect(aws.tenantRecord()).toEqual(before);
    expect(aws.replies).toHaveLength(1);
  });

  test("with the same generation and another profile is refused, and changes nothing", async () => {
    const { aws, provision } = world();
    await provision();
    const before = aws.tenantRecord();
    await expect(provision({ profile: "other" })).rejects.toMatchObject({
      code: "generation_conflict",
      details: { tenantId: "acme", keyName: "default", step: "declare" },
    });
    expect(aws.tenantRecord()).toEqual(before);
  });

  test("while another worker holds the key finds the lease taken, and changes nothing", async () => {
    const { aws, provision, clock } = world();
    await expect(provision({}, failing("replace", lostReply()))).rejects.toMatchObject({ code: "aws_unavailable" });
    const before = aws.tenantRecord();
    clock.advance(LEASE_DURATION_MS - 1);
    aws.log.length = 0;
    await expect(provision()).rejects.toMatchObject({
      code: "lease_taken",
      retryable: true,
      message: expect.stringContaining(new Date(START_MS + LEASE_DURATION_MS).toISOString()),
    });
    expect(aws.log).toEqual(["declare"]);
    expect(aws.tenantRecord()).toBe(before);
    clock.advance(1);
    await expect(provision()).resolves.toMatchObject({ kind: "active" });
    expect(faultsOf(aws)).toEqual([]);
  });

  test("after a reply that couldn't be published publishes it", async () => {
    const { aws, provision } = world();
    const refused = new TenantKeysError("publish_failed", "no", { step: "events:PutEvents" });
    await expect(provision({}, failing("publish", refused))).rejects.toMatchObject({ code: "publish_failed" });
    expect(aws.tenantRecord()).toMatchObject({ state: "active", leaseUntilMs: 0 });
    await provision();
    expect(aws.replies).toHaveLength(1);
  });
});

describe("a failure", () => {
  test.each(["CreateRole", "CreateKey", "EnableKeyRotation", "PutRolePolicy", "CreateAlias", "PutKeyPolicy"])(
    "at %s is recorded with its reason, gives the lease back, and the next worker goes on from there",
    async (name) => {
      const { aws, provision } = world();
      const denied = awsError("AccessDeniedException", 400, "User: provisioner is not authorized");
      const step = expect.stringMatching(new RegExp(`:${name}$`));
      await expect(provision({}, failing(name, denied))).rejects.toMatchObject({
        code: "access_denied",
        details: { tenantId: "acme", keyName: "default", step },
      });
      expect(aws.tenantRecord()).toMatchObject({
        state: "failed",
        leaseUntilMs: 0,
        failure: {
          code: "access_denied",
          step,
          message: expect.stringContaining("User: provisioner is not authorized"),
          nextAction: expect.stringContaining("tenantkeys replay --dlq"),
          failedAtMs: START_MS,
        },
      });
      expect(aws.replies).toEqual([]);
      await provision();
      expect(faultsOf(aws)).toEqual([]);
      expect(aws.keys).toHaveLength(1);
      expect(aws.tenantRecord()?.failure).toBeUndefined();
    },
  );

  test("of a sign-up sent again leaves an active key active, with the reason beside it", async () => {
    const { aws, provision } = world();
    await provision();
    await expect(provision({}, failing("GetRole", awsError("ThrottlingException", 400)))).rejects.toMatchObject({
      code: "throttled",
    });
    expect(aws.tenantRecord()).toMatchObject({ state: "active", leaseUntilMs: 0, failure: { code: "throttled" } });
  });

  test("that can't be recorded either is thrown as it was; the lease runs out by itself", async () => {
    const { aws, provision } = world();
    const broken: AroundCall = async (name, _signal, effect) => {
      if (name === "CreateAlias") throw awsError("AccessDeniedException", 400);
      if (name === "replace") throw lostReply();
      return effect();
    };
    await expect(provision({}, broken)).rejects.toMatchObject({ code: "access_denied" });
    expect(aws.tenantRecord()).toMatchObject({ state: "provisioning", leaseUntilMs: START_MS + LEASE_DURATION_MS });
  });

  test("with a message of any length is recorded with 2,000 characters of it", async () => {
    const { aws, provision } = world();
    const wordy = awsError("AccessDeniedException", 400, "x".repeat(5_000));
    await expect(provision({}, failing("CreateRole", wordy))).rejects.toThrow();
    expect(aws.tenantRecord()?.failure?.message).toHaveLength(2_000);
  });
});

describe("a worker that lost its lease", () => {
  test("while it applied writes nothing more, and says nothing", async () => {
    const { aws, provision } = world();
    let overtaken: KeyRecord | undefined;
    const takeOver: AroundCall = async (name, _signal, effect) => {
      if (name === "PutKeyPolicy") {
        overtaken = { ...(aws.tenantRecord() as KeyRecord), fence: 2 };
        aws.records.set("acme/default", overtaken);
      }
      return effect();
    };
    await expect(provision({}, takeOver)).rejects.toMatchObject({ code: "lease_lost", retryable: true });
    expect(aws.log.filter((name) => name === "replace")).toHaveLength(1);
    expect(aws.tenantRecord()).toBe(overtaken);
    expect(aws.replies).toEqual([]);
  });

  test("as it took over applies nothing", async () => {
    const { aws, provision, clock } = world();
    await expect(provision({}, failing("CreateKey", awsError("ThrottlingException", 400)))).rejects.toThrow();
    clock.advance(LEASE_DURATION_MS);
    aws.log.length = 0;
    const takeOver: AroundCall = async (name, _signal, effect) => {
      const record = aws.tenantRecord() as KeyRecord;
      const leaseUntilMs = clock.nowMs() + LEASE_DURATION_MS;
      if (name === "declare") aws.records.set("acme/default", { ...record, fence: record.fence + 1, leaseUntilMs });
      return effect();
    };
    await expect(provision({}, takeOver)).rejects.toMatchObject({ code: "lease_taken" });
    expect(aws.log).toEqual(["declare"]);
  });
});

describe("an attempt at CreateKey", () => {
  test("that KMS refused is used again", async () => {
    const { aws, provision } = world();
    await expect(provision({}, failing("CreateKey", awsError("ThrottlingException", 400)))).rejects.toThrow();
    expect(aws.tenantRecord()?.attempts).toEqual([{ attemptId: "attempt-1", outcome: "unused" }]);
    const seen: unknown[] = [];
    await provision({}, async (name, _signal, effect) => {
      if (name === "CreateKey") seen.push(aws.tenantRecord()?.attempts);
      return effect();
    });
    // Open again before the call: whoever finds this record can't take it for unused.
    expect(seen).toEqual([[{ attemptId: "attempt-1", outcome: "open" }]]);
    expect(aws.keys[0]?.tags[ATTEMPT_TAG]).toBe("attempt-1");
  });

  test("whose reply was lost is found by its tag: no second key is made", async () => {
    const { aws, provision } = world();
    await expect(provision({}, failing("CreateKey", lostReply(), "after"))).rejects.toMatchObject({
      code: "aws_unavailable",
    });
    expect(aws.tenantRecord()?.attempts).toEqual([{ attemptId: "attempt-1", outcome: "open" }]);
    await provision();
    expect(aws.keys).toHaveLength(1);
    expect(faultsOf(aws)).toEqual([]);
  });

  test("whose key the tag index doesn't show yet is followed by another; the spare is discarded when it is found", async () => {
    const { aws, provision, clock } = world(60_000);
    await expect(provision({}, failing("CreateKey", lostReply(), "after"))).rejects.toThrow();
    await provision();
    expect(aws.keys.map(({ state }) => state)).toEqual(["Enabled", "Enabled"]);
    expect(aws.tenantRecord()?.keyArn).toBe(aws.keys[1]?.arn);
    clock.advance(60_000);
    await provision();
    expect(aws.keys.map(({ state, everAdmitted }) => [state, everAdmitted])).toEqual([
      ["PendingDeletion", false],
      ["Enabled", true],
    ]);
    expect(faultsOf(aws)).toEqual([]);
  });

  test("isn't made a sixth time: a crash loop stops at five keys and asks for a person", async () => {
    const { aws, provision } = world(1e9);
    for (let crash = 0; crash < 5; crash++) {
      await expect(provision({}, failing("CreateKey", lostReply(), "after"))).rejects.toMatchObject({
        code: "aws_unavailable",
      });
    }
    await expect(provision()).rejects.toMatchObject({ code: "attempts_exhausted", retryable: false });
    expect(aws.keys).toHaveLength(5);
    expect(aws.tenantRecord()).toMatchObject({ state: "failed", failure: { code: "attempts_exhausted" } });
  });
});

describe("what others made", () => {
  test("a role of this name without our tags is refused and left as it is, and no key is let in", async () => {
    const { aws, provision } = world();
    const foreign = { path: "/", tags: {}, boundaryArn: "", trustPolicy: "{}", policies: new Map<string, string>() };
    aws.roles.set(DESIRED.role.name, foreign);
    await expect(provision()).rejects.toMatchObject({ code: "role_taken", retryable: false });
    expect(aws.roles.get(DESIRED.role.name)).toEqual(foreign);
    expect(foreign.policies.size).toBe(0);
    expect(aws.keys.some((key) => key.everAdmitted)).toBe(false);
  });

  test("an alias of this name on a key that doesn't let us look is refused and left as it is", async () => {
    const { aws, provision } = world();
    aws.aliases.set(DESIRED.aliasName, "arn:aws:kms:eu-west-1:111122223333:key/not-ours");
    const hidden: AroundCall = async (name, _signal, effect) => {
      if (name === "DescribeKey") throw awsError("AccessDeniedException", 400);
      return effect();
    };
    await expect(provision({}, hidden)).rejects.toMatchObject({ code: "alias_taken", retryable: false });
    expect(aws.aliases.get(DESIRED.aliasName)).toBe("arn:aws:kms:eu-west-1:111122223333:key/not-ours");
    expect(aws.keys.some((key) => key.everAdmitted)).toBe(false);
  });

  test("our own role, left by a run whose record is lost, is adopted", async () => {
    const { aws, provision } = world();
    await provision({}, failing("CreateKey", awsError("ThrottlingException", 400))).catch(() => undefined);
    aws.records.clear();
    await provision();
    expect(faultsOf(aws)).toEqual([]);
  });

  test("a plan that never comes to rest is given up after three rounds", async () => {
    const { aws, provision } = world();
    await provision({}, failing("CreateKey", awsError("ThrottlingException", 400))).catch(() => undefined);
    aws.log.length = 0;
    // A role that is there whenever it is made and gone whenever it is looked for.
    const flicker: AroundCall = async (name, _signal, effect) => {
      if (name === "GetRole") throw awsError("NoSuchEntityException", 404);
      return effect();
    };
    await expect(provision({}, flicker)).rejects.toMatchObject({ code: "plan_not_converging", retryable: true });
    expect(aws.log.filter((name) => name === "CreateRole")).toHaveLength(3);
    expect(aws.keys).toHaveLength(1);
  });
});
