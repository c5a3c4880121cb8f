/**
 * Least privilege, both ways: every AWS call that the worker makes is allowed, and every action of its policies is used
 * by a call. Both lists are printed. The calls come from the real function; those that it makes only in odd situations
 * are provoked by making the situation.
 */
import { randomUUID } from "node:crypto";
import { GetRolePolicyCommand, UpdateAssumeRolePolicyCommand } from "@aws-sdk/client-iam";
import { CreateKeyCommand } from "@aws-sdk/client-kms";
import { createRegistry, startRun, systemClock } from "@tenantkeys/aws";
import {
  administerActions,
  completeKeyProfile,
  creationKeyPolicy,
  DAY_MS,
  DEPART_ACTIONS,
  DISCARD_ACTIONS,
  keyTags,
  parseAttemptId,
  parseKeyArn,
  REPAIRABLE_RULES,
  REPLY_SOURCE,
  stageNames,
} from "@tenantkeys/core";
import { advanceClock, type CallCount, type LocalStage, readCalls } from "@tenantkeys/local";
import { beforeAll, expect, it } from "vitest";
import { readTenantKey } from "../support/aws-state.ts";
import {
  deliver,
  readRecord,
  signUpEnvelope,
  tenantEnvelope,
  until,
  untilActive,
  untilSettled,
} from "../support/events.ts";
import { describeKey, person, say } from "../support/life.ts";
import { aliasOf, ruinKey, ruinRole } from "../support/ruin.ts";
import { sharedStage } from "../support/shared-stage.ts";

/** Calls that Lambda itself makes with the function's role, outside the function: the local AWS makes them unchecked. */
const MADE_BY_LAMBDA: Readonly<Record<string, string>> = {
  "sqs:ReceiveMessage": "https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html",
  "sqs:DeleteMessage": "https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html",
  "sqs:GetQueueAttributes": "https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html",
  "logs:CreateLogStream": "https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs.html",
  "logs:PutLogEvents": "https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs.html",
};

let stage: LocalStage;
let calls: readonly CallCount[];

beforeAll(async () => {
  stage = await sharedStage({ settings: { profiles: { default: { watchPeriodDays: 0, deletionWindowDays: 7 } } } });
  await deliver(stage, signUpEnvelope("usage"));
  await untilActive(stage, "usage");
  await changeTrust("usage");
  await leaveSpareKey("usage");
  await deliver(stage, signUpEnvelope("usage"));
  await until("the spare key to be scheduled for deletion", async () =>
    (await readTenantKey(stage, "usage")).keys.some((key) => key.state === "PendingDeletion"),
  );
  await deliver(stage, signUpEnvelope("NOT-AN-ID"));
  await deliverWhileLeased("usage");
  await untilSettled(stage);
  await beRepaired("usage");
  await beRotated("usage");
  await liveThrough("usage");
  calls = (await readCalls(stage.emulator.endpoint)).filter((call) =>
    call.principal.includes("tenantkeys-local-provisioner"),
  );
}, 120_000);

/** Somebody changed the tenant role's trust: the worker puts it right. */
async function changeTrust(tenantId: string): Promise<void> {
  const PolicyDocument = JSON.stringify({
    Version: "2012-10-17",
    Statement: [{ Effect: "Allow", Principal: { AWS: stage.applicationRoleArn }, Action: "sts:AssumeRole" }],
  });
  await stage.iam.send(new UpdateAssumeRolePolicyCommand({ RoleName: `tk-local-${tenantId}`, PolicyDocument }));
}

