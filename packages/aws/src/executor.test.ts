import { type Action, type DesiredTenantKey, parseAttemptId } from "@tenantkeys/core";
import { describe, expect, test } from "vitest";
import { type Applied, applyPlan } from "./executor.ts";
import { createRateLimiter, type RateLimiter } from "./rate-limiter.ts";
import { awsError, type Call, DESIRED, FakeClock, fakeClients, KEY_ARN, lostReply, runOn } from "./test-support.ts";

const ATTEMPT_ID = parseAttemptId("attempt-1");
const OPEN = { attemptId: ATTEMPT_ID, outcome: "open" } as const;
const NEW_TENANT: readonly (readonly Action[])[] = [
  [{ kind: "create-role" }, { kind: "create-key" }],
  [{ kind: "enable-rotation" }, { kind: "put-role-policy" }, { kind: "create-alias" }],
  [{ kind: "admit-tenant" }],
];
const ON_A_KEY = { keyArn: KEY_ARN, attempt: OPEN };

interface Change {
  /** Answers or throws in place of AWS, which lets everything pass; undefined leaves it to AWS. */
  readonly answer?: (call: Call) => unknown;
  readonly steps?: readonly (readonly Action[])[];
  readonly start?: Parameters<typeof applyPlan>[4];
  readonly desired?: DesiredTenantKey;
  readonly limiter?: RateLimiter;
  readonly clock?: FakeClock;
  readonly durationMs?: number;
  readonly visibilityBudgetMs?: number;
}

async function apply(change: Change = {}): Promise<Applied & { readonly calls: readonly Call[] }> {
  const calls: Call[] = [];
  const clock = change.clock ?? new FakeClock();
  const clients = fakeClients(async (call) => {
    calls.push(call);
    const answer = await change.answer?.(call);
    return answer ?? (call.name === "CreateKey" ? { KeyMetadata: { Arn: KEY_ARN } } : {});
  });
  const ports = {
    clients,
    clientsIn: () => clients,
    createKeyLimiter: change.limiter ?? createRateLimiter(1000),
    visibilityBudgetMs: change.visibilityBudgetMs ?? 10_000,
  };
  const start = change.start ?? { keyArn: undefined, attempt: OPEN };
  const run = runOn(clock, change.durationMs);
  const applied = await applyPlan(ports, run, change.desired ?? DESIRED, change.steps ?? NEW_TENANT, start);
  return { ...applied, calls };
}

const names = (calls: readonly Call[]) => calls.map((call) => call.name);
const failing = (name: string, error: Error) => (call: Call) => {
  if (call.name === name) throw error;
};

