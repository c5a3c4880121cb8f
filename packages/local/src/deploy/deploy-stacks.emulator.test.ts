import {
  DescribeContinuousBackupsCommand,
  DescribeTableCommand,
  DescribeTimeToLiveCommand,
  DynamoDBClient,
  PutItemCommand,
  ScanCommand,
} from "@aws-sdk/client-dynamodb";
import {
  DescribeArchiveCommand,
  EventBridgeClient,
  ListTargetsByRuleCommand,
  PutEventsCommand,
} from "@aws-sdk/client-eventbridge";
import { GetRoleCommand, GetRolePolicyCommand, IAMClient, ListAttachedRolePoliciesCommand } from "@aws-sdk/client-iam";
import { GetFunctionConfigurationCommand, LambdaClient, ListEventSourceMappingsCommand } from "@aws-sdk/client-lambda";
import { GetQueueAttributesCommand, SQSClient } from "@aws-sdk/client-sqs";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { type Emulator, startEmulator } from "../emulator/index.ts";
import { type Deployment, deployStacks } from "./deploy-stacks.ts";
import { makeTestProject, type TestProject } from "./test-project.ts";

vi.setConfig({ testTimeout: 60_000, hookTimeout: 300_000 });

const STACK = `
const trust = (service) => JSON.stringify({ Version: "2012-10-17", Statement: [{ Effect: "Allow", Principal: { Service: service }, Action: "sts:AssumeRole" }] });
const allow = (actions, resource) => JSON.stringify({ Version: "2012-10-17", Statement: [{ Effect: "Allow", Action: actions, Resource: resource }] });
const boundary = new aws.iam.Policy("Boundary", { name: "notes-boundary", path: "/notes/", policy: allow(["sqs:*", "logs:*", "dynamodb:*"], "*") });
const bus = new sst.aws.Bus("Events", { transform: { bus: { name: "notes" } } });
const dead = new sst.aws.Queue("Dead", { transform: { queue: { name: "notes-dead", messageRetentionSeconds: 1209600, sqsManagedSseEnabled: true } } });
const work = new sst.aws.Queue("Work", { visibilityTimeout: "1 minute", dlq: { queue: dead.arn, retry: 3 }, transform: { queue: { name: "notes-work", receiveWaitTimeSeconds: 20, tags: { team: "notes" } } } });
const table = new sst.aws.Dynamo("Notes", {
  fields: { pk: "string", owner: "string" }, primaryIndex: { hashKey: "pk" }, globalIndexes: { byOwner: { hashKey: "owner" } },
  ttl: "expiresAt", stream: "new-image", deletionProtection: true,
  transform: { table: (args, opts) => { args.name = "notes"; opts.retainOnDelete = true; } },
});
new aws.cloudwatch.EventArchive("Archive", { name: "notes", eventSourceArn: bus.arn, retentionDays: 30 });
bus.subscribeQueue("Written", work, { pattern: { detailType: ["NoteWritten"] }, transform: { rule: { name: "notes-written" }, target: {
  targetId: "work", deadLetterConfig: { arn: dead.arn }, retryPolicy: { maximumRetryAttempts: 7, maximumEventAgeInSeconds: 600 } } } });
const role = new aws.iam.Role("Worker", {
  name: "notes-worker", assumeRolePolicy: trust("lambda.amazonaws.com"), permissionsBoundary: boundary.arn, maxSessionDuration: 7200, tags: { team: "notes" },
  inlinePolicies: [{ name: "work", policy: $resolve([work.arn, table.arn]).apply((arns) => allow(["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes", "dynamodb:PutItem"], arns)) }],
  managedPolicyArns: ["arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"],
}, { retainOnDelete: true });
work.subscribe({ name: "notes-worker", handler: "src/worker.handler", role: role.arn, timeout: "10 seconds", memory: process.env.MEMORY, environment: { TABLE: table.name } },
  { batch: { size: 5, partialResponses: true }, transform: { eventSourceMapping: { scalingConfig: { maximumConcurrency: 4 } } } });
const alarm = new aws.cloudwatch.MetricAlarm("Deep", { name: "notes-deep", comparisonOperator: "GreaterThanThreshold", evaluationPeriods: 1, metricName: "Depth", namespace: "Notes", period: 60, statistic: "Maximum", threshold: 0, treatMissingData: "breaching" });
new aws.cloudwatch.CompositeAlarm("Any", { alarmName: "notes-any", alarmRule: $interpolate\`ALARM("\${alarm.name}")\` });
new aws.cloudwatch.Dashboard("Board", { dashboardName: "notes", dashboardBody: JSON.stringify({ widgets: [] }) });
new sst.aws.SnsTopic("Alarms");
new sst.aws.CronV2("Sweep", { schedule: "rate(1 day)", function: { handler: "src/worker.handler" } });
export const outputs = { table: table.name, queue: work.url };
`;

