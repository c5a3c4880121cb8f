import { createServer } from "node:net";
import { Readable } from "node:stream";
import { DynamoDBClient, PutItemCommand } from "@aws-sdk/client-dynamodb";
import { GetRoleCommand, IAMClient } from "@aws-sdk/client-iam";
import { DescribeKeyCommand, KMSClient } from "@aws-sdk/client-kms";
import { ChangeMessageVisibilityCommand, SQSClient } from "@aws-sdk/client-sqs";
import { TenantKeysError } from "@tenantkeys/core";
import { describe, expect, test } from "vitest";
import { clientConfig } from "./clients.ts";
import { certainlyNotDone, errorName, narrowAwsError } from "./narrow-error.ts";
import { awsError, CREDENTIALS, lostReply } from "./test-support.ts";

const CODES: readonly (readonly [string, string])[] = [
  ["AccessDenied", "access_denied"],
  ["AccessDeniedException", "access_denied"],
  ["CredentialsProviderError", "access_denied"],
  ["InvalidAccessException", "access_denied"],
  ["LimitExceeded", "quota_exceeded"],
  ["LimitExceededException", "quota_exceeded"],
  ["Throttling", "throttled"],
  ["ThrottlingException", "throttled"],
  ["ThrottledException", "throttled"],
  ["TooManyRequestsException", "throttled"],
  ["RequestLimitExceeded", "throttled"],
  ["ProvisionedThroughputExceededException", "throttled"],
  ["TransactionConflictException", "throttled"],
  ["ConcurrentModificationException", "throttled"],
  ["ConcurrentModification", "throttled"],
  ["MalformedPolicyDocument", "policy_rejected"],
  ["MalformedPolicyDocumentException", "policy_rejected"],
  ["DependencyTimeoutException", "aws_unavailable"],
  ["KMSInternalException", "aws_unavailable"],
  ["InternalServerError", "aws_unavailable"],
  ["ServiceFailureException", "aws_unavailable"],
  ["TimeoutError", "aws_unavailable"],
  ["AbortError", "deadline_near"],
  ["ResourceNotFoundException", "stage_not_deployed"],
  ["QueueDoesNotExist", "stage_not_deployed"],
];

const NETWORK_CODES = [
  "ECONNREFUSED",
  "ECONNRESET",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "ENOTFOUND",
  "EAI_AGAIN",
  "EPIPE",
  "ETIMEDOUT",
];

describe("narrowAwsError", () => {
  test.each(CODES)("%s becomes %s", (name, code) => {
    expect(narrowAwsError(awsError(name, 400), "kms:CreateKey")).toMatchObject({ code });
  });

  test.each(NETWORK_CODES)("the network's %s becomes aws_unavailable", (code) => {
    const error = Object.assign(new Error("no connection"), { code });
    expect(narrowAwsError(error, "kms:CreateKey")).toMatchObject({
      code: "aws_unavailable",
      message: `kms:CreateKey: ${code}: no connection`,
    });
  });

  test.each([500, 502, 503, 599])("an unknown name with status %i becomes aws_unavailable", (status) => {
    expect(narrowAwsError(awsError("SomethingNew", status), "kms:CreateKey").code).toBe("aws_unavailable");
  });

  test("a known name keeps its code whatever the status", () => {
    expect(narrowAwsError(awsError("ThrottlingException", 503), "kms:CreateKey").code).toBe("throttled");
  });

  test.each([
    ["an unknown name with status 400", awsError("SomethingNew", 400), "kms:CreateKey: SomethingNew: "],
    ["an error without a reply", new Error("who knows"), "kms:CreateKey: Error: who knows"],
    ["a string", "who knows", "kms:CreateKey: UnknownError: who knows"],
    ["nothing", undefined, "kms:CreateKey: UnknownError: undefined"],
  ])("%s becomes aws_unexpected, retryable, with its message", (_, thrown, message) => {
    const error = narrowAwsError(thrown, "kms:CreateKey");
    expect(error).toMatchObject({ code: "aws_unexpected", retryable: true });
    expect(error.message).toContain(message);
  });

  test("keeps AWS's sentence, the step and the cause", () => {
    const cause = awsError("AccessDeniedException", 400, "User: arn:x is not authorized to perform: kms:CreateKey");
    const error = narrowAwsError(cause, "kms:CreateKey");
    expect(error.message).toBe(`kms:CreateKey: AccessDeniedException: ${cause.message}`);
    expect(error.details).toMatchObject({ step: "kms:CreateKey" });
    expect(error.cause).toBe(cause);
  });

  test("gives one of ours back with the step it lacked, and never replaces the one it had", () => {
    const cause = new Error("before");
    const bare = new TenantKeysError("rate_limited", "later", { cause });
    expect(narrowAwsError(bare, "kms:CreateKey")).toMatchObject({
      code: "rate_limited",
      message: "later",
      cause,
      details: { step: "kms:CreateKey" },
    });
    const placed = new TenantKeysError("rate_limited", "later", { step: "kms:CreateAlias" });
    expect(narrowAwsError(placed, "kms:CreateKey").details.step).toBe("kms:CreateAlias");
  });

  test("an error of Node's own that isn't the network's keeps its name", () => {
    const error = Object.assign(new TypeError("bad argument"), { code: "Invalid" });
    expect(errorName(error)).toBe("TypeError");
  });
});

