/** Who may put messages into a queue: SST's own queue policy would let every rule, topic and bucket of the account. */
import { policyDocument } from "@tenantkeys/core";
import { accountId } from "./stage.ts";

/**
 * Only these rules of EventBridge; functions and people by the policies of their own roles.
 * @param sid which rules, as the statement's name
 */
export function letRulesSend(
  name: string,
  sid: string,
  target: sst.aws.Queue,
  rules: readonly aws.cloudwatch.EventRule[],
): aws.sqs.QueuePolicy {
  return new aws.sqs.QueuePolicy(name, {
    queueUrl: target.url,
    policy: $resolve([target.arn, ...rules.map(({ arn }) => arn)]).apply(([queueArn, ...ruleArns]) =>
      JSON.stringify(
        policyDocument([
          {
            Sid: sid,
            Effect: "Allow",
            Principal: { Service: "events.amazonaws.com" },
            Action: "sqs:SendMessage",
            Resource: queueArn ?? "",
            Condition: {
              ArnEquals: { "aws:SourceArn": ruleArns.length === 1 ? ruleArns[0] : ruleArns },
              StringEquals: { "aws:SourceAccount": accountId },
            },
          },
        ]),
      ),
    ),
  });
}
