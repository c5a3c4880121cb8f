/**
 * The roles and policies of the stage but for verification's (verification-permissions.ts). Keys aren't in here: the provisioner's and the auditor's rights on a key come from
 * that key's own policy, so neither can touch a key that tenantkeys didn't make.
 */
import {
  ATTEMPT_TAG,
  CRYPTOGRAPHIC_ACTIONS,
  isInCustomStore,
  isMultiRegion,
  KEY_TAG,
  KEYS_OF_ANY_ACCOUNT,
  type PolicyStatement,
  policyDocument,
  regionsOf,
  STAGE_TAG,
  SYSTEM_PATH,
  stageArns,
  TENANT_TAG,
  tenantPermissionsBoundary,
} from "@tenantkeys/core";
import { retained } from "./retained.ts";
import { functionRoleArgs, scheduleRoleArgs } from "./role-args.ts";
import { accountId, arns, context, names, region, settings } from "./stage.ts";
import { askAccessAnalyzer, tellSecurityHub } from "./verification-permissions.ts";

export const tenantBoundary = new aws.iam.Policy(
  "TenantBoundary",
  {
    name: names.tenantBoundary,
    path: SYSTEM_PATH,
    description: "The most that a tenant's role may ever do",
    policy: JSON.stringify(tenantPermissionsBoundary(context, settings)),
  },
  retained.tenantBoundary,
);

const profiles = Object.values(settings.profiles);
/** Keys are made in the stage's Region, their replicas in those of the profiles: each is named. */
const arnsOfRegions = regionsOf(region, settings.profiles).map((name) => stageArns(accountId, name, settings.stage));
const everyKey = arnsOfRegions.map(({ keys }) => keys);

const makeRoles: readonly PolicyStatement[] = [
  {
    Sid: "MakeTenantRolesUnderTheBoundaryOnly",
    Effect: "Allow",
    // A boundary that somebody took off is put back: only this one can be.
    Action: ["iam:CreateRole", "iam:PutRolePermissionsBoundary", "iam:PutRolePolicy"],
    Resource: arns.tenantRoles,
    Condition: { StringEquals: { "iam:PermissionsBoundary": arns.tenantBoundary } },
  },
  {
    Sid: "TagTenantRolesAndChangeTheirTrust",
    Effect: "Allow",
    Action: ["iam:TagRole", "iam:UpdateAssumeRolePolicy"],
    Resource: arns.tenantRoles,
  },
  {
    // Whoever leaves takes their role with them.
    Sid: "RemoveTenantRoles",
    Effect: "Allow",
    Action: ["iam:DeleteRole", "iam:DeleteRolePolicy"],
    Resource: arns.tenantRoles,
  },
  {
    Sid: "ReadRolesOfTheirNames",
    Effect: "Allow",
    Action: ["iam:GetRole", "iam:GetRolePolicy", "iam:ListRolePolicies"],
    Resource: arns.rolesOfTenantName,
  },
];

/** Every account, because which accounts tenants bring keys from isn't known before; their key policies decide as well. */
const describeKeysOfTenants: PolicyStatement = {
  Sid: "DescribeKeysOfTenantsAccounts",
  Effect: "Allow",
  Action: "kms:DescribeKey",
  Resource: KEYS_OF_ANY_ACCOUNT,
};

