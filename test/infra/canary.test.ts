/** The canary as it is deployed: when it runs, how little its role may do, and what there is of it where it is off. */
import { beforeAll, describe, expect, test } from "vitest";
import { ACCOUNT_ID, asList, REGION, type RecordedStage, recordStage } from "./recorded-stage.ts";

const arn = (service: string, name: string) => `arn:aws:${service}:${REGION}:${ACCOUNT_ID}:${name}`;
const FUNCTION_ARN = arn("lambda", "function:tenantkeys-dev-canary");
const TABLE = arn("dynamodb", "table/tenantkeys-dev-registry");
const tenantRole = (name: string) => `arn:aws:iam::${ACCOUNT_ID}:role/tenantkeys/dev/tk-dev-tenantkeys-canary-${name}`;
const ROLE = "tenantkeys-dev-canary-runner inline canary";
const leading = (...partitions: string[]) => ({
  "ForAllValues:StringEquals": { "dynamodb:LeadingKeys": partitions },
});

let stage: RecordedStage;
let shared: RecordedStage;
let off: RecordedStage;

beforeAll(async () => {
  [stage, shared, off] = await Promise.all([
    recordStage(),
    recordStage({ settings: { roleMode: "session-tag", canaryIntervalMinutes: 60, securityHub: true } }),
    recordStage({ settings: { canary: false, roleMode: "session-tag" } }),
  ]);
});

const allowed = (of: RecordedStage) =>
  Object.fromEntries(
    of
      .statements(ROLE)
      .map(({ Sid, Action, Resource, Condition }) => [
        Sid,
        [asList(Action), asList(Resource), ...(Condition === undefined ? [] : [Condition])],
      ]),
  );

test("it runs every 15 minutes, or as often as the stage says, and calls its function", () => {
  const schedule = (of: RecordedStage) => of.one("scheduler/schedule:Schedule", "-canary-schedule").inputs;
  expect(schedule(stage)).toMatchObject({ scheduleExpression: "rate(15 minutes)", state: "ENABLED" });
  expect(schedule(shared)).toMatchObject({ scheduleExpression: "rate(60 minutes)" });
  expect(schedule(stage).target).toMatchObject({
    arn: FUNCTION_ARN,
    roleArn: `arn:aws:iam::${ACCOUNT_ID}:role/tenantkeys/tenantkeys-dev-canary-caller`,
    input: "{}",
  });
  expect(stage.statements("tenantkeys-dev-canary-caller inline schedule")).toMatchObject([
    { Effect: "Allow", Action: "lambda:InvokeFunction", Resource: FUNCTION_ARN },
  ]);
});

test("its function is small, ends within two minutes, and is told its stage, table and queue", () => {
  const { inputs } = stage.one("lambda/function:Function", "-canary");
  expect(inputs).toMatchObject({
    runtime: "nodejs24.x",
    timeout: 120,
    memorySize: 256,
    role: `arn:aws:iam::${ACCOUNT_ID}:role/tenantkeys/tenantkeys-dev-canary-runner`,
  });
  const { variables } = inputs.environment as { readonly variables: Readonly<Record<string, string>> };
  const ours = Object.keys(variables).filter((name) => !name.startsWith("SST_"));
  expect(ours.toSorted()).toEqual([
    "NODE_OPTIONS",
    "TENANTKEYS_ACCOUNT_ID",
    "TENANTKEYS_QUEUE_URL",
    "TENANTKEYS_REGISTRY_TABLE",
    "TENANTKEYS_STAGE",
  ]);
});

describe("its function's role", () => {
  const EVERYWHERE = {
    ReadItsTenantsAndItsOwn: [
      ["dynamodb:GetItem", "dynamodb:Query"],
      [TABLE],
      leading("STAGE", "TENANT#tenantkeys-canary-a", "TENANT#tenantkeys-canary-b", "CANARY", "FINDINGS#-"),
    ],
    KeepWhatItSaw: [["dynamodb:DeleteItem", "dynamodb:PutItem"], [TABLE], leading("CANARY", "FINDINGS#-")],
    HaveItsTenantsMade: [["sqs:SendMessage"], [arn("sqs", "tenantkeys-dev-provisioning")]],
    CallForABreach: [["sns:Publish"], [arn("sns", "tenantkeys-dev-alarms")]],
    TellOfFindings: [
      ["events:PutEvents"],
      [arn("events", "event-bus/tenantkeys-dev")],
      { "ForAllValues:StringEquals": { "events:source": "tenantkeys" } },
    ],
    PutTheStagesMetrics: [
      ["cloudwatch:PutMetricData"],
      ["*"],
      { StringEquals: { "cloudwatch:namespace": "tenantkeys/dev" } },
    ],
    WriteItsLog: [
      ["logs:CreateLogStream", "logs:PutLogEvents"],
      [arn("logs", "log-group:/aws/lambda/tenantkeys-dev-canary:*")],
    ],
  };

  test("may be its two tenants, keep and tell what it saw, and nothing in KMS or IAM", () => {
    expect(allowed(stage)).toEqual({
      BecomeItsOwnTenants: [
        ["sts:AssumeRole", "sts:TagSession"],
        [tenantRole("a"), tenantRole("b")],
      ],
      ...EVERYWHERE,
    });
  });

  test("may ask for the shared role where tenants share one, whose trust policy keeps it to its two tenants", () => {
    expect(allowed(shared)).toEqual({
      BecomeItsOwnTenants: [
        ["sts:AssumeRole", "sts:TagSession"],
        [`arn:aws:iam::${ACCOUNT_ID}:role/tenantkeys/tenantkeys-dev-tenant`],
      ],
      ...EVERYWHERE,
      TellSecurityHub: [
        ["securityhub:BatchImportFindings"],
        [`arn:aws:securityhub:${REGION}:${ACCOUNT_ID}:product/${ACCOUNT_ID}/default`],
      ],
    });
    const [, ofCanary] = shared.statements("tenantkeys-dev-tenant assumeRolePolicy");
    expect(ofCanary).toMatchObject({
      Principal: { AWS: [`arn:aws:iam::${ACCOUNT_ID}:role/tenantkeys/tenantkeys-dev-canary-runner`] },
      Condition: {
        StringEquals: { "aws:RequestTag/tenant": ["tenantkeys-canary-a", "tenantkeys-canary-b"] },
        "ForAllValues:StringEquals": { "aws:TagKeys": ["tenant"] },
      },
    });
  });

  test("is Lambda's to take and nobody else's", () => {
    expect(stage.statements("tenantkeys-dev-canary-runner assumeRolePolicy")).toMatchObject([
      { Effect: "Allow", Principal: { Service: "lambda.amazonaws.com" }, Action: "sts:AssumeRole" },
    ]);
  });
});

test("a stage that has it off has nothing of it", () => {
  const texts = off.resources
    .filter(({ type }) => type !== "aws:dynamodb/tableItem:TableItem" && type !== "aws:lambda/function:Function")
    .map((resource) => JSON.stringify(resource));
  expect(texts.filter((text) => text.includes("canary"))).toEqual([]);
});

test("a stage none of whose profiles suits it says so before anything is deployed, and is deployed without it", async () => {
  const profiles = { default: { origin: "EXTERNAL" } } as const;
  await expect(recordStage({ settings: { profiles } })).rejects.toThrow(
    "canary: no profile lets a tenant itself encrypt and decrypt",
  );
  await expect(recordStage({ settings: { profiles, canary: false } })).resolves.toBeDefined();
});