describe("a plan", () => {
  test("is applied step by step: a new tenant takes six calls", async () => {
    const { calls, ...applied } = await apply();
    expect(names(calls)).toEqual([
      "CreateRole",
      "CreateKey",
      "EnableKeyRotation",
      "PutRolePolicy",
      "CreateAlias",
      "PutKeyPolicy",
    ]);
    expect(applied).toEqual({
      keyArn: KEY_ARN,
      attempt: { attemptId: ATTEMPT_ID, outcome: "created", keyArn: KEY_ARN },
      surprised: false,
      aliasExists: false,
      taken: NEW_TENANT.flat().map(({ kind }) => kind),
      error: undefined,
    });
  });

  test("sends each call with what was desired, CreateKey through the client that sends once", async () => {
    const { calls } = await apply();
    const call = (name: string) => calls.find((made) => made.name === name);
    expect(call("CreateRole")?.input).toMatchObject({
      RoleName: "tk-dev-acme",
      Path: "/tenantkeys/dev/",
      PermissionsBoundary: DESIRED.role.boundaryArn,
      AssumeRolePolicyDocument: JSON.stringify(DESIRED.role.trustPolicy),
      Tags: [
        { Key: "tenantkeys:stage", Value: "dev" },
        { Key: "tenantkeys:tenant", Value: "acme" },
      ],
    });
    expect(call("CreateKey")).toMatchObject({
      client: "kmsOnce",
      input: {
        Policy: JSON.stringify(DESIRED.creationPolicy),
        Tags: [
          { TagKey: "tenantkeys:stage", TagValue: "dev" },
          { TagKey: "tenantkeys:tenant", TagValue: "acme" },
          { TagKey: "tenantkeys:key", TagValue: "default" },
          { TagKey: "tenantkeys:attempt", TagValue: "attempt-1" },
        ],
      },
    });
    expect(call("CreateKey")?.input).not.toHaveProperty("BypassPolicyLockoutSafetyCheck");
    expect(call("EnableKeyRotation")?.input).toEqual({ KeyId: KEY_ARN, RotationPeriodInDays: 365 });
    expect(call("PutRolePolicy")?.input).toEqual({
      RoleName: "tk-dev-acme",
      PolicyName: "key-default",
      PolicyDocument: JSON.stringify(DESIRED.rolePolicy(KEY_ARN)),
    });
    expect(call("CreateAlias")?.input).toEqual({
      AliasName: "alias/tenantkeys/dev/acme/default",
      TargetKeyId: KEY_ARN,
    });
    expect(call("PutKeyPolicy")?.input).toEqual({
      KeyId: KEY_ARN,
      PolicyName: "default",
      Policy: JSON.stringify(DESIRED.admittedPolicy),
    });
    expect(calls.every((made) => made.signal !== undefined)).toBe(true);
  });

  test("has the actions of a step under way side by side, and no later step before all are done", async () => {
    const waiting: (() => void)[] = [];
    const seen: string[][] = [[]];
    const done = apply({
      answer: ({ name }) => {
        seen.at(-1)?.push(name);
        return new Promise<void>((resolve) => waiting.push(resolve));
      },
    });
    while (seen.length < 4) {
      await new Promise((resolve) => setImmediate(resolve));
      seen.push([]);
      for (const answer of waiting.splice(0)) answer();
    }
    expect((await done).error).toBeUndefined();
    expect(seen.slice(0, 3)).toEqual([
      ["CreateRole", "CreateKey"],
      ["EnableKeyRotation", "PutRolePolicy", "CreateAlias"],
      ["PutKeyPolicy"],
    ]);
  });

  test("updates a trust policy, and discards a spare key with KMS's shortest window", async () => {
    const steps: Action[][] = [[{ kind: "update-trust-policy" }], [{ kind: "discard-spare-key", keyArn: KEY_ARN }]];
    const { calls, error } = await apply({ steps, start: ON_A_KEY });
    expect(error).toBeUndefined();
    expect(calls).toMatchObject([
      {
        name: "UpdateAssumeRolePolicy",
        input: { RoleName: "tk-dev-acme", PolicyDocument: JSON.stringify(DESIRED.role.trustPolicy) },
      },
      { name: "ScheduleKeyDeletion", input: { KeyId: KEY_ARN, PendingWindowInDays: 7 } },
    ]);
  });

  test("that lacks its key is refused rather than applied to nothing", async () => {
    const { calls, error } = await apply({ steps: [[{ kind: "create-alias" }]] });
    expect(error).toMatchObject({ code: "aws_unexpected", details: { step: "kms:CreateAlias" } });
    expect(calls).toEqual([]);
  });
});

describe("a step that fails", () => {
  test.each([
    ["CreateRole", "iam:CreateRole", ["CreateRole", "CreateKey"]],
    ["CreateKey", "kms:CreateKey", ["CreateRole", "CreateKey"]],
    ["EnableKeyRotation", "kms:EnableKeyRotation", 5],
    ["PutRolePolicy", "iam:PutRolePolicy", 5],
    ["CreateAlias", "kms:CreateAlias", 5],
    ["PutKeyPolicy", "kms:PutKeyPolicy", 6],
  ])("at %s is the last one, and the error names %s", async (name, step, called) => {
    const { calls, error } = await apply({ answer: failing(name, awsError("AccessDeniedException", 400)) });
    expect(error).toMatchObject({ code: "access_denied", details: { step } });
    if (typeof called === "number") expect(calls).toHaveLength(called);
    else expect(names(calls)).toEqual(called);
  });

  test("keeps the key that a sibling of the failed action made", async () => {
    const { keyArn, attempt, error } = await apply({
      answer: failing("CreateRole", awsError("LimitExceededException", 409)),
    });
    expect(error?.code).toBe("quota_exceeded");
    expect(keyArn).toBe(KEY_ARN);
    expect(attempt).toEqual({ attemptId: ATTEMPT_ID, outcome: "created", keyArn: KEY_ARN });
  });

  test("waits for the key that is still being made when a sibling fails", async () => {
    const { keyArn, error } = await apply({
      answer: async ({ name }) => {
        if (name === "CreateRole") throw awsError("AccessDenied", 403);
        await new Promise((resolve) => setImmediate(resolve));
      },
    });
    expect(error?.code).toBe("access_denied");
    expect(keyArn).toBe(KEY_ARN);
  });

  test("starts no call after the deadline", async () => {
    const clock = new FakeClock();
    const { calls, error, keyArn } = await apply({
      clock,
      durationMs: 1_000,
      answer: ({ name }) => {
        if (name === "CreateKey") clock.advance(1_000);
      },
    });
    expect(names(calls)).toEqual(["CreateRole", "CreateKey"]);
    expect(error).toMatchObject({ code: "deadline_near", retryable: true });
    expect(keyArn).toBe(KEY_ARN);
  });
});