/** A CreateKey whose reply was lost left a key: the worker finds it by its tag. */
async function leaveSpareKey(tenantId: string): Promise<void> {
  const record = await readRecord(stage, tenantId);
  if (record === undefined) throw new Error(`${tenantId} has no record`);
  const attemptId = parseAttemptId(randomUUID());
  const tags = keyTags(stage.settings.stage, record.tenantId, record.keyName, attemptId);
  const Tags = Object.entries(tags).map(([TagKey, TagValue]) => ({ TagKey, TagValue }));
  const Policy = JSON.stringify(creationKeyPolicy(stage.context, completeKeyProfile()));
  const { KeyMetadata } = await stage.root.kms.send(new CreateKeyCommand({ Policy, Tags }));
  parseKeyArn(KeyMetadata?.Arn ?? "");
  const registry = createRegistry(stage.root, stageNames(stage.settings.stage).registryTable);
  const attempts = [...record.attempts, { attemptId, outcome: "open" as const }];
  await registry.replace(startRun(systemClock, 10_000, 1_000), { ...record, attempts }, record.fence);
}

/** Everything about its key and role ruined by hand, and a person asks to have it put right. */
async function beRepaired(tenantId: string): Promise<void> {
  const { keyArn = "" } = (await readRecord(stage, tenantId)) ?? {};
  await ruinKey(stage, tenantId, keyArn);
  await ruinRole(stage, tenantId);
  const request = { tenantId, keyName: "default", rules: REPAIRABLE_RULES };
  await say(await person(stage, "alice"), stage, "TenantKeyRepairRequested", request);
  await until("the key to be repaired", async () => {
    const [record, aliased] = await Promise.all([readRecord(stage, tenantId), describeKey(stage, aliasOf(tenantId))]);
    return record?.leaseUntilMs === 0 && aliased?.Arn === keyArn && aliased.KeyState === "Enabled";
  });
}

/** A worker seems to have died between asking KMS for the rotation and writing down that it was done. */
async function beRotated(tenantId: string): Promise<void> {
  const rotated = () =>
    until("the key to be rotated", async () => {
      const record = await readRecord(stage, tenantId);
      return record?.rotation?.doneAtMs !== undefined && record.leaseUntilMs === 0 && record;
    });
  const request = tenantEnvelope("TenantKeyRotationRequested", { tenantId });
  await deliver(stage, request);
  const record = await rotated();
  const { generation = 0, startedAtMs = 0 } = record.rotation ?? {};
  const registry = createRegistry(stage.root, stageNames(stage.settings.stage).registryTable);
  const undone = { ...record, rotation: { generation, startedAtMs } };
  await registry.replace(startRun(systemClock, 10_000, 1_000), undone, record.fence);
  await deliver(stage, request);
  await rotated();
}

/** The rest of a key's life: suspended, resumed, offboarded, reinstated, offboarded again, and gone. */
async function liveThrough(tenantId: string): Promise<void> {
  const state = (wanted: string) =>
    until(`${tenantId} to be ${wanted}`, async () => {
      const record = await readRecord(stage, tenantId);
      return record?.state === wanted && record.leaseUntilMs === 0;
    });
  const happens = (type: string) => deliver(stage, tenantEnvelope(type, { tenantId }));
  await happens("TenantSuspended");
  await state("suspended");
  await happens("TenantResumed");
  await state("active");
  await happens("TenantOffboarded");
  await state("pending-deletion");
  await happens("TenantReinstated");
  await state("active");
  await happens("TenantOffboarded");
  await state("pending-deletion");
  await advanceClock(stage.emulator.endpoint, 8 * DAY_MS);
  await deliver(stage, {
    ...tenantEnvelope("TenantKeyReviewDue", { tenantId, keyName: "default" }),
    source: REPLY_SOURCE,
  });
  await state("destroyed");
}

/** Another worker seems to hold the key for two seconds: the message is given back to the queue. */
async function deliverWhileLeased(tenantId: string): Promise<void> {
  const record = await until(`${tenantId} to be free`, async () => {
    const read = await readRecord(stage, tenantId);
    return read?.leaseUntilMs === 0 && read;
  });
  const registry = createRegistry(stage.root, stageNames(stage.settings.stage).registryTable);
  const held = { ...record, leaseUntilMs: Date.now() + 2_000 };
  await registry.replace(startRun(systemClock, 10_000, 1_000), held, record.fence);
  await deliver(stage, signUpEnvelope(tenantId));
}

