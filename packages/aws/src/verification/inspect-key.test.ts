import { type InspectedKey, parseKeyArn, type Region } from "@tenantkeys/core";
import { beforeEach, describe, expect, test } from "vitest";
import { type AroundCall, InMemoryAws, portsOn } from "../in-memory-aws.test-support.ts";
import { narrowAwsError } from "../narrow-error.ts";
import { provisionTenantKey } from "../provision-tenant-key.ts";
import { createRateLimiter } from "../rate-limiter.ts";
import {
  ACME,
  awsError,
  type Call,
  DEFAULT_KEY,
  DESIRED,
  FakeClock,
  fakeClients,
  runOn,
  START_MS,
} from "../test-support.ts";
import { inspectKey, type KeyDepth } from "./inspect-key.ts";
import { verifyingOn } from "./verifying.test-support.ts";

const WHOLE: KeyDepth = { grants: true, rotations: true, parts: "all" };
const CHEAP: KeyDepth = { grants: false, rotations: false, parts: "all" };

let clock: FakeClock;
let aws: InMemoryAws;

beforeEach(async () => {
  clock = new FakeClock();
  aws = new InMemoryAws(clock);
  const declaration = { tenantId: ACME, keyName: DEFAULT_KEY, generation: 5, profile: "default", eventId: "event-1" };
  await provisionTenantKey(portsOn(aws), runOn(clock), declaration);
});

const theKey = () => {
  const [key] = aws.keys;
  if (key === undefined) throw new Error("no key was made");
  return key;
};

async function inspect(depth: KeyDepth = WHOLE, around?: AroundCall, keyArn = theKey().arn) {
  const { observing, quota, turns } = verifyingOn(aws, around);
  const inspected = await inspectKey(observing, { run: runOn(clock), quota }, parseKeyArn(keyArn), depth);
  return { inspected, turns };
}

/** Answers the calls of this name with an error. */
const failing =
  (failed: string, error: Error): AroundCall =>
  async (name, _signal, effect) => {
    if (name === failed) throw error;
    return effect();
  };

const PARTS = ["description", "policy", "tags", "rotation", "rotations", "grants"] as const;
const kindsOf = (inspected: InspectedKey) =>
  inspected.kind === "present" ? Object.fromEntries(PARTS.map((part) => [part, inspected[part].kind])) : inspected.kind;

describe("a key that the auditor may look at", () => {
  test("is read fact by fact, each with a turn of its own", async () => {
    theKey().grants.push({ GrantId: "grant-1", GranteePrincipal: "arn:aws:iam::111122223333:role/other" });
    const { inspected, turns } = await inspect();
    expect(inspected).toEqual({
      kind: "present",
      keyArn: theKey().arn,
      description: {
        kind: "read",
        value: expect.objectContaining({ state: "Enabled", origin: "AWS_KMS", createdAtMs: START_MS }),
      },
      policy: { kind: "read", value: DESIRED.admittedPolicy },
      tags: { kind: "read", value: theKey().tags },
      rotation: { kind: "read", value: { enabled: true, periodDays: 365, nextRotationAtMs: undefined } },
      rotations: { kind: "read", value: [] },
      grants: {
        kind: "read",
        value: [expect.objectContaining({ grantId: "grant-1", operations: [], createdAtMs: 0 })],
      },
    });
    expect(turns.toSorted()).toEqual([
      "kms:DescribeKey",
      "kms:GetKeyPolicy",
      "kms:GetKeyRotationStatus",
      "kms:ListGrants",
      "kms:ListKeyRotations",
      "kms:ListResourceTags",
    ]);
  });

  test("isn't asked for grants and past rotations in a check that doesn't look so deep", async () => {
    const { inspected, turns } = await inspect(CHEAP);
    expect(kindsOf(inspected)).toMatchObject({ grants: "skipped", rotations: "skipped", rotation: "read" });
    expect(turns).toHaveLength(4);
  });

  test("of another account is only described", async () => {
    const { inspected, turns } = await inspect({ ...WHOLE, parts: "description" });
    expect(kindsOf(inspected)).toEqual({
      description: "read",
      policy: "skipped",
      tags: "skipped",
      rotation: "skipped",
      rotations: "skipped",
      grants: "skipped",
    });
    expect(turns).toEqual(["kms:DescribeKey"]);
  });
});

test("KMS's word that there is no such key is an answer", async () => {
  const arn = theKey().arn;
  aws.keys.splice(0);
  expect((await inspect(WHOLE, undefined, arn)).inspected).toEqual({ kind: "absent", keyArn: arn });
});