test("nothing is called where no time is left at all", async () => {
  const { calls, error } = await apply({ durationMs: 0 });
  expect(calls).toEqual([]);
  expect(error?.code).toBe("deadline_near");
});

test("nothing is called again after a sleep that took longer than asked, past the deadline", async () => {
  class LateClock extends FakeClock {
    override sleep = (durationMs: number) => super.sleep(durationMs + 10_000);
  }
  const { calls, error } = await apply({
    steps: [[{ kind: "admit-tenant" }]],
    start: ON_A_KEY,
    clock: new LateClock(),
    durationMs: 10_000,
    answer: failing("PutKeyPolicy", awsError("MalformedPolicyDocumentException", 400)),
  });
  expect(calls).toHaveLength(1);
  expect(error?.code).toBe("deadline_near");
});

describe("an attempt at CreateKey", () => {
  test.each([
    ["AccessDeniedException", 400],
    ["ThrottlingException", 400],
    ["MalformedPolicyDocumentException", 400],
    ["LimitExceededException", 400],
  ])("stays unused where KMS answered %s", async (name, status) => {
    const { attempt, keyArn, error } = await apply({ answer: failing("CreateKey", awsError(name, status)) });
    expect(attempt).toEqual({ attemptId: ATTEMPT_ID, outcome: "unused" });
    expect(keyArn).toBeUndefined();
    expect(error).toBeDefined();
  });

  test.each([
    ["the reply was lost", lostReply()],
    ["KMS answered 500", awsError("KMSInternalException", 500)],
    ["KMS answered 503", awsError("DependencyTimeoutException", 503)],
    ["the call was ended by the run", Object.assign(new Error("Request aborted"), { name: "AbortError" })],
    ["the reply couldn't be read", awsError("SyntaxError", 200)],
  ])("stays open where %s", async (_, thrown) => {
    const { attempt, keyArn, error } = await apply({ answer: failing("CreateKey", thrown) });
    expect(attempt).toEqual(OPEN);
    expect(keyArn).toBeUndefined();
    expect(error?.retryable).toBe(true);
  });

  test("stays open where the reply names no key", async () => {
    const { attempt, error } = await apply({ answer: ({ name }) => (name === "CreateKey" ? {} : undefined) });
    expect(attempt).toEqual(OPEN);
    expect(error).toBeDefined();
  });

  test("stays unused, and isn't sent, where the rate leaves no turn within the run", async () => {
    const clock = new FakeClock();
    const limiter = createRateLimiter(1 / 60);
    await limiter.takeTurn(runOn(clock), "kms:CreateKey");
    const { attempt, error, calls } = await apply({ limiter, clock });
    expect(error).toMatchObject({ code: "rate_limited", retryable: true, details: { step: "kms:CreateKey" } });
    expect(attempt).toEqual({ attemptId: ATTEMPT_ID, outcome: "unused" });
    expect(names(calls)).toEqual(["CreateRole"]);
  });

  test("stays unused, and isn't sent, where the deadline passed while it waited for its turn", async () => {
    const clock = new FakeClock();
    const limiter: RateLimiter = { takeTurn: async () => clock.advance(60_000) };
    const { attempt, error, calls } = await apply({ limiter, clock });
    expect(error?.code).toBe("deadline_near");
    expect(attempt).toEqual({ attemptId: ATTEMPT_ID, outcome: "unused" });
    expect(names(calls)).toEqual(["CreateRole"]);
  });

  test("isn't touched by a plan that makes no key", async () => {
    const { attempt } = await apply({ steps: NEW_TENANT.slice(1), start: ON_A_KEY });
    expect(attempt).toEqual(OPEN);
  });
});

describe("something that exists already", () => {
  test.each(["EntityAlreadyExists", "EntityAlreadyExistsException"])(
    "as a role (%s) is a surprise: the key is kept and nothing follows",
    async (name) => {
      const applied = await apply({ answer: failing("CreateRole", awsError(name, 409)) });
      expect(applied).toMatchObject({ surprised: true, aliasExists: false, keyArn: KEY_ARN, error: undefined });
      expect(names(applied.calls)).toEqual(["CreateRole", "CreateKey"]);
    },
  );

  test("as an alias is a surprise that is told: nobody is let in", async () => {
    const applied = await apply({ answer: failing("CreateAlias", awsError("AlreadyExistsException", 400)) });
    expect(applied).toMatchObject({ surprised: true, aliasExists: true, keyArn: KEY_ARN, error: undefined });
    expect(names(applied.calls)).not.toContain("PutKeyPolicy");
  });

  test("is no excuse for a sibling that failed", async () => {
    const applied = await apply({
      answer: ({ name }) => {
        if (name === "CreateRole") throw awsError("EntityAlreadyExists", 409);
        if (name === "CreateKey") throw lostReply();
      },
    });
    expect(applied).toMatchObject({ surprised: true, error: { code: "aws_unavailable" }, attempt: OPEN });
  });
});