describe("certainlyNotDone", () => {
  test.each([400, 403, 404, 429, 499])("is true where AWS answered %i", (status) => {
    expect(certainlyNotDone(awsError("SomethingNew", status))).toBe(true);
    expect(certainlyNotDone(narrowAwsError(awsError("SomethingNew", status), "kms:CreateKey"))).toBe(true);
  });

  test.each([
    ["status 500", awsError("KMSInternalException", 500)],
    ["status 503", awsError("SomethingNew", 503)],
    ["status 200 and a body that can't be read", awsError("SyntaxError", 200)],
    ["a lost reply", lostReply()],
    ["a time-out", Object.assign(new Error("too slow"), { name: "TimeoutError" })],
    ["an error without metadata", new Error("who knows")],
    ["metadata without a status", Object.assign(new Error("who knows"), { $metadata: {} })],
    ["one of ours without a cause", new TenantKeysError("deadline_near", "late")],
    ["nothing", undefined],
  ])("is false for %s", (_, error) => {
    expect(certainlyNotDone(error)).toBe(false);
  });
});

describe("what the SDK's own clients make of AWS's replies", () => {
  const reply = (statusCode: number, body: string, headers: Record<string, string> = {}) => ({
    ...clientConfig({ region: "eu-west-1", credentials: CREDENTIALS }),
    maxAttempts: 1,
    requestHandler: {
      handle: async () => ({ response: { statusCode, headers, body: Readable.from([Buffer.from(body)]) } }),
    },
  });
  const thrownBy = (call: Promise<unknown>) =>
    call.then(
      () => undefined,
      (error: unknown) => error,
    );

  test("KMS's denial is access_denied and certainly not done", async () => {
    const body = JSON.stringify({ __type: "AccessDeniedException", Message: "not authorized" });
    const error = await thrownBy(new KMSClient(reply(400, body)).send(new DescribeKeyCommand({ KeyId: "x" })));
    expect(narrowAwsError(error, "kms:DescribeKey")).toMatchObject({
      code: "access_denied",
      message: expect.stringContaining("not authorized"),
    });
    expect(certainlyNotDone(error)).toBe(true);
  });

  test("IAM's XML errors carry the names that are looked for", async () => {
    const xml = (code: string) =>
      `<ErrorResponse><Error><Type>Sender</Type><Code>${code}</Code><Message>m</Message></Error></ErrorResponse>`;
    const call = (code: string, status: number) =>
      thrownBy(new IAMClient(reply(status, xml(code))).send(new GetRoleCommand({ RoleName: "x" })));
    expect(errorName(await call("NoSuchEntity", 404))).toMatch(/^NoSuchEntity(Exception)?$/);
    expect(errorName(await call("EntityAlreadyExists", 409))).toMatch(/^EntityAlreadyExists(Exception)?$/);
    expect(narrowAwsError(await call("AccessDenied", 403), "iam:GetRole").code).toBe("access_denied");
    expect(narrowAwsError(await call("Throttling", 400), "iam:GetRole").code).toBe("throttled");
    expect(narrowAwsError(await call("LimitExceeded", 409), "iam:GetRole").code).toBe("quota_exceeded");
    expect(narrowAwsError(await call("MalformedPolicyDocument", 400), "iam:GetRole").code).toBe("policy_rejected");
    expect(narrowAwsError(await call("ServiceFailure", 500), "iam:GetRole").code).toBe("aws_unavailable");
  });

  test("a missing queue and a missing table are stage_not_deployed", async () => {
    const noQueue = JSON.stringify({ __type: "com.amazonaws.sqs#QueueDoesNotExist", message: "m" });
    const queue = new SQSClient({ ...reply(400, noQueue), endpoint: "https://sqs.example" });
    const command = new ChangeMessageVisibilityCommand({ QueueUrl: "q", ReceiptHandle: "r", VisibilityTimeout: 1 });
    expect(narrowAwsError(await thrownBy(queue.send(command)), "sqs").code).toBe("stage_not_deployed");
    const noTable = JSON.stringify({ __type: "com.amazonaws.dynamodb.v20120810#ResourceNotFoundException" });
    const table = new DynamoDBClient(reply(400, noTable));
    const put = new PutItemCommand({ TableName: "t", Item: { pk: { S: "x" } } });
    expect(narrowAwsError(await thrownBy(table.send(put)), "dynamodb").code).toBe("stage_not_deployed");
  });

  test("a gateway's page in place of an answer is aws_unavailable", async () => {
    const error = await thrownBy(
      new KMSClient(reply(502, "<html>Bad Gateway</html>")).send(new DescribeKeyCommand({ KeyId: "x" })),
    );
    expect(narrowAwsError(error, "kms:DescribeKey").code).toBe("aws_unavailable");
    expect(certainlyNotDone(error)).toBe(false);
  });

  test("a port at which nobody listens is aws_unavailable and proves nothing", async () => {
    const endpoint = `http://127.0.0.1:${await unusedPort()}`;
    const config = clientConfig({ region: "eu-west-1", credentials: CREDENTIALS, endpoint });
    const kms = new KMSClient({ ...config, maxAttempts: 1 });
    const error = await thrownBy(kms.send(new DescribeKeyCommand({ KeyId: "x" })));
    expect(errorName(error)).toBe("ECONNREFUSED");
    expect(narrowAwsError(error, "kms:DescribeKey").code).toBe("aws_unavailable");
    expect(certainlyNotDone(error)).toBe(false);
  });
});

async function unusedPort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === "object" && address !== null ? address.port : 0;
}