describe("a refused read", () => {
  test.each([
    ["DescribeKey", "description", "kms:DescribeKey"],
    ["GetKeyPolicy", "policy", "kms:GetKeyPolicy"],
    ["ListResourceTags", "tags", "kms:ListResourceTags"],
    ["GetKeyRotationStatus", "rotation", "kms:GetKeyRotationStatus"],
    ["ListKeyRotations", "rotations", "kms:ListKeyRotations"],
    ["ListGrants", "grants", "kms:ListGrants"],
  ])("of %s is denied with AWS's reason, and all others are made", async (name, part, operation) => {
    const message = `User: auditor is not authorized to perform: ${operation}`;
    const { inspected } = await inspect(WHOLE, failing(name, awsError("AccessDeniedException", 400, message)));
    expect(inspected).toHaveProperty(part, {
      kind: "denied",
      operation,
      reason: `${operation}: AccessDeniedException: ${message}`,
    });
    const others = Object.entries(kindsOf(inspected)).filter(([other]) => other !== part);
    expect(others.map(([, kind]) => kind)).toEqual(["read", "read", "read", "read", "read"]);
  });

  test.each([
    ["throttled", awsError("ThrottlingException", 400)],
    ["unavailable", awsError("KMSInternalException", 500)],
    ["broken", awsError("ValidationException", 400)],
  ])("by a KMS that is %s has failed, which is no denial", async (_, error) => {
    const { inspected } = await inspect(WHOLE, failing("GetKeyPolicy", error));
    expect(inspected).toMatchObject({ policy: { kind: "failed", operation: "kms:GetKeyPolicy" } });
  });

  test("by an endpoint that doesn't have the operation is unsupported: that is no fact about a key", async () => {
    const { inspected } = await inspect(WHOLE, failing("ListKeyRotations", awsError("InvalidAction", 400)));
    expect(inspected).toMatchObject({ rotations: { kind: "unsupported" }, grants: { kind: "read" } });
  });

  test("because the auditor's role can't be had ends the check: nobody was refused anything about this key", async () => {
    const error = narrowAwsError(awsError("AccessDenied", 403), "sts:AssumeRole");
    await expect(inspect(WHOLE, failing("GetKeyPolicy", error))).rejects.toMatchObject({
      code: "access_denied",
      details: { step: "sts:AssumeRole" },
    });
  });

  test("because the run's time is over ends the check", async () => {
    const { observing } = verifyingOn(aws);
    const limiter = createRateLimiter(0.01);
    const quota = { takeTurn: limiter.takeTurn };
    const run = runOn(clock, 1_000);
    await expect(inspectKey(observing, { run, quota }, parseKeyArn(theKey().arn), WHOLE)).rejects.toMatchObject({
      code: "rate_limited",
    });
  });
});

describe("a key that KMS never rotates by itself", () => {
  test("isn't asked whether it does", async () => {
    Object.assign(theKey(), { keySpec: "HMAC_256" });
    const { inspected, turns } = await inspect();
    expect(kindsOf(inspected)).toMatchObject({ rotation: "skipped", rotations: "skipped" });
    expect(turns).not.toContain("kms:GetKeyRotationStatus");
  });

  test("of imported material is asked for its rotations on request alone", async () => {
    Object.assign(theKey(), { origin: "EXTERNAL" });
    expect(kindsOf((await inspect()).inspected)).toMatchObject({ rotation: "skipped", rotations: "read" });
  });

  test("and that hides its description says so itself", async () => {
    const around: AroundCall = async (name, _signal, effect) => {
      if (name === "DescribeKey") throw awsError("AccessDeniedException", 400);
      if (/Rotation/.test(name)) throw awsError("UnsupportedOperationException", 400);
      return effect();
    };
    expect(kindsOf((await inspect(WHOLE, around)).inspected)).toMatchObject({
      description: "denied",
      rotation: "skipped",
      rotations: "skipped",
    });
  });
});

describe("a list of many pages", () => {
  const grant = (n: number) => ({ GrantId: `grant-${n}`, GranteePrincipal: "arn:aws:iam::111122223333:role/other" });

  async function inspectGrants(pages: number) {
    let page = 0;
    const answer = ({ name }: Call) => {
      if (name !== "ListGrants") throw awsError("AccessDeniedException", 400);
      return { Grants: [grant(page)], Truncated: ++page < pages, NextMarker: `page-${page}` };
    };
    const { quota, turns } = verifyingOn(aws);
    const reader = { run: runOn(clock), quota };
    const inspected = await inspectKey(fakeClients(answer), reader, parseKeyArn(theKey().arn), WHOLE);
    return { inspected, turns: turns.filter((turn) => turn === "kms:ListGrants").length };
  }

  test("is read to its end, with a turn for each page", async () => {
    const { inspected, turns } = await inspectGrants(7);
    expect(inspected).toMatchObject({ grants: { kind: "read", value: { length: 7 } } });
    expect(turns).toBe(7);
  });

  test("that has no end has failed, and says that it was cut", async () => {
    const { inspected } = await inspectGrants(Infinity);
    expect(inspected).toMatchObject({
      grants: { kind: "failed", reason: "kms:ListGrants: cut after 500 pages, and there are more" },
    });
  });
});

test("the regions in which KMS lists replicas are told", async () => {
  const metadata = {
    Arn: theKey().arn,
    KeyState: "Enabled",
    MultiRegionConfiguration: { ReplicaKeys: [{ Region: "eu-central-1" }] },
  };
  const clients = fakeClients(({ name }) => (name === "DescribeKey" ? { KeyMetadata: metadata } : {}));
  const reader = { run: runOn(clock), quota: verifyingOn(aws).quota };
  const inspected = await inspectKey(clients, reader, parseKeyArn(theKey().arn), CHEAP);
  const regions: readonly Region[] = ["eu-central-1" as Region];
  expect(inspected).toMatchObject({ description: { value: { replicaRegions: regions } } });
});
