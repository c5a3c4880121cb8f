import { parseRegion, TenantKeysError } from "@tenantkeys/core";
import { describe, expect, test } from "vitest";
import { signUp, tenantEvent, worker } from "../event-worker.test-support.ts";
import { KEY_ARN, START_MS } from "../test-support.ts";
import {
  CRITICAL,
  call,
  guard,
  guardOn,
  kmsSays,
  OTHER_KEY_ARN,
  PROVISIONER,
  sessionOf,
  TENANT_KEY,
} from "./guard.test-support.ts";
import type { GuardOutcome } from "./guard-ports.ts";

const DAY_MS = 86_400_000;
const UNINTENDED = "key-pending-deletion-unintended";
const SCHEDULED = call("ScheduleKeyDeletion", { responseElements: { keyId: KEY_ARN, keyState: "PendingDeletion" } });

type Guard = Awaited<ReturnType<typeof guard>>;

const schedule = ({ aws }: Pick<Guard, "aws">) =>
  aws.answer("ScheduleKeyDeletion", { KeyId: KEY_ARN, PendingWindowInDays: 7 } as never);
describe("a deletion that nobody declared", () => {
  test("becomes a finding and rings, and is cancelled only where the stage says so", async () => {
    const stage = await guard();
    schedule(stage);
    const outcome = await stage.take(SCHEDULED);
    expect(outcome).toMatchObject({ kind: "done", keys: [{ ...TENANT_KEY, opened: [UNINTENDED], asked: [] }] });
    expect(stage.openRules()).toEqual([UNINTENDED]);
    expect(stage.metrics).toEqual([{ UnintendedDeletions: 1, [CRITICAL]: 1 }]);
    expect(stage.sent).toEqual([]);
  });

  test("is to be cancelled by the worker where the stage says so, for that rule alone", async () => {
    const stage = await guard({ cancelUnintendedDeletions: true });
    schedule(stage);
    expect(await stage.take(SCHEDULED)).toMatchObject({ keys: [{ asked: ["repair"] }] });
    expect(stage.ports.turns).toContain("kms:ListGrants");
    expect(stage.sent).toMatchObject([
      {
        "detail-type": "TenantKeyRepairRequested",
        source: "tenantkeys",
        detail: {
          version: "1",
          stage: "dev",
          tenantId: "acme",
          keyName: "default",
          rules: [UNINTENDED],
          automatic: true,
        },
      },
    ]);
    expect(stage.metrics).toHaveLength(1);
  });

  test("rings with every copy of its event, and opens one finding", async () => {
    const stage = await guard();
    schedule(stage);
    const outcomes = [await stage.take(SCHEDULED), await stage.take(SCHEDULED)];
    expect(outcomes).toMatchObject([{ keys: [{ opened: [UNINTENDED] }] }, { keys: [{ opened: [] }] }]);
    expect(stage.metrics).toHaveLength(2);
    expect(stage.ports.findings.open.size).toBe(1);
  });

  test("rings also where the worker's own role did it: what is declared decides", async () => {
    const stage = await guard();
    schedule(stage);
    await stage.take(call("ScheduleKeyDeletion", { userIdentity: sessionOf(PROVISIONER) }));
    expect(stage.metrics).toEqual([{ UnintendedDeletions: 1, [CRITICAL]: 1 }]);
  });

  test("is cancelled though it can't ring, and rings though it can't be cancelled; either way it is tried again", async () => {
    const fail = async () => {
      throw new TenantKeysError("throttled", "slow down");
    };
    const mute = await guard({ cancelUnintendedDeletions: true });
    schedule(mute);
    await expect(mute.take(SCHEDULED, 1, { putMetrics: fail })).rejects.toMatchObject({ code: "throttled" });
    expect(mute.sent).toHaveLength(1);
    const unable = await guard({ cancelUnintendedDeletions: true });
    schedule(unable);
    await expect(unable.take(SCHEDULED, 1, { repair: fail })).rejects.toMatchObject({ code: "throttled" });
    expect(unable.metrics).toHaveLength(1);
  });
});

