/**
 * The roles of verification. Neither has a right in KMS or IAM of its own: they look as the auditor, whom every key's
 * policy lets look, and what is to be changed the worker does.
 */
import { metricNamespace, type PolicyStatement } from "@tenantkeys/core";
import { functionRoleArgs, scheduleRoleArgs } from "./role-args.ts";
import { accountId, arns, names, region, settings } from "./stage.ts";

const KEEP_ITEMS = [
  "dynamodb:DeleteItem",
  "dynamodb:GetItem",
  "dynamodb:PutItem",
  "dynamodb:Query",
  "dynamodb:UpdateItem",
] as const;

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

const ofBoth: readonly PolicyStatement[] = [
  { Sid: "LookAsAuditor", Effect: "Allow", Action: "sts:AssumeRole", Resource: arns.auditorRole },
  { Sid: "TellOfFindings", Effect: "Allow", Action: "events:PutEvents", Resource: arns.bus },
  {
    // Every resource, because CloudWatch knows no narrower one for metrics; the condition keeps it to the stage's namespace.
    Sid: "PutTheStagesMetrics",
    Effect: "Allow",
    Action: "cloudwatch:PutMetricData",
    Resource: "*",
    Condition: { StringEquals: { "cloudwatch:namespace": metricNamespace(settings.stage) } },
  },
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
    {
      Sid: "ListTheRegistryAndKeepSweeps",
      Effect: "Allow",
      Action: [...KEEP_ITEMS, "dynamodb:Scan"],
      Resource: arns.registryTable,
    },
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
    { Sid: "KeepFindings", Effect: "Allow", Action: KEEP_ITEMS, Resource: arns.registryTable },
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
