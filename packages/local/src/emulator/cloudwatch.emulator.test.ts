import { PutMetricDataCommand } from "@aws-sdk/client-cloudwatch";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Emulator, startEmulator } from "./emulator.ts";
import { assume, callerWith, makeRole, outcome } from "./test-support.ts";

let emulator: Emulator;

beforeAll(async () => {
  emulator = await startEmulator();
}, 120_000);

afterAll(async () => {
  await emulator?.stop();
});

test("a role may be kept to one namespace of metrics by cloudwatch:namespace", async () => {
  const root = callerWith(emulator, emulator.credentials);
  const arn = await makeRole(root, "counting", {
    allow: [
      {
        Effect: "Allow",
        Action: "cloudwatch:PutMetricData",
        Resource: "*",
        Condition: { StringEquals: { "cloudwatch:namespace": "tenantkeys" } },
      },
    ],
  });
  const { cloudWatch } = await assume(emulator, root, arn);
  const put = (Namespace: string) => {
    const MetricData = [{ MetricName: "SweepCompleted", Value: 1, Dimensions: [{ Name: "Stage", Value: "dev" }] }];
    return outcome(cloudWatch.send(new PutMetricDataCommand({ Namespace, MetricData })));
  };
  expect(await put("tenantkeys")).toBe("ok");
  expect(await put("AWS/SQS")).toBe("AccessDeniedException");
  expect(await put("somebody-else")).toBe("AccessDeniedException");
});