const makeKeys: readonly PolicyStatement[] = [
  {
    // Every resource, because a key has no ARN before it is made; our request tag narrows it to keys of this stage.
    Sid: "MakeKeysOfThisStage",
    Effect: "Allow",
    Action: "kms:CreateKey",
    Resource: "*",
    Condition: { StringEquals: { [`aws:RequestTag/${STAGE_TAG}`]: settings.stage } },
  },
  {
    // Every key, because CreateKey with tags needs TagResource on a key without an ARN yet; only our tags may be given.
    Sid: "TagKeysOfThisStageWhenMade",
    Effect: "Allow",
    Action: "kms:TagResource",
    Resource: everyKey,
    Condition: {
      StringEquals: { [`aws:RequestTag/${STAGE_TAG}`]: settings.stage },
      "ForAllValues:StringEquals": { "aws:TagKeys": [STAGE_TAG, TENANT_TAG, KEY_TAG, ATTEMPT_TAG] },
    },
  },
  {
    Sid: "NameKeys",
    Effect: "Allow",
    // An alias is moved to the key that replaces another, and back where somebody moved it.
    Action: ["kms:CreateAlias", "kms:UpdateAlias"],
    Resource: arnsOfRegions.map(({ tenantAliases }) => tenantAliases),
  },
  {
    // Every key, because a name of ours that somebody pointed at a key of theirs is moved off it, and KMS asks for this
    // on the alias and on both keys. The names above are all that it can be used with; on a key whose policy doesn't turn
    // to IAM it counts for nothing.
    Sid: "MoveOurNamesOffAnyKey",
    Effect: "Allow",
    Action: "kms:UpdateAlias",
    Resource: everyKey,
  },
  {
    // Every key, to tell a key that is gone from one that hides: a key that is gone has no policy, so KMS answers that
    // it isn't there to those only whom IAM lets look. A key whose policy doesn't turn to IAM stays hidden; of one whose
    // policy does, this shows the description, and no data.
    Sid: "TellKeysThatAreGone",
    Effect: "Allow",
    Action: "kms:DescribeKey",
    Resource: everyKey,
  },
  ...(settings.tenantOwnedKeys ? [describeKeysOfTenants] : []),
  ...(profiles.some(isMultiRegion) ? [makeMultiRegionServiceRole()] : []),
  ...(profiles.some(isInCustomStore) ? [findCustomStores()] : []),
  {
    // Every resource, because tag:GetResources knows no narrower one. It reads names and tags, nothing else.
    Sid: "FindKeysByTag",
    Effect: "Allow",
    Action: "tag:GetResources",
    Resource: "*",
  },
  {
    // Every key, because it is a refusal: whatever a key policy says one day, this role never encrypts or decrypts.
    Sid: "NeverUseAnyKey",
    Effect: "Deny",
    Action: [...CRYPTOGRAPHIC_ACTIONS],
    Resource: "*",
  },
];

/**
 * KMS keeps multi-Region keys alike through a role of its own, which the account's first such key makes.
 * https://docs.aws.amazon.com/kms/latest/developerguide/multi-region-auth-slr.html
 */
function makeMultiRegionServiceRole(): PolicyStatement {
  const service = "mrk.kms.amazonaws.com";
  return {
    Sid: "LetKmsSynchronizeReplicas",
    Effect: "Allow",
    Action: "iam:CreateServiceLinkedRole",
    Resource: `arn:aws:iam::${accountId}:role/aws-service-role/${service}/AWSServiceRoleForKeyManagementServiceMultiRegionKeys`,
    Condition: { StringEquals: { "iam:AWSServiceName": service } },
  };
}

function findCustomStores(): PolicyStatement {
  return {
    // Every resource, because custom key stores have no ARN. It reads whether a store is connected.
    Sid: "SeeCustomKeyStores",
    Effect: "Allow",
    Action: "kms:DescribeCustomKeyStores",
    Resource: "*",
  };
}

const work: readonly PolicyStatement[] = [
  {
    Sid: "KeepTheRegistry",
    Effect: "Allow",
    Action: ["dynamodb:ConditionCheckItem", "dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Query"],
    Resource: arns.registryTable,
  },
  { Sid: "Reply", Effect: "Allow", Action: "events:PutEvents", Resource: arns.bus },
  {
    Sid: "HaveRepairedKeysVerified",
    Effect: "Allow",
    Action: "sqs:SendMessage",
    Resource: arns.verificationQueue,
  },
  {
    Sid: "TakeWorkFromTheQueue",
    Effect: "Allow",
    Action: ["sqs:ChangeMessageVisibility", "sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage"],
    Resource: arns.queue,
  },
];

/**
 * The worker's role. It is made by SST's Function component under these arguments (stacks/provisioning.ts): handing SST a
 * finished role would need one without a path, as SST 4.17 takes what follows the first slash of an ARN for its name.
 */
export const provisionerRoleArgs = functionRoleArgs({
  name: names.provisionerRole,
  description: "tenantkeys: makes tenants' keys and roles, and can use none of them",
  functionName: names.provisionFunction,
  policyName: "provisioner",
  may: [...makeRoles, ...makeKeys, ...work],
});

/** The function that finds what is due: it has no right in KMS and none in IAM. */
export const reviewerRoleArgs = functionRoleArgs({
  name: names.reviewerRole,
  description: "tenantkeys: finds keys whose waiting time is over, and tells the worker",
  functionName: names.reviewFunction,
  policyName: "reviewer",
  may: [
    { Sid: "FindWhatIsDue", Effect: "Allow", Action: "dynamodb:Query", Resource: `${arns.registryTable}/index/review` },
    { Sid: "TellTheWorker", Effect: "Allow", Action: "sqs:SendMessage", Resource: arns.queue },
  ],
});

export const reviewScheduleRoleArgs = scheduleRoleArgs(
  {
    name: names.reviewScheduleRole,
    description: "tenantkeys: lets the schedule call the review function",
    functionName: names.reviewFunction,
  },
  "CallTheReview",
);

