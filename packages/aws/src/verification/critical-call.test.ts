import type { SNSClient } from "@aws-sdk/client-sns";
import {
  type Finding,
  finding,
  findingId,
  type RuleId,
  type Stage,
  type StoredFinding,
  type TenantKeysError,
} from "@tenantkeys/core";
import { beforeEach, expect, test } from "vitest";
import { ACME, awsError, DEFAULT_KEY, FakeClock, KEY_ARN, runOn } from "../test-support.ts";
import { createCriticalCalls, QUIET_BETWEEN_CALLS_MS } from "./critical-call.ts";
import type { FindingStore } from "./ports.ts";

const SCOPE = { tenantId: ACME, keyName: DEFAULT_KEY, unjudged: [] };

let clock: FakeClock;
let opened: readonly StoredFinding[];
let published: { readonly Subject: string; readonly Message: string; readonly TopicArn: string }[];
let uncalled: TenantKeysError[];
let fails: boolean;
let store: FindingStore;

function stored(ruleId: RuleId): StoredFinding {
  const about = { tenantId: ACME, keyName: DEFAULT_KEY, resource: KEY_ARN, expected: "Enabled", seen: "gone" };
  const found: Finding = finding(ruleId, about);
  return { ...found, findingId: findingId(found), firstSeenAtMs: 1, lastSeenAtMs: 1 };
}

beforeEach(() => {
  clock = new FakeClock();
  [opened, published, uncalled, fails] = [[], [], [], false];
  const send = async ({ input }: { readonly input: never }) => {
    if (fails) throw awsError("AuthorizationErrorException", 403);
    published.push(input);
  };
  const calling = createCriticalCalls({
    sns: { send } as unknown as SNSClient,
    topicArn: "arn:aws:sns:eu-west-1:111122223333:tenantkeys-dev-alarms",
    stage: "dev" as Stage,
    onUncalled: (error) => void uncalled.push(error),
  });
  store = calling({ record: async () => ({ opened, stillOpen: [], closed: [] }) } as unknown as FindingStore);
});

const open = async (...rules: readonly RuleId[]) => {
  opened = rules.map(stored);
  return store.record(runOn(clock), SCOPE, []);
};

test("a critical finding that opens tells the topic which rule it is of, and nothing of its tenant", async () => {
  await expect(open("key-disabled", "key-missing")).resolves.toMatchObject({ opened: { length: 2 } });
  expect(published).toHaveLength(1);
  expect(JSON.parse(published[0]?.Message ?? "")).toEqual({
    stage: "dev",
    criticalFindings: ["key-missing"],
    look: "tenantkeys findings --severity critical --stage dev",
    runbook: "docs/runbook.md#critical-findings",
  });
  expect(JSON.stringify(published)).not.toMatch(/acme|:key\//);
});

test("findings that are less than critical tell nobody", async () => {
  await open("key-disabled", "could-not-verify");
  expect(published).toEqual([]);
});

test("many at once are one message, and the next comes when some time has passed", async () => {
  await open("key-missing", "key-policy-not-contained", "key-missing");
  await open("key-missing");
  expect(published).toHaveLength(1);
  clock.advance(QUIET_BETWEEN_CALLS_MS);
  await open("key-missing");
  expect(published).toHaveLength(2);
});

test("a topic that can't be told stops nothing, is reported, and is tried again with the next one", async () => {
  fails = true;
  await expect(open("key-missing")).resolves.toMatchObject({ opened: { length: 1 } });
  expect(uncalled).toMatchObject([{ details: { step: "sns:Publish" } }]);
  fails = false;
  await open("key-missing");
  expect(published).toHaveLength(1);
});
