/** The schedule that looks for keys whose waiting time is over: when it runs, and how little its function may do. */
import { beforeAll, expect, test } from "vitest";
import { ACCOUNT_ID, REGION, type RecordedStage, recordStage } from "./recorded-stage.ts";

let stage: RecordedStage;
let hourly: RecordedStage;

beforeAll(async () => {
  [stage, hourly] = await Promise.all([recordStage(), recordStage({ settings: { reviewIntervalMinutes: 60 } })]);
});

test("it runs every 15 minutes, or as often as the stage says, and calls its function", () => {
  const schedule = (of: RecordedStage) => of.one("scheduler/schedule:Schedule").inputs;
  expect(schedule(stage)).toMatchObject({
    name: "tenantkeys-dev-review-schedule",
    scheduleExpression: "rate(15 minutes)",
  });
  expect(schedule(hourly)).toMatchObject({ scheduleExpression: "rate(60 minutes)" });
  expect(schedule(stage).state).toBe("ENABLED");
  expect(schedule(stage).target).toMatchObject({ retryPolicy: { maximumRetryAttempts: 2 } });
});

test("its function may find what is due, tell the worker and log, and nothing in KMS or IAM", () => {
  const statements = stage.statements("tenantkeys-dev-reviewer inline reviewer");
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
    { Action: "lambda:InvokeFunction", Resource: expect.stringMatching(/:function:tenantkeys-dev-review$/) },
  ]);
  expect(stage.statements("tenantkeys-dev-review-caller assumeRolePolicy")).toMatchObject([
    { Condition: { StringEquals: { "aws:SourceAccount": ACCOUNT_ID } } },
  ]);
});

test("the table's index holds only what waits, and of it no more than names and times", () => {
  expect(stage.one("dynamodb/table:Table").inputs.globalSecondaryIndexes).toEqual([
    {
      name: "review",
      hashKey: "review",
      rangeKey: "nextCheckAtMs",
      projectionType: "INCLUDE",
      nonKeyAttributes: ["tenantId", "keyName"],
    },
  ]);
});