const audit: readonly PolicyStatement[] = [
  {
    Sid: "ReadTenantRoles",
    Effect: "Allow",
    Action: ["iam:GetRole", "iam:GetRolePolicy", "iam:ListAttachedRolePolicies", "iam:ListRolePolicies"],
    Resource: [...arns.rolesOfTenantName, arns.sharedTenantRole],
  },
  {
    // Every resource, because this action knows no narrower one. It reads all roles of the account, which is what saves
    // a sweep four calls for each tenant's: IAM publishes no quota, and throttles early.
    Sid: "ListRolesInBulk",
    Effect: "Allow",
    Action: "iam:GetAccountAuthorizationDetails",
    Resource: "*",
  },
  {
    // Every resource, because it is allowed by IAM alone and on nothing narrower. It reads names and where they lead, and
    // tells an alias that isn't there from one on a key that hides, which DescribeKey answers alike.
    Sid: "ListAliases",
    Effect: "Allow",
    Action: "kms:ListAliases",
    Resource: "*",
  },
  {
    // Every key, as the provisioner may, for the same reason: a key that is gone has no policy, so KMS says that it isn't
    // there to those only whom IAM lets look.
    Sid: "TellKeysThatAreGone",
    Effect: "Allow",
    Action: "kms:DescribeKey",
    Resource: everyKey,
  },
  // Every resource, because tag:GetResources knows no narrower one. It reads names and tags, nothing else.
  { Sid: "FindKeysByTag", Effect: "Allow", Action: "tag:GetResources", Resource: "*" },
  ...(settings.tenantOwnedKeys ? [describeKeysOfTenants] : []),
];

export const auditorRole = new aws.iam.Role(
  "Auditor",
  {
    name: names.auditorRole,
    path: SYSTEM_PATH,
    description: "tenantkeys: reads tenants' keys and roles, changes nothing",
    assumeRolePolicy: JSON.stringify(
      policyDocument([
        {
          // The account, because who audits is decided by IAM: a principal needs sts:AssumeRole on this role as well.
          Sid: "WhomIamAllows",
          Effect: "Allow",
          Principal: { AWS: `arn:aws:iam::${accountId}:root` },
          Action: "sts:AssumeRole",
        },
      ]),
    ),
    inlinePolicies: [{ name: "auditor", policy: JSON.stringify(policyDocument(audit)) }],
  },
  retained.auditorRole,
);

const operate: readonly PolicyStatement[] = [
  { Sid: "PublishEvents", Effect: "Allow", Action: "events:PutEvents", Resource: arns.bus },
  {
    Sid: "ReplayTheArchive",
    Effect: "Allow",
    Action: ["events:DescribeArchive", "events:DescribeReplay", "events:StartReplay"],
    // StartReplay is checked against the archive, the bus and the replay; a replay has no ARN before it is named.
    Resource: [arns.archive, arns.bus, arns.replays],
  },
  {
    Sid: "ReadTheRegistryAndSettleRefusals",
    Effect: "Allow",
    Action: ["dynamodb:DeleteItem", "dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Query", "dynamodb:Scan"],
    Resource: arns.registryTable,
  },
  {
    Sid: "ListFindings",
    Effect: "Allow",
    Action: "dynamodb:Query",
    Resource: [arns.findingsIndex, arns.keysIndex],
  },
  {
    Sid: "ReplayDeadLetters",
    Effect: "Allow",
    Action: [
      "sqs:ChangeMessageVisibility",
      "sqs:DeleteMessage",
      "sqs:GetQueueUrl",
      "sqs:GetQueueAttributes",
      "sqs:ReceiveMessage",
    ],
    Resource: [arns.queueDeadLetter, arns.ruleDeadLetter, arns.verificationDeadLetter, arns.guardDeadLetter],
  },
  { Sid: "FeedTheQueue", Effect: "Allow", Action: ["sqs:GetQueueUrl", "sqs:SendMessage"], Resource: arns.queue },
  {
    // Every resource, because it is asked about a document, and free of charge.
    Sid: "ValidatePolicies",
    Effect: "Allow",
    Action: "access-analyzer:ValidatePolicy",
    Resource: "*",
  },
  // `tenantkeys verify` does what the verify function does.
  ...tellSecurityHub,
  ...askAccessAnalyzer,
  { Sid: "PlanAsAuditor", Effect: "Allow", Action: "sts:AssumeRole", Resource: arns.auditorRole },
];

/** To be attached to the role of whoever runs the `tenantkeys` command. */
export const operatorPolicy = new aws.iam.Policy("Operator", {
  name: names.operatorPolicy,
  path: SYSTEM_PATH,
  description: "tenantkeys: what the command line needs",
  policy: JSON.stringify(policyDocument(operate)),
});