/** Without an SDK, which this temporary project doesn't have: it tells what it got by writing to its log. */
const WORKER = `export const handler = async (event) => { console.log(JSON.stringify(event)); return { batchItemFailures: [] }; };`;

let emulator: Emulator;
let project: TestProject;
let first: Deployment;
const seen: string[] = [];

beforeAll(async () => {
  [emulator, project] = await Promise.all([
    startEmulator(),
    makeTestProject({ "stacks/main.ts": STACK, "src/worker.ts": WORKER }),
  ]);
  first = await deploy({ MEMORY: "256 MB" }, (done, type, name) => seen.push(`${done} ${type} ${name}`));
});

afterAll(async () => {
  await emulator?.stop();
  await project?.remove();
});

function deploy(
  env: Record<string, string>,
  onResource?: (done: number, type: string, name: string) => void,
  projectRoot = project.projectRoot,
): Promise<Deployment> {
  const { endpoint, region, accountId, credentials } = emulator;
  const optional = onResource === undefined ? {} : { onResource };
  return deployStacks({ projectRoot, endpoint, region, accountId, credentials, stage: "local", env, ...optional });
}

function client<Client>(clientClass: new (config: object) => Client): Client {
  const { endpoint, region, credentials } = emulator;
  return new clientClass({ endpoint, region, credentials, maxAttempts: 1 });
}

