import {
  CloudWatchClient,
  type Metric,
  type MetricDataQuery,
  type MetricStat,
  PutCompositeAlarmCommand,
  type PutCompositeAlarmCommandInput,
  PutDashboardCommand,
  PutMetricAlarmCommand,
  type PutMetricAlarmCommandInput,
  TagResourceCommand,
} from "@aws-sdk/client-cloudwatch";
import type { ResourceContext, ResourceHandlers } from "../resource-context.ts";
import type { ResourceRequest, ResourceResult } from "../resource-provider.ts";
import {
  asRecord,
  blocks,
  HANDLED,
  type InputRules,
  jsonText,
  physicalName,
  REGION_IGNORED,
  requiredText,
  tags,
  translateInputs,
  unsupportedInput,
} from "../translate-inputs.ts";

const QUERY_RULES: InputRules<MetricDataQuery> = {
  id: "Id",
  expression: "Expression",
  label: "Label",
  returnData: "ReturnData",
  period: "Period",
  accountId: "AccountId",
  metric: { to: "MetricStat", convert: metricStat },
};

const METRIC_ALARM_RULES: InputRules<PutMetricAlarmCommandInput> = {
  name: HANDLED,
  region: REGION_IGNORED,
  actionsEnabled: "ActionsEnabled",
  alarmActions: "AlarmActions",
  okActions: "OKActions",
  insufficientDataActions: "InsufficientDataActions",
  alarmDescription: "AlarmDescription",
  comparisonOperator: "ComparisonOperator",
  datapointsToAlarm: "DatapointsToAlarm",
  dimensions: { to: "Dimensions", convert: dimensions },
  evaluateLowSampleCountPercentiles: "EvaluateLowSampleCountPercentile",
  evaluationPeriods: "EvaluationPeriods",
  extendedStatistic: "ExtendedStatistic",
  metricName: "MetricName",
  namespace: "Namespace",
  period: "Period",
  statistic: "Statistic",
  threshold: "Threshold",
  thresholdMetricId: "ThresholdMetricId",
  treatMissingData: "TreatMissingData",
  unit: "Unit",
  metricQueries: blocks("Metrics", QUERY_RULES),
  tags: tags("Tags"),
};

const COMPOSITE_ALARM_RULES: InputRules<PutCompositeAlarmCommandInput> = {
  alarmName: "AlarmName",
  alarmRule: "AlarmRule",
  region: REGION_IGNORED,
  actionsEnabled: "ActionsEnabled",
  alarmActions: "AlarmActions",
  okActions: "OKActions",
  insufficientDataActions: "InsufficientDataActions",
  alarmDescription: "AlarmDescription",
  tags: tags("Tags"),
};

function dimensions(value: unknown, path: string): unknown {
  return Object.entries(asRecord(value, path)).map(([Name, Value]) => ({ Name, Value: String(Value) }));
}

function metricStat(value: unknown, path: string): MetricStat {
  const { metricName, namespace, period, stat, unit, dimensions: named, ...others } = asRecord(value, path);
  const unknown = Object.entries(others).find(([, other]) => other !== undefined && other !== null);
  if (unknown !== undefined) throw unsupportedInput(`${path}.${unknown[0]}`, unknown[1]);
  return {
    Metric: {
      MetricName: metricName,
      Namespace: namespace,
      ...(named !== undefined && { Dimensions: dimensions(named, path) }),
    } as Metric,
    Period: Number(period),
    Stat: String(stat),
    ...(unit !== undefined && { Unit: unit as NonNullable<MetricStat["Unit"]> }),
  };
}

async function putMetricAlarm(request: ResourceRequest, context: ResourceContext): Promise<ResourceResult> {
  const AlarmName = physicalName(request);
  const params = translateInputs(request, METRIC_ALARM_RULES);
  const alarm = { ...params, AlarmName } as PutMetricAlarmCommandInput;
  await context.client(CloudWatchClient).send(new PutMetricAlarmCommand(alarm));
  return alarmResult(AlarmName, params.Tags, context);
}

async function putCompositeAlarm(request: ResourceRequest, context: ResourceContext): Promise<ResourceResult> {
  const AlarmName = requiredText(request, "alarmName");
  const AlarmRule = requiredText(request, "alarmRule");
  const params = translateInputs(request, COMPOSITE_ALARM_RULES);
  await context.client(CloudWatchClient).send(new PutCompositeAlarmCommand({ ...params, AlarmName, AlarmRule }));
  return alarmResult(AlarmName, params.Tags, context);
}

/** Putting an alarm sets tags only on one that it makes. */
async function alarmResult(
  name: string,
  Tags: PutMetricAlarmCommandInput["Tags"],
  context: ResourceContext,
): Promise<ResourceResult> {
  const arn = `arn:aws:cloudwatch:${context.region}:${context.accountId}:alarm:${name}`;
  if (Tags !== undefined) {
    await context.client(CloudWatchClient).send(new TagResourceCommand({ ResourceARN: arn, Tags }));
  }
  return { id: name, state: { arn, name } };
}

async function putDashboard(request: ResourceRequest, context: ResourceContext): Promise<ResourceResult> {
  translateInputs(request, { dashboardName: HANDLED, dashboardBody: HANDLED, region: REGION_IGNORED });
  const DashboardName = requiredText(request, "dashboardName");
  const DashboardBody = jsonText(request.inputs.dashboardBody);
  const { DashboardValidationMessages = [] } = await context
    .client(CloudWatchClient)
    .send(new PutDashboardCommand({ DashboardName, DashboardBody }));
  const [problem] = DashboardValidationMessages;
  if (problem !== undefined) throw new Error(`the dashboard's body: ${problem.DataPath}: ${problem.Message}`);
  const dashboardArn = `arn:aws:cloudwatch::${context.accountId}:dashboard/${DashboardName}`;
  return { id: DashboardName, state: { dashboardArn } };
}

export const handlers: ResourceHandlers = {
  "aws:cloudwatch/metricAlarm:MetricAlarm": { create: putMetricAlarm },
  "aws:cloudwatch/compositeAlarm:CompositeAlarm": { create: putCompositeAlarm },
  "aws:cloudwatch/dashboard:Dashboard": { create: putDashboard },
};
