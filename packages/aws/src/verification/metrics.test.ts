import type { PutMetricDataCommandInput } from "@aws-sdk/client-cloudwatch";
import { parseStage } from "@tenantkeys/core";
import { expect, test } from "vitest";
import { awsError, FakeClock, runOn, START_MS } from "../test-support.ts";
import { createMetrics } from "./metrics.ts";

test("the stage's metrics are put in one call, with the stage as the only dimension", async () => {
  const sent: PutMetricDataCommandInput[] = [];
  const send = async ({ input }: { readonly input: PutMetricDataCommandInput }) => {
    sent.push(input);
  };
  const metrics = createMetrics({ send } as never, parseStage("dev"));
  await metrics.put(runOn(new FakeClock()), { FindingsHigh: 2, SweepSeconds: 90.5 });
  const common = { Dimensions: [{ Name: "Stage", Value: "dev" }], Timestamp: new Date(START_MS) };
  expect(sent).toEqual([
    {
      Namespace: "tenantkeys/dev",
      MetricData: [
        { ...common, MetricName: "FindingsHigh", Value: 2, Unit: "Count" },
        { ...common, MetricName: "SweepSeconds", Value: 90.5, Unit: "Seconds" },
      ],
    },
  ]);
});

test("a refusal names the right that is missing", async () => {
  const send = () => Promise.reject(awsError("AccessDenied", 403));
  const metrics = createMetrics({ send } as never, parseStage("dev"));
  await expect(metrics.put(runOn(new FakeClock()), { SweepCompleted: 1 })).rejects.toMatchObject({
    code: "access_denied",
    details: { step: "cloudwatch:PutMetricData" },
  });
});