interface Statement {
  readonly Sid: string;
  readonly Effect: string;
  readonly Action: string | readonly string[];
  readonly Resource: string | readonly string[];
}

async function workerStatements(): Promise<readonly Statement[]> {
  const { provisionerRole: RoleName } = stageNames(stage.settings.stage);
  const { PolicyDocument } = await stage.iam.send(new GetRolePolicyCommand({ RoleName, PolicyName: "provisioner" }));
  return JSON.parse(decodeURIComponent(PolicyDocument ?? "")).Statement;
}

const list = (value: string | readonly string[]) => (typeof value === "string" ? [value] : value);

/** IAM's own matching: `*` is any run of characters. */
function matches(pattern: string, resource: string): boolean {
  const expression = pattern
    .split("*")
    .map((part) => part.replace(/[.+?^${}()|[\]\\]/g, "\\$&"))
    .join(".*");
  return new RegExp(`^${expression}$`).test(resource);
}

function isUsedBy(statement: Statement, action: string, call: CallCount): boolean {
  return (
    call.allowed &&
    call.action === action &&
    call.resources.some((resource) => list(statement.Resource).some((pattern) => matches(pattern, resource)))
  );
}

it("is allowed every call that it makes", async () => {
  const { keyArn = "" } = (await readRecord(stage, "usage")) ?? {};
  console.table(calls.map(({ action, allowed, count }) => ({ action, allowed, count })));

  const denied = calls.filter(({ allowed }) => !allowed).map(({ action, resources }) => ({ action, resources }));
  const unexpected = denied.filter(
    ({ action, resources }) => action !== "kms:DescribeKey" && (!READS.includes(action) || resources.includes(keyArn)),
  );
  expect(unexpected).toEqual([]);
  expect(calls.length).toBeGreaterThan(12);
});

/**
 * What may be denied: a read of an alias that isn't there, which CreateAlias then decides (packages/aws/src/observer.ts), and
 * reads of somebody else's key, to which the tenant's alias was moved.
 */
const READS: readonly string[] = ["kms:GetKeyPolicy", "kms:GetKeyRotationStatus", "kms:ListResourceTags"];

it("uses every action of every statement of its role", async () => {
  const statements = (await workerStatements()).filter((statement) => statement.Effect === "Allow");
  const rows = statements.flatMap((statement) =>
    list(statement.Action).map((action) => ({
      statement: statement.Sid,
      action,
      usedBy: calls.some((call) => isUsedBy(statement, action, call))
        ? "the function"
        : action in MADE_BY_LAMBDA
          ? "Lambda"
          : "NOBODY",
    })),
  );
  console.table(rows);

  expect(rows.filter((row) => row.usedBy === "NOBODY")).toEqual([]);
});

it("uses every action that the key policies give it", () => {
  const used = new Set(calls.filter((call) => call.allowed).map((call) => call.action));

  const given: readonly string[] = [...administerActions(completeKeyProfile()), ...DISCARD_ACTIONS, ...DEPART_ACTIONS];
  expect(given.filter((action) => !used.has(action))).toEqual([]);
});

it("has every call allowed by a statement of its role or by the key policies", async () => {
  const statements = (await workerStatements()).filter((statement) => statement.Effect === "Allow");
  const given = [...administerActions(completeKeyProfile()), ...DISCARD_ACTIONS, ...DEPART_ACTIONS];
  const byKeyPolicy = new Set<string>(given);
  const unexplained = calls
    .filter((call) => call.allowed && !byKeyPolicy.has(call.action))
    .filter(
      (call) =>
        !statements.some((statement) => list(statement.Action).some((action) => isUsedBy(statement, action, call))),
    );

  expect(unexplained).toEqual([]);
});