describe("a planned offboarding", () => {
  test("raises nothing but the finding for information, whenever its event comes", async () => {
    const meanwhile: GuardOutcome[] = [];
    const planned = worker(async (name, _signal, effect) => {
      const answer = effect();
      if (name === "ScheduleKeyDeletion") meanwhile.push(await stage.take(SCHEDULED));
      return answer;
    });
    const stage = guardOn(planned, { cancelUnintendedDeletions: true });
    await planned.work({ body: signUp({ generation: 5 }) });
    await planned.work({ body: tenantEvent("TenantOffboarded", 6) });
    planned.clock.advance(8 * DAY_MS);
    await planned.work({ body: tenantEvent("TenantKeyReviewDue", 7) });
    expect(stage.aws.tenantRecord()?.state).toBe("pending-deletion");
    // Between the call and its record the worker holds the key.
    expect(meanwhile).toMatchObject([{ kind: "unfinished", error: { code: "lease_taken" } }]);
    expect(await stage.take(SCHEDULED, 2)).toMatchObject({ keys: [{ opened: ["key-pending-deletion-intended"] }] });
    expect(stage.openRules()).toEqual(["key-pending-deletion-intended"]);
    expect(stage.metrics).toEqual([]);
    expect(stage.sent).toEqual([]);
  });

  test("doesn't cover a deletion by hand before its time: that rings as any other", async () => {
    const leaving = worker();
    const stage = guardOn(leaving);
    await leaving.work({ body: signUp({ generation: 5 }) });
    await leaving.work({ body: tenantEvent("TenantOffboarded", 6) });
    schedule(stage);
    await stage.take(SCHEDULED);
    expect(stage.openRules()).toEqual([UNINTENDED]);
    expect(stage.metrics).toEqual([{ UnintendedDeletions: 1, [CRITICAL]: 1 }]);
  });

  test("is looked at again while the worker holds the key, and not judged meanwhile", async () => {
    const stage = await guard();
    schedule(stage);
    stage.change({ leaseUntilMs: START_MS + 75_000 });
    const looks = [];
    for (const receive of [1, 2, 3, 4]) looks.push(await stage.take(SCHEDULED, receive));
    expect(looks).toMatchObject(
      [5, 15, 60, 120].map((delaySeconds) => ({ kind: "unfinished", error: { code: "lease_taken" }, delaySeconds })),
    );
    expect(stage.openRules()).toEqual([]);
    expect(stage.metrics).toEqual([]);
  });

  test("a key that is in hand each time is left to the sweep, and said to be", async () => {
    const stage = await guard();
    stage.change({ leaseUntilMs: START_MS + 75_000 });
    expect(await stage.take(call("TagResource"), 5)).toMatchObject({ kind: "done", keys: [{ leftToSweep: true }] });
  });
});

describe("KMS's reads lag", () => {
  test.each(["ScheduleKeyDeletion", "DisableKey"])(
    "%s that doesn't show is given back twice, then KMS is believed",
    async (name) => {
      const stage = await guard();
      const outcomes = [];
      for (const receive of [1, 2, 3]) outcomes.push(await stage.take(call(name), receive));
      expect(outcomes).toMatchObject([
        { kind: "unfinished", error: { code: "change_not_visible" }, delaySeconds: 5 },
        { kind: "unfinished", error: { code: "change_not_visible" }, delaySeconds: 15 },
        { kind: "done", keys: [{ opened: [] }] },
      ]);
      expect(stage.ports.findings.records).toHaveLength(1);
    },
  );

  test("one that shows the second time is judged then", async () => {
    const stage = await guard();
    await stage.take(call("DisableKey"));
    stage.aws.answer("DisableKey", { KeyId: KEY_ARN } as never);
    expect(await stage.take(call("DisableKey"), 2)).toMatchObject({ keys: [{ opened: ["key-disabled"] }] });
    expect(stage.metrics).toEqual([]);
  });

  test("a policy other than the one that was put is waited for", async () => {
    const stage = await guard();
    const put = (policy: string) => call("PutKeyPolicy", { requestParameters: { keyId: KEY_ARN, policy } });
    expect(await stage.take(put('{"Statement":[{"Effect":"Deny"}]}'))).toMatchObject({ kind: "unfinished" });
    expect(await stage.take(put(stage.aws.keys[0]?.policy ?? ""))).toMatchObject({ kind: "done" });
  });

  test("a read that KMS refuses holds nothing up", async () => {
    const stage = await guard({}, async (name, _signal, effect) => {
      if (name === "DescribeKey") throw Object.assign(new Error("no"), { name: "AccessDeniedException" });
      return effect();
    });
    expect(await stage.take(call("DisableKey"))).toMatchObject({ kind: "done" });
  });
});

