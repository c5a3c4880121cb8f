import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PutEventsCommand, PutRuleCommand, PutTargetsCommand } from "@aws-sdk/client-eventbridge";
import {
  CreateAccessKeyCommand,
  CreateRoleCommand,
  CreateUserCommand,
  PutRolePolicyCommand,
  PutUserPolicyCommand,
} from "@aws-sdk/client-iam";
import { CreateEventSourceMappingCommand, CreateFunctionCommand, LambdaClient } from "@aws-sdk/client-lambda";
import {
  CreateQueueCommand,
  ReceiveMessageCommand,
  SendMessageBatchCommand,
  SendMessageCommand,
  SQSClient,
} from "@aws-sdk/client-sqs";
import { GetCallerIdentityCommand } from "@aws-sdk/client-sts";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Emulator, startEmulator } from "./emulator.ts";
import { ensurePythonEnvironment, LOCAL_CACHE_DIR } from "./python-environment.ts";
import { assume, type Caller, type Credentials, callerWith, makeRole, policy } from "./test-support.ts";

const ROLE_ID = "AROA[A-Z0-9]+";

let emulator: Emulator;
let root: Caller;

beforeAll(async () => {
  emulator = await startEmulator();
  root = callerWith(emulator, emulator.credentials);
}, 120_000);

afterAll(async () => {
  await emulator?.stop();
});

function sqsOf(credentials: Credentials): SQSClient {
  return new SQSClient({ endpoint: emulator.endpoint, region: emulator.region, credentials, maxAttempts: 1 });
}

async function newQueue(QueueName: string): Promise<string> {
  const made = await sqsOf(emulator.credentials).send(new CreateQueueCommand({ QueueName }));
  return made.QueueUrl as string;
}

const queueArn = (name: string) => `arn:aws:sqs:${emulator.region}:${emulator.accountId}:${name}`;

/** The sender of each message by its body, once `count` have come. */
async function sendersIn(QueueUrl: string, count: number): Promise<Record<string, string | undefined>> {
  const found: Record<string, string | undefined> = {};
  while (Object.keys(found).length < count) {
    const { Messages } = await sqsOf(emulator.credentials).send(
      new ReceiveMessageCommand({ QueueUrl, MessageSystemAttributeNames: ["SenderId"], WaitTimeSeconds: 5 }),
    );
    if (!Messages) throw new Error(`only ${JSON.stringify(found)} came`);
    for (const { Body, Attributes } of Messages) found[Body ?? ""] = Attributes?.SenderId;
  }
  return found;
}

/** A role's session, which may do everything. */
async function sessionOf(name: string): Promise<Caller> {
  return assume(
    emulator,
    root,
    await makeRole(root, name, { allow: [{ Effect: "Allow", Action: "*", Resource: "*" }] }),
  );
}

async function userIdOf(caller: Caller): Promise<string> {
  const { UserId } = await caller.sts.send(new GetCallerIdentityCommand());
  return UserId as string;
}

