/**
 * The forms of the stage's service roles: a fixed name under the stage's path, one inline policy, and no managed one, as
 * AWS's own AWSLambdaBasicExecutionRole may write every log group of the account.
 */
import { type PolicyStatement, policyDocument, SYSTEM_PATH } from "@tenantkeys/core";
import { accountId, region } from "./stage.ts";

interface FunctionRole {
  readonly name: string;
  readonly description: string;
  readonly functionName: string;
  readonly policyName: string;
  readonly may: readonly PolicyStatement[];
}

/** The role of a Lambda function, which may also write its own log. */
export function functionRoleArgs({ name, description, functionName, policyName, may }: FunctionRole): aws.iam.RoleArgs {
  const writeItsLog: PolicyStatement = {
    Sid: "WriteItsLog",
    Effect: "Allow",
    Action: ["logs:CreateLogStream", "logs:PutLogEvents"],
    Resource: `arn:aws:logs:${region}:${accountId}:log-group:/aws/lambda/${functionName}:*`,
  };
  return {
    name,
    path: SYSTEM_PATH,
    description,
    assumeRolePolicy: JSON.stringify(
      policyDocument([
        { Sid: "Lambda", Effect: "Allow", Principal: { Service: "lambda.amazonaws.com" }, Action: "sts:AssumeRole" },
      ]),
    ),
    inlinePolicies: [{ name: policyName, policy: JSON.stringify(policyDocument([...may, writeItsLog])) }],
    managedPolicyArns: [],
  };
}

/**
 * What EventBridge Scheduler takes on to call a function.
 * @param sid what it calls, as the statement's name
 */
export function scheduleRoleArgs(
  role: Pick<FunctionRole, "name" | "description" | "functionName">,
  sid: string,
): aws.iam.RoleArgs {
  return {
    name: role.name,
    path: SYSTEM_PATH,
    description: role.description,
    assumeRolePolicy: JSON.stringify(
      policyDocument([
        {
          Sid: "ThisAccountsSchedules",
          Effect: "Allow",
          Principal: { Service: "scheduler.amazonaws.com" },
          Action: "sts:AssumeRole",
          // Against a schedule of another account that was given this role: https://docs.aws.amazon.com/IAM/latest/UserGuide/confused-deputy.html
          Condition: { StringEquals: { "aws:SourceAccount": accountId } },
        },
      ]),
    ),
    inlinePolicies: [
      {
        name: "schedule",
        policy: JSON.stringify(
          policyDocument([
            {
              Sid: sid,
              Effect: "Allow",
              Action: "lambda:InvokeFunction",
              Resource: `arn:aws:lambda:${region}:${accountId}:function:${role.functionName}`,
            },
          ]),
        ),
      },
    ],
    managedPolicyArns: [],
  };
}