describe("whose key it is", () => {
  test("a key that is no tenant's is ignored after one look, and not verified", async () => {
    const stage = await guard();
    const event = call("ScheduleKeyDeletion", { resources: [{ ARN: OTHER_KEY_ARN }] });
    expect(await stage.take(event)).toMatchObject({ kind: "ignored", reason: "no-tenants-key" });
    expect(stage.ports.findings.records).toEqual([]);
  });

  test("a call that AWS refused changed nothing", async () => {
    const stage = await guard();
    const event = call("ScheduleKeyDeletion", { errorCode: "AccessDenied" });
    expect(await stage.take(event)).toMatchObject({ kind: "ignored", reason: "refused-call" });
  });

  const alias = (name: string, detail: object = {}) =>
    call("DeleteAlias", { requestParameters: { aliasName: name }, resources: [], ...detail });

  test("an alias of the stage says it by its name", async () => {
    const stage = await guard();
    expect(await stage.take(alias("alias/tenantkeys/dev/acme/default"))).toMatchObject({ keys: [TENANT_KEY] });
  });

  test.each([
    ["of another stage", alias("alias/tenantkeys/production/acme/default")],
    ["of somebody else", alias("alias/backup")],
    ["of another account", alias("alias/tenantkeys/dev/acme/default", { recipientAccountId: "444455556666" })],
  ])("an alias %s doesn't", async (_, event) => {
    const stage = await guard();
    expect(await stage.take(event)).toMatchObject({ kind: "ignored" });
  });

  test("an alias that was moved to another tenant's key touches both, each once", async () => {
    const stage = await guard();
    const globex = { ...stage.aws.tenantRecord(), tenantId: "globex", keyArn: OTHER_KEY_ARN };
    stage.aws.records.set("globex/default", globex as never);
    const event = call("UpdateAlias", {
      requestParameters: { aliasName: "alias/tenantkeys/dev/acme/default", targetKeyId: "99" },
      resources: [{ ARN: OTHER_KEY_ARN }, { ARN: KEY_ARN }],
    });
    expect(await stage.take(event)).toMatchObject({ keys: [{ tenantId: "globex" }, { tenantId: "acme" }] });
  });

  test("a key that isn't recorded yet, or was replaced, says it by its tags", async () => {
    const stage = await guard();
    stage.change({ keyArn: undefined });
    expect(await stage.take(call("TagResource"))).toMatchObject({ kind: "done", keys: [TENANT_KEY] });
  });

  test("a key of the tenant's own account that looks like a replica is found as it is recorded", async () => {
    const stage = await guard();
    const own = "arn:aws:kms:us-east-1:444455556666:key/mrk-1" as never;
    stage.change({ keyArn: own, ownKeyArn: own });
    expect(await stage.take(call("TagResource", { resources: [{ ARN: own }] }))).toMatchObject({ keys: [TENANT_KEY] });
  });

  test("a replica is found by its primary's ARN", async () => {
    const stage = await guard();
    const primary = "arn:aws:kms:eu-west-1:111122223333:key/mrk-1" as never;
    stage.change({ keyArn: primary });
    const resources = [{ ARN: "arn:aws:kms:eu-central-1:111122223333:key/mrk-1" }];
    const event = call("TagResource", { resources, awsRegion: parseRegion("eu-central-1") });
    expect(await stage.take(event)).toMatchObject({ keys: [TENANT_KEY] });
    expect(stage.lookedUp).toEqual([primary]);
  });
});

describe("what KMS says itself", () => {
  test("a rotation is verified with the past ones, and any other event without", async () => {
    const stage = await guard();
    const readsRotations: boolean[] = [];
    for (const event of [kmsSays("KMS CMK Rotation"), call("RotateKeyOnDemand"), call("TagResource")]) {
      await stage.take(event);
      readsRotations.push(stage.ports.turns.splice(0).includes("kms:ListKeyRotations"));
    }
    expect(readsRotations).toEqual([true, true, false]);
  });

  test("material that expired is verified, and the worker reviews the key", async () => {
    const stage = await guard();
    const outcome = await stage.take(kmsSays("KMS Imported Key Material Expiration"));
    expect(outcome).toMatchObject({ keys: [{ asked: ["review"] }] });
    expect(stage.ports.findings.records).toHaveLength(1);
    expect(stage.sent).toMatchObject([
      { "detail-type": "TenantKeyReviewDue", detail: { tenantId: "acme", keyName: "default", stage: "dev" } },
    ]);
  });

  test("the deletion of a key whose tenant leaves has the worker record it, and raises nothing", async () => {
    const stage = await guard();
    stage.change({ state: "pending-deletion" });
    stage.aws.keys.length = 0;
    expect(await stage.take(kmsSays("KMS CMK Deletion"))).toMatchObject({ keys: [{ asked: ["review"], opened: [] }] });
    expect(stage.sent).toMatchObject([{ "detail-type": "TenantKeyReviewDue" }]);
    expect(stage.metrics).toEqual([]);
  });

  test("the deletion of a key in use is a critical finding", async () => {
    const stage = await guard();
    stage.aws.keys.length = 0;
    await stage.take(kmsSays("KMS CMK Deletion"));
    expect(stage.openRules()).toEqual(["key-missing"]);
    expect(stage.metrics).toEqual([{ [CRITICAL]: 1 }]);
  });
});

test("a finding whose fact is gone is closed by the event that ended it", async () => {
  const stage = await guard();
  stage.aws.answer("DisableKey", { KeyId: KEY_ARN } as never);
  await stage.take(call("DisableKey"));
  stage.aws.answer("EnableKey", { KeyId: KEY_ARN } as never);
  expect(await stage.take(call("EnableKey"))).toMatchObject({ keys: [{ closed: ["key-disabled"] }] });
});

test("what isn't an event of KMS is refused, and nothing is read for it", async () => {
  const stage = await guard();
  stage.aws.log.length = 0;
  await expect(stage.take({ kind: "shard" })).rejects.toMatchObject({ code: "aws_event_unreadable" });
  expect(stage.aws.log).toEqual([]);
});