describe("SenderId", () => {
  test("is the id of the role and the session's name, that of the user, or the account, as GetCallerIdentity says", async () => {
    const QueueUrl = await newQueue("senders");
    const operator = await sessionOf("operator");
    const made = await root.iam.send(new CreateUserCommand({ UserName: "person" }));
    const everything = policy({ Effect: "Allow", Action: "*", Resource: "*" });
    await root.iam.send(
      new PutUserPolicyCommand({ UserName: "person", PolicyName: "all", PolicyDocument: everything }),
    );
    const { AccessKey } = await root.iam.send(new CreateAccessKeyCommand({ UserName: "person" }));
    const person = callerWith(emulator, {
      accessKeyId: AccessKey?.AccessKeyId as string,
      secretAccessKey: AccessKey?.SecretAccessKey as string,
    });
    for (const [name, caller] of Object.entries({ operator, person, root })) {
      const sqs = sqsOf(await caller.sts.config.credentials());
      await sqs.send(new SendMessageCommand({ QueueUrl, MessageBody: name }));
      const Entries = [{ Id: "1", MessageBody: `${name} in a batch` }];
      await sqs.send(new SendMessageBatchCommand({ QueueUrl, Entries }));
    }
    const senders = await sendersIn(QueueUrl, 6);
    expect(senders.operator).toMatch(new RegExp(`^${ROLE_ID}:test$`));
    expect(senders.person).toBe(made.User?.UserId);
    expect(senders.root).toBe(emulator.accountId);
    for (const [name, caller] of Object.entries({ operator, person, root })) {
      expect(senders[name]).toBe(await userIdOf(caller));
      expect(senders[`${name} in a batch`]).toBe(senders[name]);
    }
  });

  test("of an event is EventBridge's, whoever put it on the bus", async () => {
    const QueueUrl = await newQueue("from-bus");
    const operator = await sessionOf("bus-operator");
    await root.events.send(new PutRuleCommand({ Name: "to-queue", EventPattern: '{"source":["test"]}' }));
    const target = { Id: "queue", Arn: queueArn("from-bus"), InputPath: "$.detail" };
    await root.events.send(new PutTargetsCommand({ Rule: "to-queue", Targets: [target] }));
    await operator.events.send(
      new PutEventsCommand({ Entries: [{ Source: "test", DetailType: "Test", Detail: '{"n":1}' }] }),
    );
    const [sender] = Object.values(await sendersIn(QueueUrl, 1));
    expect(sender).toMatch(/^AIDA/);
    expect(sender).not.toBe(await userIdOf(operator));
  });

  test("comes to a Lambda function in its record's attributes, and names a function that sends by its role and its name", async () => {
    const QueueUrl = await newQueue("to-function");
    const directory = await mkdtemp(join(tmpdir(), "tenantkeys-senders-"));
    try {
      const output = join(directory, "attributes.json");
      await deployWriter("writer", directory, output);
      const operator = await sessionOf("function-operator");
      const sqs = sqsOf(await operator.sts.config.credentials());
      await sqs.send(new SendMessageCommand({ QueueUrl, MessageBody: "hello" }));
      await expect.poll(() => existsSync(output), { timeout: 20_000 }).toBe(true);
      const { attributes, session } = JSON.parse(await readFile(output, "utf8"));
      expect(attributes.SenderId).toBe(await userIdOf(operator));
      const elsewhere = await newQueue("from-function");
      await sqsOf(session).send(new SendMessageCommand({ QueueUrl: elsewhere, MessageBody: "from the function" }));
      const senders = await sendersIn(elsewhere, 1);
      expect(senders["from the function"]).toMatch(new RegExp(`^${ROLE_ID}:writer$`));
    } finally {
      await rm(directory, { recursive: true });
    }
  });
});

/** A function that reads the queue `to-function` and writes the attributes of its first record to a file, when whole. */
async function deployWriter(FunctionName: string, directory: string, output: string): Promise<void> {
  const lambda = new LambdaClient({
    endpoint: emulator.endpoint,
    region: emulator.region,
    credentials: emulator.credentials,
  });
  await writeFile(
    join(directory, "index.mjs"),
    `import { renameSync, writeFileSync } from "node:fs";
     export const handler = async ({ Records: [{ attributes }] }) => {
       const { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey } = process.env;
       const session = { accessKeyId, secretAccessKey, sessionToken: process.env.AWS_SESSION_TOKEN };
       writeFileSync(process.env.OUTPUT + ".part", JSON.stringify({ attributes, session }));
       renameSync(process.env.OUTPUT + ".part", process.env.OUTPUT);
     };`,
  );
  const { pythonPath } = await ensurePythonEnvironment({ cacheDir: LOCAL_CACHE_DIR });
  execFileSync(pythonPath, ["-m", "zipfile", "-c", "code.zip", "index.mjs"], { cwd: directory });
  const role = await root.iam.send(
    new CreateRoleCommand({
      RoleName: FunctionName,
      AssumeRolePolicyDocument: JSON.stringify({
        Version: "2012-10-17",
        Statement: [{ Effect: "Allow", Principal: { Service: "lambda.amazonaws.com" }, Action: "sts:AssumeRole" }],
      }),
    }),
  );
  await root.iam.send(
    new PutRolePolicyCommand({
      RoleName: FunctionName,
      PolicyName: "read",
      PolicyDocument: policy({ Effect: "Allow", Action: "sqs:*", Resource: queueArn("*") }),
    }),
  );
  await lambda.send(
    new CreateFunctionCommand({
      FunctionName,
      Role: role.Role?.Arn,
      Runtime: "nodejs24.x",
      Handler: "index.handler",
      Environment: { Variables: { OUTPUT: output } },
      Code: { ZipFile: await readFile(join(directory, "code.zip")) },
    }),
  );
  await lambda.send(new CreateEventSourceMappingCommand({ FunctionName, EventSourceArn: queueArn("to-function") }));
}