describe("letting the tenant in", () => {
  const admit = { steps: [[{ kind: "admit-tenant" }]] as Action[][], start: ON_A_KEY };
  const malformed = awsError(
    "MalformedPolicyDocumentException",
    400,
    "Policy contains a statement with invalid principals",
  );

  test("is refused under a policy that isn't contained", async () => {
    const stranger = { Sid: "Stranger", Effect: "Allow", Principal: { AWS: "*" }, Action: "kms:Decrypt" } as const;
    const desired = {
      ...DESIRED,
      admittedPolicy: { ...DESIRED.admittedPolicy, Statement: [...DESIRED.admittedPolicy.Statement, stranger] },
    };
    const { calls, error } = await apply({ ...admit, desired });
    expect(error).toMatchObject({ code: "policy_not_contained", retryable: false });
    expect(error?.message).toContain("Stranger lets in *");
    expect(calls).toEqual([]);
  });

  test("waits until KMS sees the new role", async () => {
    const clock = new FakeClock();
    let puts = 0;
    const { error } = await apply({
      ...admit,
      clock,
      answer: () => {
        if (++puts < 4) throw malformed;
      },
    });
    expect(error).toBeUndefined();
    expect(clock.sleptMs).toEqual([250, 500, 1000]);
  });

  test("is given up within the budget as role_not_visible, to be tried again", async () => {
    const clock = new FakeClock();
    const { error } = await apply({ ...admit, clock, answer: failing("PutKeyPolicy", malformed) });
    expect(error).toMatchObject({ code: "role_not_visible", retryable: true, details: { step: "kms:PutKeyPolicy" } });
    expect(error?.cause).toBe(malformed);
    expect(clock.sleptMs).toEqual([250, 500, 1000, 2000, 4000]);
  });

  test("isn't tried past the deadline", async () => {
    const clock = new FakeClock();
    const { error, calls } = await apply({
      ...admit,
      clock,
      durationMs: 1_000,
      answer: () => {
        clock.advance(600);
        throw malformed;
      },
    });
    expect(error?.code).toBe("role_not_visible");
    expect(calls).toHaveLength(2);
  });
});

describe("what AWS doesn't see yet", () => {
  test.each([
    ["EnableKeyRotation", "NotFoundException", "enable-rotation"],
    ["CreateAlias", "NotFoundException", "create-alias"],
    ["PutRolePolicy", "NoSuchEntityException", "put-role-policy"],
  ] as const)("by %s (%s) is waited out", async (name, error, kind) => {
    let times = 0;
    const applied = await apply({
      steps: [[{ kind }]],
      start: ON_A_KEY,
      answer: (call) => {
        if (call.name === name && ++times < 3) throw awsError(error, 404);
      },
    });
    expect(applied.error).toBeUndefined();
    expect(applied.calls).toHaveLength(3);
  });

  test.each([
    ["CreateRole", [[{ kind: "create-role" }]]],
    ["CreateKey", [[{ kind: "create-key" }]]],
    ["UpdateAssumeRolePolicy", [[{ kind: "update-trust-policy" }]]],
  ] as [string, Action[][]][])(
    "isn't the reason where %s rejects a document: its principals are the stage's own, so waiting can't help",
    async (name, steps) => {
      const clock = new FakeClock();
      const malformed = awsError("MalformedPolicyDocumentException", 400);
      const { error, calls } = await apply({ steps, clock, answer: failing(name, malformed) });
      expect(error).toMatchObject({ code: "policy_rejected", retryable: false });
      expect(calls).toHaveLength(1);
      expect(clock.sleptMs).toEqual([]);
    },
  );

  test("isn't the reason for any other refusal, which is thrown at once", async () => {
    const clock = new FakeClock();
    const { error } = await apply({
      steps: [[{ kind: "create-alias" }]],
      start: ON_A_KEY,
      clock,
      answer: failing("CreateAlias", awsError("AccessDeniedException", 400)),
    });
    expect(error?.code).toBe("access_denied");
    expect(clock.sleptMs).toEqual([]);
  });
});
