/**
 * The roles of verification. Neither has a right in KMS or IAM of its own: they look as the auditor, whom every key's
 * policy lets look, and what is to be changed the worker does.
 */
import { metricNamespace, type PolicyStatement, REPLY_SOURCE, VERIFICATION_PARTITIONS } from "@tenantkeys/core";
import { functionRoleArgs, scheduleRoleArgs } from "./role-args.ts";
import { accountId, arns, names, region, settings } from "./stage.ts";

/** It reads what is declared and writes what it found: a tenant's record, with its approvals, and its keys' it can't change. */
const keepRecords: readonly PolicyStatement[] = [
  {
    Sid: "ReadTheRegistry",
    Effect: "Allow",
    Action: ["dynamodb:GetItem", "dynamodb:Query"],
    Resource: arns.registryTable,
  },
  {
    Sid: "KeepWhatWasFound",
    Effect: "Allow",
    Action: ["dynamodb:DeleteItem", "dynamodb:PutItem", "dynamodb:UpdateItem"],
    Resource: arns.registryTable,
    Condition: {
      "ForAllValues:StringLike": {
        "dynamodb:LeadingKeys": Object.values(VERIFICATION_PARTITIONS).map((partition) => `${partition}*`),
      },
    },
  },
];

/** Under the account's own product, as custom findings are. Where the stage says so. */
export const tellSecurityHub: readonly PolicyStatement[] = settings.securityHub
  ? [
      {
        Sid: "TellSecurityHub",
        Effect: "Allow",
        Action: "securityhub:BatchImportFindings",
        Resource: `arn:aws:securityhub:${region}:${accountId}:product/${accountId}/default`,
      },
    ]
  : [];

/** Where the stage says so. */
export const askAccessAnalyzer: readonly PolicyStatement[] = settings.accessAnalyzer
  ? [
      {
        // Every resource, because these two are asked about a document, not about anything of the account.
        Sid: "AskAccessAnalyzer",
        Effect: "Allow",
        Action: ["access-analyzer:CheckAccessNotGranted", "access-analyzer:CheckNoPublicAccess"],
        Resource: "*",
      },
    ]
  : [];

/** Telling the bus of findings, and CloudWatch of counts. */
export const tellAndCount: readonly PolicyStatement[] = [
  {
    // As tenantkeys itself: the bus's rule takes no such event, so nobody can be signed up or offboarded by it.
    Sid: "TellOfFindings",
    Effect: "Allow",
    Action: "events:PutEvents",
    Resource: arns.bus,
    Condition: { "ForAllValues:StringEquals": { "events:source": REPLY_SOURCE } },
  },
  {
    // Every resource, because CloudWatch knows no narrower one for metrics; the condition keeps it to the stage's namespace.
    Sid: "PutTheStagesMetrics",
    Effect: "Allow",
    Action: "cloudwatch:PutMetricData",
    Resource: "*",
    Condition: { StringEquals: { "cloudwatch:namespace": metricNamespace(settings.stage) } },
  },
];

const ofBoth: readonly PolicyStatement[] = [
  { Sid: "LookAsAuditor", Effect: "Allow", Action: "sts:AssumeRole", Resource: arns.auditorRole },
  ...keepRecords,
  { Sid: "CallForCriticalFindings", Effect: "Allow", Action: "sns:Publish", Resource: arns.alarmTopic },
  ...tellAndCount,
  ...tellSecurityHub,
];

/** Only where the stage lets something be put right without a person asking. The limit is a share of the keys there are. */
const askForRepair: readonly PolicyStatement[] =
  settings.automaticRepair || settings.cancelUnintendedDeletions
    ? [
        { Sid: "AskForRepair", Effect: "Allow", Action: "sqs:SendMessage", Resource: arns.queue },
        { Sid: "CountKeysForTheLimit", Effect: "Allow", Action: "dynamodb:Scan", Resource: arns.registryTable },
      ]
    : [];

/** The function that starts a sweep, cuts it into shards and closes it. */
export const sweeperRoleArgs = functionRoleArgs({
  name: names.sweeperRole,
  description: "tenantkeys: lists what is there, cuts sweeps into shards, and closes them",
  functionName: names.sweepFunction,
  policyName: "sweeper",
  may: [
    { Sid: "ListTheRegistry", Effect: "Allow", Action: "dynamodb:Scan", Resource: arns.registryTable },
    { Sid: "CountOpenFindings", Effect: "Allow", Action: "dynamodb:Query", Resource: arns.findingsIndex },
    {
      Sid: "SendShards",
      Effect: "Allow",
      Action: "sqs:SendMessage",
      Resource: arns.verificationQueue,
    },
    ...askForRepair,
    ...ofBoth,
  ],
});

export const sweepScheduleRoleArgs = scheduleRoleArgs(
  {
    name: names.sweepScheduleRole,
    description: "tenantkeys: lets the schedule call the sweep function",
    functionName: names.sweepFunction,
  },
  "CallTheSweep",
);

/** The function that verifies shards and touched keys. */
export const verifierRoleArgs = functionRoleArgs({
  name: names.verifierRole,
  description: "tenantkeys: verifies tenants' keys and keeps findings, changes no key",
  functionName: names.verifyFunction,
  policyName: "verifier",
  may: [
    {
      Sid: "FindKeysByArnAndCountOpenFindings",
      Effect: "Allow",
      Action: "dynamodb:Query",
      Resource: [arns.findingsIndex, arns.keysIndex],
    },
    {
      Sid: "TakeWorkFromTheQueues",
      Effect: "Allow",
      Action: ["sqs:ChangeMessageVisibility", "sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage"],
      Resource: [arns.verificationQueue, arns.guardQueue],
    },
    // Of keys that KMS deleted or whose material expired.
    { Sid: "AskForReview", Effect: "Allow", Action: "sqs:SendMessage", Resource: arns.queue },
    ...askForRepair,
    ...askAccessAnalyzer,
    ...ofBoth,
  ],
});
