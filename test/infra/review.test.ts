/** The schedule that looks for keys whose waiting time is over: when it runs, and how little its function may do. */
import { beforeAll, expect, test } from "vitest";
import { ACCOUNT_ID, REGION, type RecordedStage, recordStage } from "./recorded-stage.ts";

const FUNCTION_ARN = `arn:aws:lambda:${REGION}:${ACCOUNT_ID}:function:tenantkeys-dev-review`;

let stage: RecordedStage;
let hourly: RecordedStage;

beforeAll(async () => {
  [stage, hourly] = await Promise.all([
    recordStage(),
    recordStage({ settings: { reviewIntervalMinutes: 60, logRetentionDays: 731 } }),
  ]);
});

test("it runs every 15 minutes, or as often as the stage says, and calls its function", () => {
  const schedule = (of: RecordedStage) => of.one("scheduler/schedule:Schedule", "-review-schedule").inputs;
  expect(schedule(stage)).toMatchObject({
    name: "tenantkeys-dev-review-schedule",
    scheduleExpression: "rate(15 minutes)",
  });
  expect(schedule(hourly)).toMatchObject({ scheduleExpression: "rate(60 minutes)" });
  expect(schedule(stage).state).toBe("ENABLED");
  expect(schedule(stage).target).toMatchObject({
    arn: FUNCTION_ARN,
    roleArn: `arn:aws:iam::${ACCOUNT_ID}:role/tenantkeys/tenantkeys-dev-review-caller`,
    retryPolicy: { maximumRetryAttempts: 2 },
  });
});

test("it is told nothing by its schedule, so that nobody shifts its time there", () => {
  const { target } = stage.one("scheduler/schedule:Schedule", "-review-schedule").inputs;
  expect((target as { readonly input: string }).input).toBe("{}");
});

test("its function is small, ends within a minute, and logs as the worker does", () => {
  const { inputs } = stage.one("lambda/function:Function", "-review");
  expect(inputs).toMatchObject({
    runtime: "nodejs24.x",
    architectures: ["arm64"],
    timeout: 60,
    memorySize: 256,
    role: `arn:aws:iam::${ACCOUNT_ID}:role/tenantkeys/tenantkeys-dev-reviewer`,
    loggingConfig: { logFormat: "JSON", logGroup: "/aws/lambda/tenantkeys-dev-review" },
  });
  const retention = (of: RecordedStage) => of.one("cloudwatch/logGroup:LogGroup", "-review").inputs.retentionInDays;
  expect([retention(stage), retention(hourly)]).toEqual([90, 731]);
});

test("its function is told which stage, queue and table are its own, and no secret", () => {
  const { inputs } = stage.one("lambda/function:Function", "-review");
  const { variables } = inputs.environment as { readonly variables: Readonly<Record<string, string>> };
  const ours = Object.entries(variables).filter(([name]) => !name.startsWith("SST_"));
  expect(Object.fromEntries(ours)).toEqual({
    NODE_OPTIONS: "--enable-source-maps",
    TENANTKEYS_STAGE: "dev",
    TENANTKEYS_ACCOUNT_ID: ACCOUNT_ID,
    TENANTKEYS_QUEUE_URL: `https://sqs.${REGION}.amazonaws.com/${ACCOUNT_ID}/tenantkeys-dev-provisioning`,
    TENANTKEYS_REGISTRY_TABLE: "tenantkeys-dev-registry",
  });
});

test.each(["reviewer", "review-caller"])(
  "the %s's role has one inline policy, no managed one, and a fixed place",
  (name) => {
    const { inputs } = stage.one("iam/role:Role", `-${name}`);
    expect(inputs).toMatchObject({ name: `tenantkeys-dev-${name}`, path: "/tenantkeys/", managedPolicyArns: [] });
    expect(inputs.inlinePolicies).toHaveLength(1);
  },
);

test("its function's role is Lambda's to take and nobody else's", () => {
  expect(stage.statements("tenantkeys-dev-reviewer assumeRolePolicy")).toMatchObject([
    { Effect: "Allow", Principal: { Service: "lambda.amazonaws.com" }, Action: "sts:AssumeRole" },
  ]);
});

test("its function may find what is due, tell the worker and log, and nothing in KMS or IAM", () => {
  const statements = stage.statements("tenantkeys-dev-reviewer inline reviewer");
  expect(statements.map(({ Effect }) => Effect)).toEqual(["Allow", "Allow", "Allow"]);
  expect(statements.map(({ Action, Resource }) => [Action, Resource])).toEqual([
    ["dynamodb:Query", `arn:aws:dynamodb:${REGION}:${ACCOUNT_ID}:table/tenantkeys-dev-registry/index/review`],
    ["sqs:SendMessage", `arn:aws:sqs:${REGION}:${ACCOUNT_ID}:tenantkeys-dev-provisioning`],
    [
      ["logs:CreateLogStream", "logs:PutLogEvents"],
      `arn:aws:logs:${REGION}:${ACCOUNT_ID}:log-group:/aws/lambda/tenantkeys-dev-review:*`,
    ],
  ]);
});

test("its schedule may call that function and no other, for this account only", () => {
  expect(stage.statements("tenantkeys-dev-review-caller inline schedule")).toMatchObject([
    { Effect: "Allow", Action: "lambda:InvokeFunction", Resource: FUNCTION_ARN },
  ]);
  expect(stage.statements("tenantkeys-dev-review-caller assumeRolePolicy")).toMatchObject([
    { Condition: { StringEquals: { "aws:SourceAccount": ACCOUNT_ID } } },
  ]);
});

test("the table's indexes hold what waits and each key's ARN, with names and times alone, and what is open whole", () => {
  expect(stage.one("dynamodb/table:Table").inputs.globalSecondaryIndexes).toEqual([
    {
      name: "review",
      hashKey: "review",
      rangeKey: "nextCheckAtMs",
      projectionType: "INCLUDE",
      nonKeyAttributes: ["tenantId", "keyName"],
    },
    { name: "keys", hashKey: "keyArn", projectionType: "INCLUDE", nonKeyAttributes: ["tenantId", "keyName"] },
    { name: "findings", hashKey: "openFinding", rangeKey: "firstSeenAtMs", projectionType: "ALL" },
  ]);
});
