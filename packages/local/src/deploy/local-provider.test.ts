import { describe, expect, test } from "vitest";
import { localProvider } from "./local-provider.ts";

/** Nothing listens on the discard port: what is refused here is refused before any call. */
const provider = localProvider({
  endpoint: "http://127.0.0.1:9",
  region: "eu-west-1",
  accountId: "000000000000",
  credentials: { accessKeyId: "test", secretAccessKey: "test" },
});

describe("localProvider", () => {
  test.each([
    ["aws:iam/role:Role", { assumeRolePolicy: "{}", namePrefix: "tk-" }, "namePrefix"],
    ["aws:sqs/queue:Queue", { name: "work", maximumMessageSize: 1 }, "maximumMessageSize"],
    ["aws:dynamodb/table:Table", { name: "t", hashKey: "pk", attributes: [], replicas: [{}] }, "replicas"],
    [
      "aws:dynamodb/table:Table",
      { name: "t", globalSecondaryIndexes: [{ name: "i", warm: 1 }] },
      "globalSecondaryIndexes.warm",
    ],
    [
      "aws:cloudwatch/eventTarget:EventTarget",
      { rule: "r", arn: "a", deadLetterConfig: { queue: "q" } },
      "deadLetterConfig.queue",
    ],
    [
      "aws:lambda/eventSourceMapping:EventSourceMapping",
      { functionName: "f", filterCriteria: { filters: [{ match: "" }] } },
      "filters[0].match",
    ],
    ["aws:lambda/function:Function", { role: "r", vpcConfig: { subnetIds: ["s"] } }, "vpcConfig"],
    ["aws:cloudwatch/metricAlarm:MetricAlarm", { metricQueries: [{ id: "m", metric: { name: "x" } }] }, "metric.name"],
  ])("refuses an input of %s that it can't pass on", async (type, inputs, path) => {
    await expect(provider.create({ type, name: "Thing", inputs })).rejects.toMatchObject({
      code: "input_unsupported",
      message: expect.stringContaining(path),
    });
  });

  test.each(["aws:kinesis/stream:Stream", "aws:iam/user:User", "pulumi-nodejs:dynamic:Resource"])(
    "refuses %s, a type that it can't make",
    async (type) => {
      await expect(provider.create({ type, name: "Thing", inputs: {} })).rejects.toMatchObject({
        code: "resource_unsupported",
        message: expect.stringContaining(type),
      });
    },
  );

  test("refuses a provider for another Region, since everything would end up in this one", async () => {
    const create = (region: string) =>
      provider.create({ type: "pulumi:providers:aws", name: "Other", inputs: { region } });
    await expect(create("us-east-1")).rejects.toMatchObject({ code: "resource_unsupported" });
    await expect(create("eu-west-1")).resolves.toMatchObject({ id: "Other" });
  });

  test("refuses a provider function that it can't answer", async () => {
    await expect(provider.call("aws:ec2/getVpc:getVpc", {})).rejects.toMatchObject({ code: "resource_unsupported" });
  });
});
