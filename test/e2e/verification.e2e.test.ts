/**
 * Verification as it is deployed, over 205 tenants of which 30 drifted, and three who never signed up: each drift found
 * by a sweep of the real schedule, named, and told of its tenant; nothing told of anybody else; and all of it put right.
 */
import { findingRule, type Repairer } from "@tenantkeys/core";
import { assumeRole, LOCAL_ACCOUNT_ID, type LocalStage, proveIsolation } from "@tenantkeys/local";
import { afterAll, beforeAll, expect, it } from "vitest";
import { operatorCredentials, tenantkeys } from "../support/command-line.ts";
import {
  DRIFT_PROFILES,
  DRIFTS,
  type DriftedKeys,
  driftBench,
  injectDrifts,
  ORPHAN_DRIFTS,
  resolveByHand,
  signUpAll,
} from "../support/drifts/index.ts";
import { readRecord } from "../support/events.ts";
import { roleThatMay } from "../support/life.ts";
import { sharedStage } from "../support/shared-stage.ts";
import { sweepFromSchedule, wrongByTenant } from "../support/sweeps.ts";

const UNTOUCHED = Array.from({ length: 175 }, (_, index) => `untouched-${index}`);
const DRIFTED = DRIFTS.map(({ tenantId }) => tenantId);
const TENANTS = [...DRIFTED, ...UNTOUCHED];
const ADMINISTRATOR = "administrator";
const ADMINISTRATOR_ARN = `arn:aws:iam::${LOCAL_ACCOUNT_ID}:role/${ADMINISTRATOR}`;

let stage: LocalStage;
let bench: ReturnType<typeof driftBench>;
let keys: DriftedKeys;

beforeAll(async () => {
  const settings = {
    profiles: DRIFT_PROFILES,
    administratorRoleArns: [ADMINISTRATOR_ARN],
    // So much at once is what the limit is against; here it is meant.
    repairKeysMax: 1_000,
    repairSharePercent: 100,
  };
  stage = await sharedStage({ settings });
  bench = driftBench(stage);
  await signUpAll(stage, TENANTS, Object.fromEntries(DRIFTS.map(({ tenantId, profile }) => [tenantId, profile])));
}, 180_000);

afterAll(() => bench?.destroy());

it("a sweep of the schedule finds each drift, names it and its tenant, and nothing of anybody else", async () => {
  keys = await injectDrifts(bench, DRIFTS);
  for (const { make } of ORPHAN_DRIFTS) await make(bench);

  const sweep = await sweepFromSchedule(stage);

  const expected = [...DRIFTS, ...ORPHAN_DRIFTS].map(({ tenantId, ruleIds }) => [tenantId, [...ruleIds].sort()]);
  expect(await wrongByTenant(stage)).toEqual(Object.fromEntries(expected));
  // The record of one was lost.
  expect(sweep).toMatchObject({ tenants: TENANTS.length - 1, shardsLost: 0, readsDenied: 0, pagesCut: 0 });
});

it("everything is put right by the worker, by an administrator, and by hand where no command does it", async () => {
  const operator = await operatorCredentials(stage);
  const byWorker = await tenantkeys(stage, operator, ["repair", "--all", "--apply", "--yes"]);
  expect([byWorker.exitCode, byWorker.stderr]).toEqual([0, ""]);
  // What is left is an administrator's, or nobody's.
  const left = new Set(Object.values(await wrongByTenant(stage)).flat());
  expect([...left].filter((ruleId) => isWorkers(findingRule(ruleId).repairer))).toEqual([]);

  await resolveByHand(bench, keys);

  await roleThatMay(stage, ADMINISTRATOR, "kms:*", "iam:*", "dynamodb:*", "sqs:*", "tag:*", "sts:AssumeRole");
  const administrator = await assumeRole(stage.at, stage.emulator.credentials, ADMINISTRATOR_ARN);
  const byCaller = await tenantkeys(stage, administrator, ["repair", "--all", "--as-caller", "--apply", "--yes"]);
  // What was found of the tenant whose record is back is no longer so, and is left alone.
  expect([byCaller.exitCode, byCaller.stderr]).toEqual([
    2,
    expect.stringMatching(/^closed by the next sweep[^\n]*\n$/),
  ]);

  await sweepFromSchedule(stage);
  expect(await wrongByTenant(stage)).toEqual({});
});

const isWorkers = (repairer: Repairer) => repairer === "automatic" || repairer === "person";

it("and isolation still holds, for those that drifted too", async () => {
  const usable = (await Promise.all([...DRIFTED, ...UNTOUCHED.slice(0, 3)].map((id) => readRecord(stage, id)))).filter(
    (record) => record?.state === "active",
  );
  const tenants = usable.flatMap((record) =>
    record === undefined
      ? []
      : [
          {
            tenantId: record.tenantId,
            roleArn: record.roleArn ?? "",
            keys: [{ keyName: record.keyName, keyArn: record.keyArn ?? "" }],
          },
        ],
  );
  expect(tenants.length).toBeGreaterThan(25);
  const { violations } = await proveIsolation({
    at: stage.at,
    tenants,
    application: await stage.application(),
    root: stage.emulator.credentials,
    iam: stage.iam,
    bucket: "after-repair",
  });
  expect(violations).toEqual([]);
});