describe("deployStacks", () => {
  test("tells every resource once and gives the stack's outputs back", () => {
    expect(first.outputs).toMatchObject({ table: "notes", queue: expect.stringContaining("notes-work") });
    expect(first.resources.length).toBeGreaterThan(20);
    expect(seen.at(-1)).toMatch(new RegExp(`^${seen.length} `));
    expect(first.resources.find(({ name }) => name === "Worker")).toEqual({
      type: "aws:iam/role:Role",
      name: "Worker",
      id: "notes-worker",
      arn: "arn:aws:iam::000000000000:role/notes-worker",
    });
  });

  test("makes the table with its index, recovery, time to live, stream and protection", async () => {
    const dynamodb = client(DynamoDBClient);
    const { Table } = await dynamodb.send(new DescribeTableCommand({ TableName: "notes" }));
    expect(Table).toMatchObject({
      TableStatus: "ACTIVE",
      DeletionProtectionEnabled: true,
      StreamSpecification: { StreamEnabled: true, StreamViewType: "NEW_IMAGE" },
      GlobalSecondaryIndexes: [{ IndexName: "byOwner", Projection: { ProjectionType: "ALL" } }],
    });
    const backups = await dynamodb.send(new DescribeContinuousBackupsCommand({ TableName: "notes" }));
    expect(backups.ContinuousBackupsDescription?.PointInTimeRecoveryDescription?.PointInTimeRecoveryStatus).toBe(
      "ENABLED",
    );
    const ttl = await dynamodb.send(new DescribeTimeToLiveCommand({ TableName: "notes" }));
    expect(ttl.TimeToLiveDescription).toMatchObject({ TimeToLiveStatus: "ENABLED", AttributeName: "expiresAt" });
  });

  test("makes the queues with every attribute", async () => {
    const sqs = client(SQSClient);
    const attributes = async (name: string) => {
      const QueueUrl = `${emulator.endpoint}/${emulator.accountId}/${name}`;
      return (await sqs.send(new GetQueueAttributesCommand({ QueueUrl, AttributeNames: ["All"] }))).Attributes ?? {};
    };
    const work = await attributes("notes-work");
    expect(work).toMatchObject({ VisibilityTimeout: "60", ReceiveMessageWaitTimeSeconds: "20" });
    expect(JSON.parse(String(work.RedrivePolicy))).toMatchObject({ maxReceiveCount: 3 });
    expect(String(work.Policy)).toContain("sqs:SendMessage");
    expect(await attributes("notes-dead")).toMatchObject({
      MessageRetentionPeriod: "1209600",
      SqsManagedSseEnabled: "true",
    });
  });

  test("makes the role with its boundary, session length, inline and managed policies", async () => {
    const iam = client(IAMClient);
    const { Role } = await iam.send(new GetRoleCommand({ RoleName: "notes-worker" }));
    expect(Role).toMatchObject({
      Path: "/",
      MaxSessionDuration: 7200,
      PermissionsBoundary: { PermissionsBoundaryArn: "arn:aws:iam::000000000000:policy/notes/notes-boundary" },
      Tags: [{ Key: "team", Value: "notes" }],
    });
    const policy = await iam.send(new GetRolePolicyCommand({ RoleName: "notes-worker", PolicyName: "work" }));
    expect(decodeURIComponent(String(policy.PolicyDocument))).toContain("table/notes");
    const attached = await iam.send(new ListAttachedRolePoliciesCommand({ RoleName: "notes-worker" }));
    expect(attached.AttachedPolicies?.map(({ PolicyName }) => PolicyName)).toEqual(["AWSLambdaBasicExecutionRole"]);
  });

  test("makes the rule's target with its dead-letter queue and retries, and the archive", async () => {
    const events = client(EventBridgeClient);
    const { Targets } = await events.send(
      new ListTargetsByRuleCommand({ Rule: "notes-written", EventBusName: "notes" }),
    );
    expect(Targets).toMatchObject([
      {
        Id: "work",
        DeadLetterConfig: { Arn: "arn:aws:sqs:eu-west-1:000000000000:notes-dead" },
        RetryPolicy: { MaximumRetryAttempts: 7, MaximumEventAgeInSeconds: 600 },
      },
    ]);
    const archive = await events.send(new DescribeArchiveCommand({ ArchiveName: "notes" }));
    expect(archive).toMatchObject({ RetentionDays: 30 });
  });

  test("makes the function and its mapping, which an event on the bus reaches", async () => {
    const lambda = client(LambdaClient);
    const mappings = await lambda.send(new ListEventSourceMappingsCommand({ FunctionName: "notes-worker" }));
    expect(mappings.EventSourceMappings).toMatchObject([
      { BatchSize: 5, FunctionResponseTypes: ["ReportBatchItemFailures"], ScalingConfig: { MaximumConcurrency: 4 } },
    ]);
    const Entries = [{ EventBusName: "notes", Source: "notes", DetailType: "NoteWritten", Detail: '{"id":"n1"}' }];
    await client(EventBridgeClient).send(new PutEventsCommand({ Entries }));
    const sqs = client(SQSClient);
    const QueueUrl = String(first.outputs.queue);
    await vi.waitFor(
      async () => {
        const names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"] as const;
        const command = new GetQueueAttributesCommand({ QueueUrl, AttributeNames: [...names] });
        const { Attributes = {} } = await sqs.send(command);
        expect(names.map((name) => Attributes[name])).toEqual(["0", "0"]);
      },
      { timeout: 15_000, interval: 100 },
    );
  });

  test("takes up what an earlier deployment left, and changes it", async () => {
    const dynamodb = client(DynamoDBClient);
    const Item = { pk: { S: "kept" } };
    await dynamodb.send(new PutItemCommand({ TableName: "notes", Item }));

    const second = await deploy({ MEMORY: "512 MB" });

    const ids = ({ resources }: Deployment) => resources.map(({ type, name, id }) => `${type} ${name} ${id}`).sort();
    // The code archive's key is a hash that the random encryption key is part of.
    const steady = (deployment: Deployment) => ids(deployment).filter((id) => !id.includes("bucketObjectv2"));
    expect(steady(second)).toEqual(steady(first));
    const lambda = client(LambdaClient);
    const worker = await lambda.send(new GetFunctionConfigurationCommand({ FunctionName: "notes-worker" }));
    expect(worker.MemorySize).toBe(512);
    const { Items } = await dynamodb.send(new ScanCommand({ TableName: "notes" }));
    expect(Items).toEqual([Item]);
  });

  test("names the resource and AWS's own error when one can't be made", async () => {
    const broken = await makeTestProject({
      "stacks/main.ts": `export const outputs = {};
        new aws.iam.RolePolicy("Lost", { role: "nobody", policy: '{"Version":"2012-10-17","Statement":[]}' });`,
    });
    try {
      await expect(deploy({}, undefined, broken.projectRoot)).rejects.toMatchObject({
        code: "resource_failed",
        message: expect.stringMatching(/^Lost \(aws:iam\/rolePolicy:RolePolicy\): NoSuchEntity/),
      });
    } finally {
      await broken.remove();
    }
  });
});
