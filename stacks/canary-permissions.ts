/**
 * The role of the canary. It has no right in KMS: what it does with a key it does as one of its two tenants, whose roles
 * it may ask for and no other's.
 */
import {
  CANARY_PARTITION,
  CANARY_TENANT_IDS,
  type PolicyStatement,
  tenantPrincipalArn,
  VERIFICATION_PARTITIONS,
} from "@tenantkeys/core";
import { functionRoleArgs, scheduleRoleArgs } from "./role-args.ts";
import { arns, context, names } from "./stage.ts";
import { tellAndCount, tellSecurityHub } from "./verification-permissions.ts";

/** Findings of the stage itself, apart from those of any tenant. */
const FINDINGS_OF_STAGE = `${VERIFICATION_PARTITIONS.findings}-`;

const onPartitions = (partitions: readonly string[]) => ({
  Condition: { "ForAllValues:StringEquals": { "dynamodb:LeadingKeys": [...partitions] } },
});

const may: readonly PolicyStatement[] = [
  {
    // Under any tag or none: that the wrong ones are refused, the roles' trust policies have to say.
    Sid: "BecomeItsOwnTenants",
    Effect: "Allow",
    Action: ["sts:AssumeRole", "sts:TagSession"],
    Resource: [...new Set(CANARY_TENANT_IDS.map((tenantId) => tenantPrincipalArn(context, tenantId)))],
  },
  {
    Sid: "ReadItsTenantsAndItsOwn",
    Effect: "Allow",
    Action: ["dynamodb:GetItem", "dynamodb:Query"],
    Resource: arns.registryTable,
    ...onPartitions([
      "STAGE",
      ...CANARY_TENANT_IDS.map((tenantId) => `TENANT#${tenantId}`),
      CANARY_PARTITION,
      FINDINGS_OF_STAGE,
    ]),
  },
  {
    Sid: "KeepWhatItSaw",
    Effect: "Allow",
    Action: ["dynamodb:DeleteItem", "dynamodb:PutItem"],
    Resource: arns.registryTable,
    ...onPartitions([CANARY_PARTITION, FINDINGS_OF_STAGE]),
  },
  // Only the sign-ups of its two tenants, as the worker takes nothing else from it.
  { Sid: "HaveItsTenantsMade", Effect: "Allow", Action: "sqs:SendMessage", Resource: arns.queue },
  { Sid: "CallForABreach", Effect: "Allow", Action: "sns:Publish", Resource: arns.alarmTopic },
  ...tellAndCount,
  ...tellSecurityHub,
];

export const canaryRoleArgs = functionRoleArgs({
  name: names.canaryRole,
  description: "tenantkeys: may be the canary's two tenants, and no other",
  functionName: names.canaryFunction,
  policyName: "canary",
  may,
});

export const canaryScheduleRoleArgs = scheduleRoleArgs(
  {
    name: names.canaryScheduleRole,
    description: "tenantkeys: lets the schedule call the canary",
    functionName: names.canaryFunction,
  },
  "CallTheCanary",
);
